"""Chain files and offline bundles, as `beacon export` writes them: verified as a stream, in bounded memory.

After eight bytes of magic come parts: a tag byte, a big-endian u32 length, and so many bytes. G is the light genesis,
H a run of headers, C the certificate of the last header, B a beacon that stands on its own certificate, S the signer
list of the next epoch, E the end mark with the numbers of headers and parts. Nothing is reported before E.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import BinaryIO

from .chain import HEADER_BYTES, MAX_BEACON_BYTES, Beacon, Certificate, Header, header_hash
from .codec import decode
from .committee import MAX_SIGNERS_BYTES
from .errors import FileError, Refused
from .genesis import MAX_GENESIS_BYTES
from .trust import Head, Trust, Verified

MAGIC = b"BEACON1\n"
#: Bundled beacons that are kept for the report: a bundle answers for a few rounds, ranges are links.
_MAX_KEPT = 1024


@dataclass(frozen=True)
class Summary:
    """What a file proves."""

    trust: Trust
    #: The last certified round.
    head: Verified
    #: The first round of the last linked run, which reaches to the head without a gap.
    first: int
    #: Headers verified by hash links.
    headers: int
    certificates: int
    #: Rounds that stand on their own certificate, hand-overs left out: the last 1024 of them.
    beacons: tuple[Verified, ...]


def verify_file(path: str | os.PathLike[str], chain: bytes, trusted: Iterable[tuple[int, bytes]] = ()) -> Summary:
    """Verifies a chain file under the chain hash that the reader trusts, without any network.

    `trusted` are rounds with header hashes that are trusted already: the file's must be the same where it has them.
    """
    try:
        with open(path, "rb") as file:
            return verify_stream(file, chain, trusted)
    except OSError as error:
        raise FileError(path, error.strerror or error) from error
    except Refused as refusal:
        raise refusal.by(os.fspath(path))


def verify_stream(file: BinaryIO, chain: bytes, trusted: Iterable[tuple[int, bytes]] = ()) -> Summary:
    """As `verify_file`, for an open file or bytes in memory."""
    if file.read(len(MAGIC)) != MAGIC:
        raise Refused("not-a-chain-file", "first eight bytes")
    tag, length = _part(file)
    if tag != b"G":
        raise _bad("the first part is not the genesis")
    genesis = _content(file, length, MAX_GENESIS_BYTES, "light genesis")
    reader = _Reader(Trust.start(genesis, chain), dict(trusted))
    while True:
        tag, length = _part(file)
        if tag == b"E":
            return reader.end(file, length)
        reader.part(tag, length, file)
        reader.parts += 1


def _bad(what: str) -> Refused:
    return Refused("bad-chain-file", what)


def _exactly(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise _bad("the file ends before its end mark")
    return data


def _part(file: BinaryIO) -> tuple[bytes, int]:
    head = _exactly(file, 5)
    return head[:1], int.from_bytes(head[1:], "big")


def _content(file: BinaryIO, length: int, limit: int, what: str) -> bytes:
    if length > limit:
        raise Refused("too-long", what)
    return _exactly(file, length)


class _Reader:
    """The state of a verification between two parts."""

    def __init__(self, trust: Trust, trusted: dict[int, bytes]) -> None:
        self.trust = trust
        self.trusted = trusted
        self.parts = 1
        self.headers = 0
        self.certificates = 0
        self.first = 1
        self.last = Head(0, trust.chain, trust.signers.hash)
        # The last header, while it waits for a certificate.
        self.open: Header | None = None
        self.head: Verified | None = None
        self.beacons: deque[Verified] = deque(maxlen=_MAX_KEPT)

    def part(self, tag: bytes, length: int, file: BinaryIO) -> None:
        if tag == b"H":
            self._run(length, file)
        elif tag == b"C":
            self._certificate(_content(file, length, MAX_BEACON_BYTES, "certificate"))
        elif tag == b"B":
            self._beacon(_content(file, length, MAX_BEACON_BYTES, "beacon"))
        elif tag == b"S":
            self._signers(_content(file, length, MAX_SIGNERS_BYTES, "signer list"))
        else:
            raise _bad("a part of an unknown kind, or a second genesis")

    def _run(self, length: int, file: BinaryIO) -> None:
        if length == 0 or length % HEADER_BYTES:
            raise _bad("a run of headers of a broken length")
        trust = self.trust
        for _ in range(length // HEADER_BYTES):
            raw = _exactly(file, HEADER_BYTES)
            header = Header.of(raw)
            self.last.link(header, trust.chain, trust.schedule)
            if header.committee != trust.signers.hash:
                # A link allows the committee that the last header of an epoch names, but here it was never certified.
                what = f"header of round {header.round}"
                raise Refused("wrong-committee", what, "header.committee", trust.signers.hash, header.committee)
            self._take(header, header_hash(raw))
            self.open = header
            self.headers += 1

    def _take(self, header: Header, hashed: bytes) -> None:
        known = self.trusted.get(header.round, hashed)
        if known != hashed:
            what = f"header of round {header.round}, which is trusted already"
            raise Refused("conflict", what, "hash", known, hashed)
        self.last = Head.of(header, hashed)

    def _certificate(self, data: bytes) -> None:
        if self.open is None:
            raise _bad("a certificate without a header")
        what = f"certificate of round {self.open.round}"
        self._certify(Beacon(self.open, decode(data, MAX_BEACON_BYTES, Certificate.read, what)))
        self.open = None

    def _certify(self, beacon: Beacon) -> Verified:
        self.head = self.trust.certified(beacon)
        self.certificates += 1
        return self.head

    def _beacon(self, data: bytes) -> None:
        if self.open is not None:
            raise _bad("headers without a certificate before a beacon")
        beacon = self.trust.read_beacon(data)
        header = beacon.header
        if self.head is not None and header.round <= self.head.round:
            what = f"beacon of round {header.round}"
            raise Refused("wrong-round", what, "header.round", f"> {self.head.round}", header.round)
        self._take(header, header.hash())
        self.first = header.round
        self.beacons.append(self._certify(beacon))

    def _signers(self, data: bytes) -> None:
        if self.head is None or self.open is not None:
            raise _bad("a signer list without a certified header before")
        if self.beacons and self.beacons[-1].round == self.head.round:
            self.beacons.pop()
        self.trust = self.trust.handed_over(self.head.beacon, data)

    def end(self, file: BinaryIO, length: int) -> Summary:
        what = "end mark"
        data = _content(file, length, 16, what)
        counts = decode(data, 16, lambda reader: (reader.u64(), reader.u64()), what)
        if counts != (self.headers, self.parts):
            raise _bad("the end mark counts other headers or parts")
        if file.read(1):
            raise Refused("trailing-bytes", "chain file")
        if self.open is not None:
            raise _bad("the last headers have no certificate")
        if self.head is None:
            raise _bad("nothing but a genesis")
        trust = self.trust
        if self.head.header.committee == trust.signers.hash:
            trust = replace(trust, head=self.head)
        return Summary(trust, self.head, self.first, self.headers, self.certificates, tuple(self.beacons))
