"""The judge: from one trusted header to another. It is given bytes and accepts or refuses them.

No input, output or clock. Trust starts from the chain hash: the light genesis hashes to it and names the first
committee; the last header of an epoch names the next; a certificate makes a header trusted; the MMR root in a trusted
header proves every round before it. Only this module makes `Verified` values.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

from . import mmr
from .chain import Beacon, Certificate, Header, header_hash
from .codec import decode, expand
from .committee import Signers
from .errors import Conflict, Refused
from .genesis import LightGenesis
from .schedule import Schedule

#: Bytes of the largest proof: 62 siblings.
MAX_PROOF_BYTES = 2 << 10
#: A header may be due this far beyond the reader's clock, in milliseconds: clocks differ.
CLOCK_TOLERANCE = 15_000


class Verified:
    """A round that was verified. There is no way to make one but through the judge."""

    __slots__ = ("beacon", "hash", "proven_under")

    beacon: Beacon
    #: The header hash.
    hash: bytes
    #: The round of the trusted head that proves this one; none if its certificate alone made it trusted.
    proven_under: int | None

    def __init__(self) -> None:
        raise TypeError("verified rounds are made by verification only")

    @property
    def header(self) -> Header:
        return self.beacon.header

    @property
    def certificate(self) -> Certificate:
        return self.beacon.certificate

    @property
    def round(self) -> int:
        return self.beacon.header.round

    @property
    def due(self) -> int:
        """When the round was due, Unix milliseconds."""
        return self.beacon.header.due

    @property
    def output(self) -> bytes:
        """The 32 random bytes of the round. They are public: never a key."""
        return self.beacon.header.output

    def expand(self, label: bytes | str, length: int) -> bytes:
        """More bytes of the output under a label, at most 8160. They are public: never a key. [mix-3]"""
        return expand(self.output, label.encode() if isinstance(label, str) else label, length)

    def wide(self) -> bytes:
        """The 512-bit value of the round."""
        return self.expand(b"512", 64)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verified) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        return f"<Verified round {self.round} {self.output.hex()}>"


def _verified(beacon: Beacon, hashed: bytes, proven_under: int | None = None) -> Verified:
    verified = object.__new__(Verified)
    verified.beacon, verified.hash, verified.proven_under = beacon, hashed, proven_under
    return verified


@dataclass(frozen=True)
class Head:
    """What must be kept of a trusted header to judge the next one. [trust-1]"""

    round: int
    hash: bytes
    #: The committee that the next header must name.
    committee: bytes

    @staticmethod
    def of(header: Header, hashed: bytes) -> Head:
        return Head(header.round, hashed, header.next_committee)

    def link(self, header: Header, chain: bytes, schedule: Schedule) -> None:
        """Judges that a header follows, all but its certificate. [trust-2]"""
        header.check(chain, schedule)
        what = f"header of round {header.round}"
        if header.round != self.round + 1:
            raise Refused("wrong-round", what, "header.round", self.round + 1, header.round)
        if header.previous != self.hash:
            raise Refused("broken-link", what, "header.previous", self.hash, header.previous)
        if header.committee != self.committee:
            raise Refused("wrong-committee", what, "header.committee", self.committee, header.committee)

    def follow(self, beacon: Beacon, chain: bytes, schedule: Schedule, signers: Signers) -> Head:
        """Goes on to the next round. [trust-2]"""
        self.link(beacon.header, chain, schedule)
        return Head.of(beacon.header, beacon.verify(chain, schedule, signers))

    def leap(self, beacon: Beacon, proof: list[bytes], chain: bytes, schedule: Schedule, signers: Signers) -> Head:
        """Goes to any later round that shows this head under its MMR root. [trust-4]"""
        header = beacon.header
        hashed = beacon.verify(chain, schedule, signers)
        if header.round < self.round:
            raise Refused("wrong-round", f"header of round {header.round}", "header.round", self.round, header.round)
        if header.round == self.round:
            if hashed != self.hash:
                raise Refused("conflict", f"header of round {header.round}", "hash", self.hash, hashed)
            return self
        if self.round > 0:
            what = f"proof of round {self.round} under round {header.round}"
            mmr.verify(header.mmr, header.round - 1, self.round, self.hash, proof, what)
        return Head.of(header, hashed)


def hand_over(last: Header, schedule: Schedule, signers: bytes) -> Signers:
    """The committee of the next epoch, which the last header of this one names. [trust-3]"""
    if not schedule.is_last_of_epoch(last.round):
        raise Refused("wrong-round", f"hand-over at round {last.round}", "header.round")
    return Signers.read(signers, last.epoch + 1, last.next_committee)


def prove(head: Header, beacon: Beacon, proof: list[bytes], chain: bytes, schedule: Schedule) -> None:
    """Judges that a header is under the MMR root of a later, trusted one. [trust-5]"""
    header = beacon.header
    header.check(chain, schedule)
    what = f"proof of round {header.round} under round {head.round}"
    if header.round >= head.round:
        raise Refused("wrong-round", what, "header.round", f"below {head.round}", header.round)
    mmr.verify(head.mmr, head.round - 1, header.round, header.hash(), proof, what)


def past(
    head: Header, beacon: Beacon, proof: list[bytes], chain: bytes, schedule: Schedule, signers: Signers
) -> bytes:
    """Proves an earlier header and judges its certificate; gives its hash. [trust-5]"""
    prove(head, beacon, proof, chain, schedule)
    return beacon.verify(chain, schedule, signers)


@dataclass(frozen=True)
class Trust:
    """What a client knows of a chain. Every step gives a new value and leaves the old one as it was."""

    chain: bytes
    genesis: LightGenesis
    #: The committee in force: that of the head's epoch, or of one reached on the way to a newer head.
    signers: Signers
    head: Verified | None = None

    @staticmethod
    def start(genesis: bytes, chain: bytes) -> Trust:
        """Starts from nothing but the chain hash. [trust-1]"""
        light, signers = LightGenesis.open(genesis, chain)
        return Trust(chain, light, signers)

    @property
    def schedule(self) -> Schedule:
        return self.genesis.draft.schedule

    @property
    def round(self) -> int:
        """The round of the head; 0, the genesis, without one."""
        return 0 if self.head is None else self.head.round

    def _head(self) -> Head:
        if self.head is None:
            return Head(0, self.chain, self.genesis.signers.hash())
        return Head.of(self.head.header, self.head.hash)

    def read_beacon(self, data: bytes, asked: int | None = None) -> Beacon:
        """Decodes a beacon and judges what its header says of itself; `asked` is the round asked for."""
        what = "newest beacon" if asked is None else f"beacon of round {asked}"
        beacon = Beacon.decode(data, what)
        if asked is not None and beacon.header.round != asked:
            raise Refused("wrong-round", what, "header.round", asked, beacon.header.round)
        beacon.header.check(self.chain, self.schedule)
        return beacon

    def certified(self, beacon: Beacon) -> Verified:
        """Judges a beacon by its certificate under the committee in force."""
        return _verified(beacon, beacon.verify(self.chain, self.schedule, self.signers))

    def handed_over(self, last: Beacon, signers: bytes) -> Trust:
        """The next epoch's committee in force, after the last beacon of this one. The head stays."""
        self.certified(last)
        return replace(self, signers=hand_over(last.header, self.schedule, signers))

    def needs_proof(self, header: Header) -> bool:
        """Whether a proof must show the head under this header for it to become the head."""
        return self.round > 0 and header.round > self.round + 1

    def advanced(self, beacon: Beacon, proof: bytes | None = None) -> Trust:
        """The same chain with a newer head; `proof` where one is needed. Certified headers that exclude the head are
        a `Conflict`."""
        head = self._head()
        try:
            if beacon.header.round == head.round + 1:
                head.follow(beacon, self.chain, self.schedule, self.signers)
            else:
                what = f"proof of round {head.round} under round {beacon.header.round}"
                siblings = [] if proof is None else decode(proof, MAX_PROOF_BYTES, mmr.read_proof, what)
                head.leap(beacon, siblings, self.chain, self.schedule, self.signers)
        except Refused as refusal:
            if refusal.code in ("broken-link", "conflict") and self.head is not None:
                self.certified(beacon)  # an invention is refused as such; only what a quorum signed is a conflict
                raise Conflict(self.head.header, beacon.header) from None
            raise
        return replace(self, head=_verified(beacon, beacon.header.hash()))

    def check_proven(self, beacon: Beacon, proof: bytes) -> None:
        """Judges a header of an earlier round by its proof under the head; its certificate is left open."""
        what = f"proof of round {beacon.header.round} under round {self.round}"
        if self.head is None:
            raise Refused("wrong-round", what, "header.round")
        siblings = decode(proof, MAX_PROOF_BYTES, mmr.read_proof, what)
        prove(self.head.header, beacon, siblings, self.chain, self.schedule)

    def past(self, beacon: Beacon, proof: bytes, signers: Signers) -> Verified:
        """An earlier round, by its proof under the head and its certificate under the committee it names."""
        self.check_proven(beacon, proof)
        return _verified(beacon, beacon.verify(self.chain, self.schedule, signers), self.round)

    def at_checkpoint(self, beacon: Beacon, hashed: bytes, signers: bytes) -> Trust:
        """Starts from a header hash that the user vouches for, in place of all hand-overs since the genesis."""
        header = beacon.header
        header.check(self.chain, self.schedule)
        found = header.hash()
        if found != hashed:
            raise Refused("conflict", f"header of checkpoint round {header.round}", "hash", hashed, found)
        trust = replace(self, signers=Signers.read(signers, header.epoch, header.committee), head=None)
        return replace(trust, head=trust.certified(beacon))

    def followed(self, walk: Walk, last: Verified) -> Trust:
        """The head moved along a walk that has just taken `last`, if that is newer."""
        if self.head is not None and self.round == last.round and self.head.hash != last.hash:
            raise Conflict(self.head.header, last.header)
        if last.round <= self.round or walk.signers.hash != last.header.committee:
            return self
        return replace(self, signers=walk.signers, head=last)

    def check_not_future(self, header: Header, now: int) -> None:
        """Refuses a round that the clock says cannot be certified yet."""
        if header.due > now + CLOCK_TOLERANCE:
            what = f"beacon of round {header.round}, due {header.due - now} ms from now"
            raise Refused("future-round", what, "header.due")

    def behind(self, now: int) -> int:
        """Rounds that are due beyond the head; 0 for chains without a period."""
        if self.schedule.period == 0 or now < self.schedule.genesis_time:
            return 0
        return max(self.schedule.round_at(now) - self.round, 0)


