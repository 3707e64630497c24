"""The signer list of an epoch: who may sign headers, and what makes a quorum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .codec import Reader, decode, tagged, tree_root, u16, u32, u64
from .errors import Refused
from .keys import Verifier

MAX_MEMBERS = 512
MAX_WEIGHT = 1_000_000
#: Bytes of the largest signer list: 512 lines of 72 bytes.
MAX_SIGNERS_BYTES = 40 << 10


class Signer(NamedTuple):
    identity: bytes
    weight: int
    voting_key: bytes


@dataclass(frozen=True)
class SignerList:
    """The list as it travels, not judged yet."""

    epoch: int
    membership: int
    signers: tuple[Signer, ...]
    ticket_root: bytes

    @staticmethod
    def read(reader: Reader) -> SignerList:
        epoch, membership = reader.u64(), reader.u64()
        signers = reader.sequence(lambda r: Signer(r.digest(), r.u64(), r.digest()), 72)
        return SignerList(epoch, membership, tuple(signers), reader.digest())

    def encode(self) -> bytes:
        lines = b"".join(signer.identity + u64(signer.weight) + signer.voting_key for signer in self.signers)
        return u64(self.epoch) + u64(self.membership) + u64(len(self.signers)) + lines + self.ticket_root

    def hash(self) -> bytes:
        """The committee hash. [committee-1]"""
        leaves = [
            tagged("beacon/1/signer", u16(index), signer.identity, u64(signer.weight), signer.voting_key)
            for index, signer in enumerate(self.signers)
        ]
        fields = (u64(self.epoch), u64(self.membership), u32(len(self.signers)), tree_root(leaves), self.ticket_root)
        return tagged("beacon/1/committee", *fields)


class Signers:
    """A signer list that was judged: what certificates are verified against."""

    def __init__(self, listed: SignerList) -> None:
        """Judges count, order, weights and keys. [committee-2]"""
        what = f"signer list of epoch {listed.epoch}"
        signers = listed.signers
        if not 1 <= len(signers) <= MAX_MEMBERS:
            raise Refused("bad-count", what, None, f"1 to {MAX_MEMBERS} signers", len(signers))
        check_members([(signer.identity, signer.weight) for signer in signers], what)
        if len({signer.voting_key for signer in signers}) != len(signers):
            raise Refused("duplicate-key", what, "voting_key")
        try:
            self._verifiers = [Verifier(signer.voting_key) for signer in signers]
        except Refused as refusal:
            refusal.what = f"voting key in the {what}"
            raise
        self.list = listed
        self.hash = listed.hash()
        self.epoch = listed.epoch
        self.total = sum(signer.weight for signer in signers)

    @staticmethod
    def read(data: bytes, epoch: int, expected: bytes) -> Signers:
        """Decodes and judges the list of `epoch`, which must have the hash that a trusted header names. [trust-3]"""
        what = f"signer list of epoch {epoch}"
        listed = decode(data, MAX_SIGNERS_BYTES, SignerList.read, what)
        found = listed.hash()
        if found != expected:
            raise Refused("wrong-committee", what, "hash", expected, found)
        if listed.epoch != epoch:
            raise Refused("wrong-epoch", what, "epoch", epoch, listed.epoch)
        return Signers(listed)

    def __len__(self) -> int:
        return len(self.list.signers)

    def weight(self, index: int) -> int:
        """The weight of a member, 0 for one that is not there."""
        return self.list.signers[index].weight if index < len(self.list.signers) else 0

    def verifier(self, index: int) -> Verifier:
        return self._verifiers[index]

    def is_quorum(self, weight: int) -> bool:
        """Whether a weight is strictly above two thirds of the total. [committee-3]"""
        return 3 * weight > 2 * self.total


def check_members(members: list[tuple[bytes, int]], what: str) -> None:
    """What drafts and signer lists have in common: order, weights, and a total."""
    if any(one[0] >= other[0] for one, other in zip(members, members[1:])):
        raise Refused("not-sorted", what, "identity")
    if any(weight > MAX_WEIGHT for _, weight in members):
        raise Refused("bad-weight", what, "weight")
    if sum(weight for _, weight in members) == 0:
        raise Refused("bad-total", what, "weight")
