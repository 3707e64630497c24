"""Draws, a second time: writes or checks draw.json with code that shares nothing with the crate.

    python3 draw.py          checks draw.json
    python3 draw.py --write  writes it (a change of the format, to be said in the crate's README)
"""

import hashlib
import hmac
import json
import pathlib
import sys


def tagged(tag, *parts):
    return hashlib.sha3_256(tag.encode().ljust(136, b"\0") + b"".join(parts)).digest()


def u64(number):
    return number.to_bytes(8, "big")


def framed(data):
    return len(data).to_bytes(4, "big") + data


def expand(key, info, length):
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.new(key, block + info + bytes([counter]), hashlib.sha3_256).digest()
        out, counter = out + block, counter + 1
    return out[:length]


def read_list(text):
    """Entries as (name, weight), and whether they have weights."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines = [line.strip(" \t") for line in lines]
    lines = [line for line in lines if line]
    weighted = any("\t" in line for line in lines)
    if not weighted:
        return [(line, 1) for line in lines], False
    pairs = [line.split("\t", 1) for line in lines]
    return [(name.strip(" \t"), int(weight.strip(" \t"))) for name, weight in pairs], True


def list_hash(entries):
    parts = [framed(name.encode()) + u64(weight) for name, weight in entries]
    return tagged("beacon/1/draw-list", u64(len(entries)), *parts)


def stream(output, draw):
    block = 0
    while True:
        yield from expand(output, b"beacon/1/expand" + b"beacon/1/draw-stream" + draw + u64(block), 1024)
        block += 1


def below(source, n):
    while True:
        number = int.from_bytes(bytes(next(source) for _ in range(8)), "big")
        if number < 2**64 // n * n:
            return number % n


def pick(entries, weighted, count, source):
    left, picked = list(entries), []
    for place in range(count):
        if weighted:
            point = below(source, sum(weight for _, weight in left))
            for at, (name, weight) in enumerate(left):
                if point < weight:
                    break
                point -= weight
            picked.append(left.pop(at)[0])
        else:
            other = place + below(source, len(left) - place)
            left[place], left[other] = left[other], left[place]
            picked.append(left[place][0])
    return picked


def draw(rules, entries, weighted, source):
    words = rules.split(" ")
    if words[0] == "pick":
        return pick(entries, weighted, int(words[1]), source)
    if words[0] == "shuffle":
        return pick(entries, weighted, len(entries), source)
    if words[0] == "dice":
        count, sides = map(int, words[1].split("d"))
        return [str(1 + below(source, sides)) for _ in range(count)]
    if words[0] == "range":
        low, high = map(int, words[1].split(".."))
        return [str(low + below(source, high - low + 1)) for _ in range(int(words[3]))]
    return [bytes(next(source) for _ in range(int(words[1]))).hex()]


def case(rules, text, round_):
    chain = hashlib.sha256(b"chain").digest()
    output = hashlib.sha256(rules.encode() + u64(round_)).digest()
    entries, weighted = read_list(text)
    listed = list_hash(entries)
    drawn = tagged("beacon/1/draw", chain, u64(round_), framed(rules.encode()), listed)
    return {
        "rules": rules,
        "text": text,
        "round": round_,
        "chain": chain.hex(),
        "output": output.hex(),
        "list": listed.hex(),
        "draw": drawn.hex(),
        "results": draw(rules, entries, weighted, stream(output, drawn)),
    }


def cases():
    names = "Ada\nBengt \u00d6\n\u674e\nDora\nEmil\n"
    many = "".join(f"entry {number}\n" for number in range(300))
    weights = "".join(f"w{number}\t{number * number + 1}\n" for number in range(60))
    return [
        case("pick 1", names, 1),
        case("pick 3", "\ufeff" + names.replace("\n", "\r\n"), 2),
        case("pick 5", names, 3),
        case("pick 20", many, 2**53 + 1),
        case("pick 1", "alone", 4),
        case("shuffle", names, 5),
        case("shuffle", many, 6),
        case("pick 10", weights, 7),
        case("pick 60", weights, 8),
        case("pick 2", "a\t1\nb\t1000000\n c \t 3 \n\n", 9),
        case("dice 2d6", "", 10),
        case("dice 300d20", "", 11),
        case("dice 3d18446744073709551615", "", 12),
        case("range 1..49 times 6", "", 13),
        case("range -5..5 times 40", "", 14),
        case("range -9223372036854775808..9223372036854775807 times 3", "", 15),
        case("range 7..7 times 2", "", 16),
        case("bytes 32", "", 17),
        case("bytes 3000", "", 18),
    ]


path = pathlib.Path(__file__).with_name("draw.json")
text = json.dumps({"cases": cases()}, indent=1) + "\n"
if sys.argv[1:] == ["--write"]:
    path.write_text(text)
elif path.read_text() != text:
    sys.exit("draw.json differs from what this program computes")
