"""Draws that others can check: canonical lists, rules, unbiased sampling, and the check of a draw's proof.

What is drawn follows from the chain, the round's output, the rules and the list alone. That a commitment was published
before its round was due is for its readers to know, not for this code.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .chainfile import verify_stream
from .codec import expand, framed, read_hex, read_number, tagged, u64, write_number
from .errors import Refused
from .jsons import read_json, read_text
from .trust import Verified

MAX_ENTRIES = 1_000_000
MAX_BYTES = 64 << 20
MAX_RESULTS = 1_000_000
_MAX_WEIGHT = 1_000_000
_FORMAT = "beacon-draw/1"
_BLOCK = 1024
_BLANKS = " \t"
_U64 = r"(0|[1-9][0-9]{0,19})"
_I64 = r"(0|-?[1-9][0-9]{0,18})"


@dataclass(frozen=True)
class DrawList:
    """A list in canonical form: names in their order, each with its weight."""

    names: tuple[str, ...] = ()
    weights: tuple[int, ...] = ()
    #: Whether the entries have weights of their own; otherwise all weigh 1.
    weighted: bool = False

    @staticmethod
    def parse(data: bytes) -> DrawList:
        """Reads UTF-8 with or without a byte order mark and with any line ends; the refusal names the line. [draw-1]"""
        if len(data) > MAX_BYTES:
            raise Refused("too-long", f"list of more than {MAX_BYTES} bytes")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            place = len(_lines(data[: error.start].decode("utf-8")))
            raise Refused("malformed", f"list: line {place} is not UTF-8: save the list in that encoding") from None
        entries: list[tuple[str, int, int]] = []
        weighted: bool | None = None
        for number, line in enumerate(_lines(text.removeprefix("\ufeff")), 1):
            line = line.strip(_BLANKS)
            if not line:
                continue
            name, weight = _parse_line(line, number)
            if weighted is not None and weighted != (weight is not None):
                raise Refused("mixed-weights", f"list: line {number}: either all entries have a weight or none")
            weighted = weight is not None
            entries.append((name, weight or 1, number))
        _check_once_each(entries)
        names, weights = tuple(entry[0] for entry in entries), tuple(entry[1] for entry in entries)
        return DrawList(names, weights, bool(weighted))

    def __len__(self) -> int:
        return len(self.names)

    def to_text(self) -> str:
        """The canonical text, which reads back as the same list. [draw-2]"""
        if self.weighted:
            return "".join(f"{name}\t{weight}\n" for name, weight in zip(self.names, self.weights))
        return "".join(f"{name}\n" for name in self.names)

    def hash(self) -> bytes:
        """The list hash. [draw-4]"""
        entries = (framed(name.encode()) + u64(weight) for name, weight in zip(self.names, self.weights))
        return tagged("beacon/1/draw-list", u64(len(self.names)), *entries)


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _parse_line(line: str, number: int) -> tuple[str, int | None]:
    """A name, and the weight if there is one. [draw-2]"""
    name, tab, weight = line.partition("\t")
    if not tab:
        return line, None
    found = re.fullmatch(r"[1-9][0-9]{0,6}", weight.strip(_BLANKS), re.ASCII)
    if found is None or int(found[0]) > _MAX_WEIGHT:
        why = f"a weight is a whole number from 1 to {_MAX_WEIGHT}, after the only tab"
        raise Refused("bad-weight", f"list: line {number}: {why}")
    return name.strip(_BLANKS), int(found[0])


def _check_once_each(entries: list[tuple[str, int, int]]) -> None:
    """Refuses too many entries, and a name that stands in the list twice. [draw-3]"""
    if len(entries) > MAX_ENTRIES:
        raise Refused("bad-count", f"list of more than {MAX_ENTRIES} entries")
    places: dict[str, int] = {}
    for name, _, number in entries:
        first = places.setdefault(name, number)
        if first != number:
            raise Refused("duplicate-entry", f'list: line {number}: "{name}" stands in line {first} already')


class Stream:
    """The bytes of one draw. [draw-8]"""

    def __init__(self, output: bytes, draw: bytes) -> None:
        self._output, self._draw = output, draw
        self._block, self._used, self._next = b"", 0, 0

    def bytes(self, count: int) -> bytes:
        taken = bytearray()
        while len(taken) < count:
            if self._used == len(self._block):
                label = b"beacon/1/draw-stream" + self._draw + u64(self._next)
                self._block, self._used = expand(self._output, label, _BLOCK), 0
                self._next += 1
            piece = self._block[self._used : self._used + count - len(taken)]
            self._used += len(piece)
            taken += piece
        return bytes(taken)

    def below(self, n: int) -> int:
        """A number from 0 to n - 1, each as likely, for n up to 2^64. [draw-9]"""
        multiple = (1 << 64) // n * n
        while True:
            number = int.from_bytes(self.bytes(8), "big")
            if number < multiple:
                return number % n


class _Weights:
    """Weights of entries that are still to be drawn, with sums over ranges (a Fenwick tree)."""

    def __init__(self, weights: tuple[int, ...]) -> None:
        self._weights = weights
        self._tree = [0, *weights]
        self.total = sum(weights)
        for place in range(1, len(self._tree)):
            parent = place + (place & -place)
            if parent < len(self._tree):
                self._tree[parent] += self._tree[place]

    def take(self, point: int) -> int:
        """The first entry with which the running sum exceeds `point`; it is removed. [draw-11]"""
        place, step = 0, 1 << len(self._tree).bit_length()
        while step:
            at = place + step
            if at < len(self._tree) and self._tree[at] <= point:
                point -= self._tree[at]
                place = at
            step >>= 1
        weight = self._weights[place]
        self.total -= weight
        cover = place + 1
        while cover < len(self._tree):
            self._tree[cover] -= weight
            cover += cover & -cover
        return place


def _pick(listed: DrawList, count: int, stream: Stream) -> list[str]:
    """Entries without repetition, in the order drawn. [draw-10] [draw-11]"""
    if listed.weighted:
        left = _Weights(listed.weights)
        return [listed.names[left.take(stream.below(left.total))] for _ in range(count)]
    order = list(listed.names)
    for place in range(count):
        other = place + stream.below(len(order) - place)
        order[place], order[other] = order[other], order[place]
    return order[:count]


@dataclass(frozen=True)
class Rules:
    """What to draw: the canonical text, which the draw hash covers, and what stands in it."""

    text: str
    kind: str
    #: How many results; none for a shuffle, which gives as many as there are entries.
    count: int | None
    #: The ends of a range, or 1 and the sides of dice.
    low: int = 0
    high: int = 0

    @staticmethod
    def parse(text: str) -> Rules:
        """Reads the canonical text and no other spelling. [draw-5]"""
        def match(pattern: str) -> re.Match[str] | None:
            return re.fullmatch(pattern, text, re.ASCII)

        rules = None
        if text == "shuffle":
            rules = Rules(text, text, None)
        elif found := match(f"(pick|bytes) {_U64}"):
            rules = Rules(text, found[1], int(found[2]))
        elif found := match(f"dice {_U64}d{_U64}"):
            rules = Rules(text, "dice", int(found[1]), 1, int(found[2]))
        elif found := match(rf"range {_I64}\.\.{_I64} times {_U64}"):
            rules = Rules(text, "range", int(found[3]), int(found[1]), int(found[2]))
        if rules is None or not rules._in_range():
            raise Refused("malformed", "rules of a draw", None, "such as pick 3", text)
        return rules

    def _in_range(self) -> bool:
        bounds = (-(1 << 63), (1 << 63) - 1) if self.kind == "range" else (0, (1 << 64) - 1)
        return (self.count or 0) < 1 << 64 and all(bounds[0] <= end <= bounds[1] for end in (self.low, self.high))

    def check(self, listed: DrawList) -> None:
        """Refuses rules that ask for nothing, for too much, or for more than the list has. [draw-6]"""
        what = f"rules {self.text}"
        takes_list = self.kind in ("pick", "shuffle")
        if takes_list != (len(listed) > 0):
            raise Refused("bad-count", f"{what}: {'a list is needed' if takes_list else 'these rules take no list'}")
        results = len(listed) if self.count is None else self.count
        if self.kind == "pick" and results > len(listed):
            raise Refused("bad-count", f"{what}: {results} of {len(listed)} entries cannot be picked")
        if self.kind == "shuffle" and listed.weighted:
            raise Refused("bad-parameter", f"{what}: a shuffle takes no weights")
        if self.kind in ("dice", "range") and self.low > self.high:
            raise Refused("bad-parameter", f"{what}: {'dice have sides' if self.kind == 'dice' else 'it is empty'}")
        if not 1 <= results <= MAX_RESULTS:
            raise Refused("bad-count", f"{what}: between 1 and {MAX_RESULTS} results can be drawn")

    def draw(self, listed: DrawList, stream: Stream) -> list[str]:
        """Draws by these rules, which `check` has accepted for this list. [draw-12]"""
        count = len(listed) if self.count is None else self.count
        if self.kind in ("pick", "shuffle"):
            return _pick(listed, count, stream)
        if self.kind == "bytes":
            return [stream.bytes(count).hex()]
        return [str(self.low + stream.below(self.high - self.low + 1)) for _ in range(count)]


@dataclass(frozen=True)
class Commitment:
    """A draw before its round: what is published, so that nothing can be chosen afterwards."""

    chain: bytes
    round: int
    due: int
    rules: str
    entries: int
    list_hash: bytes
    draw_hash: bytes
    format: str = _FORMAT

    @staticmethod
    def make(chain: bytes, round: int, due: int, rules: str, listed: DrawList) -> Commitment:
        """The commitment to a draw."""
        Rules.parse(rules).check(listed)
        drawn = draw_hash(chain, round, rules, listed.hash())
        return Commitment(chain, round, due, rules, len(listed), listed.hash(), drawn)

    @staticmethod
    def from_json(json: Any) -> Commitment:
        round, due, entries = (read_number(json[name]) for name in ("round", "due", "entries"))
        chain, listed, drawn = (read_hex(json[name], 32) for name in ("chain", "list", "draw"))
        rules, form = read_text(json["rules"]), read_text(json["format"])
        return Commitment(chain, round, due, rules, entries, listed, drawn, form)

    def to_json(self) -> dict[str, object]:
        return {
            "format": self.format,
            "chain": self.chain.hex(),
            "round": write_number(self.round),
            "due": write_number(self.due),
            "rules": self.rules,
            "entries": write_number(self.entries),
            "list": self.list_hash.hex(),
            "draw": self.draw_hash.hex(),
        }

    def results(self, listed: DrawList, beacon: Verified) -> list[str]:
        """What the round draws. Judges the commitment, the list and the round; refuses what does not fit."""
        what = "draw commitment"
        if self.format != _FORMAT:
            raise Refused("unknown-version", what, "format", _FORMAT, self.format)
        if (self.list_hash, self.entries) != (listed.hash(), len(listed)):
            raise Refused("inconsistent", what, "list", self.list_hash, listed.hash())
        rules = Rules.parse(self.rules)
        rules.check(listed)
        drawn = draw_hash(self.chain, self.round, self.rules, self.list_hash)
        if self.draw_hash != drawn:
            raise Refused("inconsistent", what, "draw", drawn, self.draw_hash)
        header = beacon.header
        for code, name, expected, found in (
            ("wrong-chain", "chain", header.chain, self.chain),
            ("wrong-round", "round", header.round, self.round),
            ("wrong-due-time", "due", header.due, self.due),
        ):
            if expected != found:
                raise Refused(code, what, name, expected, found)
        return rules.draw(listed, Stream(beacon.output, self.draw_hash))


def draw_hash(chain: bytes, round: int, rules: str, listed: bytes) -> bytes:
    """What names a draw. [draw-7]"""
    return tagged("beacon/1/draw", chain, u64(round), framed(rules.encode()), listed)


@dataclass(frozen=True)
class Outcome:
    """A draw after its round, with everything that checks it."""

    commitment: Commitment
    #: The list as it was committed to, in canonical form.
    text: str
    output: bytes
    results: tuple[str, ...]
    #: A bundle that proves the round from the chain hash.
    proof: bytes

    @staticmethod
    def from_json(data: bytes, what: str = "draw") -> Outcome:
        """Reads the JSON of a result; `bad-json` for anything else."""
        def read(json: Any) -> Outcome:
            if not isinstance(json["results"], list):
                raise ValueError("not a list")
            results = tuple(map(read_text, json["results"]))
            commitment, text = Commitment.from_json(json["commitment"]), read_text(json["list"])
            return Outcome(commitment, text, read_hex(json["output"], 32), results, read_hex(json["proof"]))

        return read_json(data, read, what)

    def check(self, chain: bytes) -> Verified:
        """Verifies everything from the chain hash on, which the reader has from elsewhere: the bundle, the
        commitment, the list, and every result. Gives the round."""
        try:
            beacon = verify_stream(io.BytesIO(self.proof), chain).head
        except Refused as refusal:
            raise refusal.by("the draw's proof")
        listed = DrawList.parse(self.text.encode())
        if listed.to_text() != self.text:
            raise Refused("inconsistent", "draw", "list")
        results = self.commitment.results(listed, beacon)
        if self.output != beacon.output:
            raise Refused("wrong-output", "draw", "output", beacon.output, self.output)
        if self.results != tuple(results):
            raise Refused("inconsistent", "draw", "results")
        return beacon


def read_commitment(data: bytes, what: str = "draw commitment") -> Commitment:
    """Reads the JSON of a commitment; `bad-json` for anything else."""
    read: Callable[[Any], Commitment] = Commitment.from_json
    return read_json(data, read, what)
