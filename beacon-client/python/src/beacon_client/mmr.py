"""The Merkle mountain range over header hashes: roots while walking, and proofs of earlier rounds."""

from __future__ import annotations

from dataclasses import dataclass

from .codec import Reader, tagged, u64
from .errors import Refused

_COUNT_END = 1 << 62


def _leaf(round: int, header_hash: bytes) -> bytes:
    return tagged("beacon/1/mmr-leaf", u64(round), header_hash)


def _node(left: bytes, right: bytes) -> bytes:
    return tagged("beacon/1/mmr-node", left, right)


def _root(count: int, bag: bytes) -> bytes:
    return tagged("beacon/1/mmr-bag", u64(count), bag)


@dataclass(frozen=True)
class Mmr:
    """The range over rounds 1 to `count`, as its peaks from the left. [mmr-2]"""

    count: int = 0
    peaks: tuple[bytes, ...] = ()

    def append(self, header_hash: bytes) -> Mmr:
        """The range with the header of the next round."""
        peaks = list(self.peaks)
        node = _leaf(self.count + 1, header_hash)
        # Each trailing one bit of the count is a peak of the height that the node has just reached.
        left = self.count
        while left & 1:
            node = _node(peaks.pop(), node)
            left >>= 1
        return Mmr(self.count + 1, (*peaks, node))

    def root(self) -> bytes:
        """The root over all of the range. [mmr-4]"""
        if not self.peaks:
            return _root(0, b"")
        bag = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            bag = _node(peak, bag)
        return _root(self.count, bag)


def read_proof(reader: Reader) -> list[bytes]:
    """The siblings of a proof as they travel. [mmr-5]"""
    return reader.sequence(Reader.digest, 32)


def verify(root: bytes, count: int, round: int, header_hash: bytes, siblings: list[bytes], what: str) -> None:
    """Refuses unless the siblings show the header of `round` under the root of `count` leaves. [mmr-6]"""
    refusal = Refused("bad-mmr", what, "siblings")
    if count >= _COUNT_END:
        raise refusal
    if not 1 <= round <= count:
        raise Refused("wrong-round", what, "header.round")
    index = round - 1
    height = (index ^ count).bit_length() - 1
    peaks_left = (count >> (height + 1)).bit_count()
    bagged = count & ((1 << height) - 1) != 0
    if len(siblings) != height + bagged + peaks_left:
        raise refusal
    node = _leaf(round, header_hash)
    for place, sibling in enumerate(siblings):
        # Inside the peak a bit of the index says the side; then comes the bag to the right, then the peaks to the left.
        from_left = index >> place & 1 == 1 if place < height else place > height or not bagged
        node = _node(sibling, node) if from_left else _node(node, sibling)
    if _root(count, node) != root:
        raise refusal