class Walk:
    """Consecutive rounds being verified: links, changes of committee, certificates, and MMR roots from round 1 on.

    After the last header of an epoch the walk wants the next signer list. A step that is refused leaves it as it was.
    """

    def __init__(self, trust: Trust, signers: Signers, first: Verified | None, certificates: bool = True) -> None:
        """Begins after `first`, which is verified already and of the committee `signers`, or at the genesis."""
        self._chain, self.schedule = trust.chain, trust.schedule
        self.signers = signers
        self._certificates = certificates
        self.wanted: tuple[int, bytes] | None = None
        # The last header, if its certificate was looked at: one that was not excludes nothing.
        self._last: Header | None = None
        if first is None:
            self.head = Head(0, trust.chain, signers.hash)
            self._mmr: mmr.Mmr | None = mmr.Mmr()
        else:
            self._mmr = None
            self._accept(first.header, first.hash, True)

    def copy(self) -> Walk:
        return copy.copy(self)

    def give(self, signers: bytes) -> None:
        """Gives the signer list that is wanted."""
        if self.wanted is not None:
            self.signers = Signers.read(signers, *self.wanted)
            self.wanted = None

    def take(self, beacon: Beacon, certificate: bool = False) -> Verified | None:
        """Takes the next round. Gives it as verified if its certificate was looked at: where the walk verifies each,
        where `certificate` asks for it, and where the committee changes."""
        header = beacon.header
        if self.wanted is not None:
            what = f"round {header.round} before the committee of epoch {self.wanted[0]}"
            raise Refused("wrong-committee", what)
        self.head.link(header, self._chain, self.schedule)
        hashed = header_hash(header.encode())
        verified = None
        if certificate or self._certificates or header.next_committee != header.committee:
            verified = _verified(beacon, beacon.verify(self._chain, self.schedule, self.signers))
        if self._mmr is not None:
            root = self._mmr.root()
            if header.mmr != root:
                raise Refused("bad-mmr", f"header of round {header.round}", "header.mmr", root, header.mmr)
            self._mmr = self._mmr.append(hashed)
        self._accept(header, hashed, verified is not None)
        return verified

    def _accept(self, header: Header, hashed: bytes, certified: bool) -> None:
        self.head = Head.of(header, hashed)
        self._last = header if certified else None
        if header.next_committee != header.committee:
            self.wanted = (header.epoch + 1, header.next_committee)

    def fork(self, refused: Beacon) -> Conflict | None:
        """The conflict between the last header and a beacon that was refused, if the committee in force certified
        that one too: what tells a fork from an invention."""
        last, header = self._last, refused.header
        if last is None:
            return None
        excludes = (header.round == last.round and header != last) or (
            header.round == last.round + 1 and header.previous != self.head.hash
        )
        if not excludes:
            return None
        try:
            refused.verify(self._chain, self.schedule, self.signers)
        except Refused:
            return None
        return Conflict(last, header)
