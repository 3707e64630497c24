"""Chapter draw.md: lists, rules, and what an output draws."""

import re

from .chain import expand
from .hashing import framed, h256, u64
from .rules import Reject, bind, need, on

MOST = 1_000_000
BLANKS = " \t"
SIGNED = range(-(2**63), 2**63)
UNSIGNED = range(2**64)


def read_list(data):
    """The entries as (name, weight), and whether the list is weighted."""
    need("draw-1 length", len(data) <= 2**26, "too-long")
    try:
        text = data.decode("utf-8") if on("draw-1 UTF-8") else data.decode("latin-1")
    except UnicodeDecodeError:
        raise Reject("malformed") from None
    if text.startswith("\ufeff") and on("draw-1 byte order mark"):
        text = text[1:]
    ends = r"\r\n|\n|\r" if on("draw-1 CR ends a line") else r"\n"
    lines = re.split(ends, text) if on("draw-1 no other end of a line") else text.splitlines()
    if on("draw-1 blanks around an entry"):
        lines = [line.strip(BLANKS if on("draw-1 no other blank") else None) for line in lines]
    lines = [line for line in lines if line or not on("draw-1 empty lines")]
    entries, kinds = [], set()
    for line in lines:
        kinds.add("\t" in line)
        entries.append(_entry(line))
        need("draw-2 all or none", len(kinds) < 2, "mixed-weights")
    need("draw-3 count", len(entries) <= MOST, "bad-count")
    names = {name for name, _ in entries}
    need("draw-3 no name twice", len(names) == len(entries), "duplicate-entry")
    return entries, kinds == {True}


def _entry(line):
    if "\t" not in line:
        return line, 1
    name, weight = line.split("\t", 1) if on("draw-2 the first tab") else line.rsplit("\t", 1)
    name, weight = (part.strip(BLANKS) if on("draw-2 blanks around both") else part for part in (name, weight))
    need("draw-2 digits", re.fullmatch("[0-9]+", weight), "bad-weight")
    need("draw-2 no leading zero", not re.match("0[0-9]", weight), "bad-weight")
    weight = int(weight)
    need("draw-2 least weight", weight >= 1, "bad-weight")
    need("draw-2 greatest weight", weight <= MOST, "bad-weight")
    return name, weight


def to_text(entries, weighted):
    tail = "\t{}\n" if weighted else "\n"
    return "".join(name + tail.format(weight) for name, weight in entries)


def list_hash(entries):
    fields = [
        framed(name.encode()) + bind("draw-4 weight in the list hash", u64(weight)) for name, weight in entries
    ]
    return h256("beacon/1/draw-list", bind("draw-4 count in the list hash", u64(len(entries))), *fields)


def read_rules(text):
    """The word and its numbers."""
    number = "(0|[1-9][0-9]*)" if on("draw-5 one spelling of a number") else "([0-9]+)"
    signed = "(0|-?[1-9][0-9]*)" if on("draw-5 one spelling of a signed number") else "([+-]?[0-9]+)"
    shapes = {
        "pick": (f"pick {number}", [UNSIGNED]),
        "shuffle": ("shuffle", []),
        "dice": (f"dice {number}d{number}", [UNSIGNED, UNSIGNED]),
        "range": (rf"range {signed}\.\.{signed} times {number}", [SIGNED, SIGNED, UNSIGNED]),
        "bytes": (f"bytes {number}", [UNSIGNED]),
    }
    for word, (shape, widths) in shapes.items():
        found = re.fullmatch(shape, text)
        if found:
            numbers = [int(group) for group in found.groups()]
            fit = all(number in width for number, width in zip(numbers, widths))
            need("draw-5 widths of numbers", fit, "malformed")
            return word, numbers
    raise Reject("malformed")


def check(word, numbers, entries, weighted):
    listed = word in ("pick", "shuffle")
    need("draw-6 no list where none is drawn from", listed or not entries, "bad-count")
    if word == "pick":
        need("draw-6 as many entries as are picked", numbers[0] <= len(entries), "bad-count")
    if word == "shuffle":
        need("draw-6 no shuffle by weight", not weighted, "bad-parameter")
    if word == "range":
        need("draw-6 no empty range", numbers[0] <= numbers[1], "bad-parameter")
    if word == "dice":
        need("draw-6 sides", numbers[1] > 0, "bad-parameter")
    place = {"range": 2}.get(word, 0)
    count = len(entries) if word == "shuffle" else numbers[place]
    need("draw-6 some result", count >= 1, "bad-count")
    need("draw-6 a million results", count <= MOST, "bad-count")
    return count


def draw_hash(chain, round_, rules, listed):
    return h256(
        "beacon/1/draw",
        bind("draw-7 chain", chain),
        bind("draw-7 round", u64(round_)),
        framed(bind("draw-7 rules", rules.encode())),
        bind("draw-7 list", listed),
    )


def stream(output, drawn):
    block = 0
    while True:
        label = b"beacon/1/draw-stream" + bind("draw-8 draw hash in the label", drawn)
        yield from expand(output, label + bind("draw-8 block in the label", u64(block)), 1024)
        block += 1


def below(n, source):
    limit = 2**64 // n * n if on("draw-9 no number likelier than another") else 2**64
    while True:
        number = int.from_bytes(bytes(next(source) for _ in range(8)), "big")
        if number < limit:
            return number % n


def _pick(entries, count, source):
    left = [name for name, _ in entries]
    for place in range(count):
        other = place + below(len(left) - place, source)
        if on("draw-10 the two change places"):
            left[place], left[other] = left[other], left[place]
        else:
            left.insert(place, left.pop(other))
    return left[:count]


def _pick_by_weight(entries, count, source):
    left, picked = list(entries), []
    for _ in range(count):
        point = below(sum(weight for _, weight in left), source)
        at = 0
        while point >= left[at][1] if on("draw-11 the sum exceeds the number") else point > left[at][1]:
            point -= left[at][1]
            at += 1
        picked.append(left[at][0])
        if on("draw-11 taken out"):
            left.pop(at)
    return picked


def draw(rules, data, chain, round_, output):
    """List hash, draw hash and results."""
    word, numbers = read_rules(rules)
    entries, weighted = read_list(data)
    count = check(word, numbers, entries, weighted)
    listed = list_hash(entries)
    drawn = draw_hash(chain, round_, rules, listed)
    source = stream(output, drawn)
    if word in ("pick", "shuffle"):
        by_weight = weighted and on("draw-11 by weight")
        results = (_pick_by_weight if by_weight else _pick)(entries, count, source)
    elif word == "dice":
        first = 1 if on("draw-12 dice from 1") else 0
        results = [str(first + below(numbers[1], source)) for _ in range(count)]
    elif word == "range":
        low, high = numbers[:2]
        width = high - low + (1 if on("draw-12 both ends of a range") else 0)
        results = [str(low + below(max(width, 1), source)) for _ in range(count)]
    else:
        results = [bytes(next(source) for _ in range(count)).hex()]
    return listed, drawn, results
