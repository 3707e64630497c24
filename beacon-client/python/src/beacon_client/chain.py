"""Headers, certificates and beacons, and what each has to be in itself."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from .codec import Reader, counted, decode, read_hex, read_number, tagged, u64, write_number
from .committee import Signers
from .errors import Refused
from .schedule import Schedule

HEADER_BYTES = 270
#: Bytes of the largest beacon: 512 signers.
MAX_BEACON_BYTES = 40 << 10
_LAYOUT = struct.Struct(">H32sQQ32sQ32s32sQ32sQI32s32s")
assert _LAYOUT.size == HEADER_BYTES


def header_hash(encoded: bytes) -> bytes:
    """The header hash of an encoded header. [chain-2]"""
    return tagged("beacon/1/header", encoded)


class Header(NamedTuple):
    """What a quorum certifies for a round."""

    version: int
    chain: bytes
    round: int
    #: When the round is due, Unix milliseconds: a schedule, not a time stamp.
    due: int
    previous: bytes
    epoch: int
    committee: bytes
    next_committee: bytes
    window: int
    dealing_set: bytes
    weight: int
    contributors: int
    mmr: bytes
    output: bytes

    @staticmethod
    def read(reader: Reader) -> Header:
        return Header.of(reader.take(HEADER_BYTES))

    @staticmethod
    def of(encoded: bytes) -> Header:
        """The fields of an encoded header. Every 270 bytes are one."""
        return Header(*_LAYOUT.unpack(encoded))

    def encode(self) -> bytes:
        return _LAYOUT.pack(*self)

    def hash(self) -> bytes:
        return header_hash(self.encode())

    def check(self, chain: bytes, schedule: Schedule) -> None:
        """Judges what the header says of itself. [chain-3]"""
        what = f"header of round {self.round}"
        if self.version != 1:
            raise Refused("unknown-version", what, "header.version", 1, self.version)
        if self.chain != chain:
            raise Refused("wrong-chain", what, "header.chain", chain, self.chain)
        if self.round == 0:
            raise Refused("wrong-round", what, "header.round")
        for code, name, expected, found in (
            ("wrong-due-time", "due", schedule.time_of(self.round), self.due),
            ("wrong-window", "window", schedule.window_of(self.round), self.window),
            ("wrong-epoch", "epoch", schedule.epoch_of(self.round), self.epoch),
        ):
            if expected != found:
                raise Refused(code, what, f"header.{name}", expected, found)
        if self.next_committee != self.committee and not schedule.is_last_of_epoch(self.round):
            raise Refused("wrong-committee", what, "header.next_committee", self.committee, self.next_committee)

    def to_json(self) -> dict[str, object]:
        return {
            name: value.hex() if isinstance(value, bytes) else write_number(value)
            for name, value in self._asdict().items()
        }

    @staticmethod
    def from_json(json: object) -> Header:
        """Reads the JSON form, for `read_json`."""
        if not isinstance(json, dict):
            raise ValueError("not an object")
        return Header._make(_read_field(name, json[name]) for name in Header._fields)


#: Fields of the header that are numbers, each with the end of its range.
_NUMBERS = {"version": 1 << 16, "contributors": 1 << 32}
_NUMBERS |= {name: 1 << 64 for name in ("round", "due", "epoch", "window", "weight")}


def _read_field(name: str, value: object) -> bytes | int:
    if name not in _NUMBERS:
        return read_hex(value, 32)
    number = read_number(value)
    # Only numbers of 64 bits may be written as text.
    if number >= _NUMBERS[name] or (isinstance(value, str) and _NUMBERS[name] < 1 << 64):
        raise ValueError(f"{name} is out of range")
    return number


@dataclass(frozen=True)
class Certificate:
    """Signatures of a quorum over one header hash; bit i of the bitmap stands for member i."""

    bitmap: bytes
    signatures: tuple[bytes, ...]

    @staticmethod
    def read(reader: Reader) -> Certificate:
        return Certificate(reader.blob(), tuple(reader.sequence(lambda r: r.take(64), 64)))

    def encode(self) -> bytes:
        return counted(self.bitmap) + u64(len(self.signatures)) + b"".join(self.signatures)

    def members(self, signers: Signers, what: str = "certificate") -> list[int]:
        """The members whose bits are set. [certify-3]"""
        refusal = Refused("bad-bitmap", what, "certificate.bitmap")
        if len(self.bitmap) != (len(signers) + 7) // 8:
            raise refusal
        members = [i for i in range(8 * len(self.bitmap)) if self.bitmap[i // 8] >> i % 8 & 1]
        if any(signers.weight(member) == 0 for member in members):
            raise refusal
        return members

    def verify(self, chain: bytes, round: int, hashed: bytes, signers: Signers, what: str = "certificate") -> None:
        """Verifies every listed signature, one by one, and the quorum. [certify-4]"""
        members = self.members(signers, what)
        if len(members) != len(self.signatures):
            raise Refused("bad-count", what, "certificate.signatures", len(members), len(self.signatures))
        weight = sum(map(signers.weight, members))
        if not signers.is_quorum(weight):
            raise Refused("no-quorum", what, "certificate.bitmap", f"more than 2/3 of {signers.total}", weight)
        digest = tagged("beacon/1/header-vote", chain, u64(round), hashed)
        for member, signature in zip(members, self.signatures):
            if not signers.verifier(member).accepts(digest, signature):
                raise Refused("bad-signature", f"{what}, member {member}", "certificate.signatures")

    def to_json(self) -> dict[str, object]:
        return {"bitmap": self.bitmap.hex(), "signatures": [signature.hex() for signature in self.signatures]}

    @staticmethod
    def from_json(json: object) -> Certificate:
        if not isinstance(json, dict) or not isinstance(json["signatures"], list):
            raise ValueError("not an object with signatures")
        signatures = tuple(read_hex(text, 64) for text in json["signatures"])
        return Certificate(read_hex(json["bitmap"]), signatures)


@dataclass(frozen=True)
class Beacon:
    """A header with its certificate, not verified yet."""

    header: Header
    certificate: Certificate

    @staticmethod
    def read(reader: Reader) -> Beacon:
        return Beacon(Header.read(reader), Certificate.read(reader))

    @staticmethod
    def decode(data: bytes, what: str) -> Beacon:
        return decode(data, MAX_BEACON_BYTES, Beacon.read, what)

    def encode(self) -> bytes:
        return self.header.encode() + self.certificate.encode()

    def verify(self, chain: bytes, schedule: Schedule, signers: Signers) -> bytes:
        """Judges the beacon under the committee of its epoch; gives the header hash. [chain-4]"""
        header = self.header
        header.check(chain, schedule)
        what = f"header of round {header.round}"
        if header.epoch != signers.epoch:
            raise Refused("wrong-committee", what, "header.epoch", signers.epoch, header.epoch)
        if header.committee != signers.hash:
            raise Refused("wrong-committee", what, "header.committee", signers.hash, header.committee)
        hashed = header.hash()
        self.certificate.verify(header.chain, header.round, hashed, signers, f"certificate of round {header.round}")
        return hashed

    def to_json(self) -> dict[str, object]:
        """As servers write it: the fields that people look for stand in front."""
        header = self.header
        return {
            "round": write_number(header.round),
            "hash": header.hash().hex(),
            "due": write_number(header.due),
            "output": header.output.hex(),
            "header": header.to_json(),
            "certificate": self.certificate.to_json(),
        }

    @staticmethod
    def from_json(json: object, what: str) -> Beacon:
        """Reads what servers write, for `read_json`, and holds the fields in front against the header."""
        if not isinstance(json, dict):
            raise ValueError("not an object")
        front: dict[str, object] = {name: read_number(json[name]) for name in ("round", "due")}
        front |= {name: read_hex(json[name], 32) for name in ("output", "hash")}
        beacon = Beacon(Header.from_json(json["header"]), Certificate.from_json(json["certificate"]))
        for name, value in front.items():
            found = beacon.header.hash() if name == "hash" else getattr(beacon.header, name)
            if value != found:
                raise Refused("inconsistent", what, name, found, value)
        return beacon
