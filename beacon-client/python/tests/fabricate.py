"""Valid chains signed with test keys: schedule, links, hand-overs, MMR roots, lists and certificates are real."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from beacon_client import mmr
from beacon_client.chain import Beacon, Certificate, Header
from beacon_client.codec import tagged, u64
from beacon_client.committee import Signer, SignerList, Signers
from beacon_client.genesis import Draft, LightGenesis
from beacon_client.schedule import Schedule


def public(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


class Chain:
    """A whole chain in memory, as a server would hold it, every round certified.

    Weights are equal; everything random-looking follows from the seed. From round `fork` on outputs differ from those
    of the same chain without a fork; the header of round `bad_mmr` has a wrong MMR root; with `usurped` the committees
    after the first have keys of somebody else.
    """

    def __init__(
        self, rounds, members=4, seed=0, window=1, windows=1 << 32, start=1_704_067_200_000, fork=None, bad_mmr=None,
        usurped=False,
    ):  # fmt: skip
        self.seed, self.fork, self.bad_mmr, self.usurped, self.members = seed, fork, bad_mmr, usurped, members
        self.schedule = Schedule(start, 3000, window, windows)
        self.identities = sorted(public(self.key("identity", i, 0)) for i in range(members))
        self.keys = self.epoch_keys(1)
        listed = tuple((identity, 1) for identity in self.identities)
        draft = Draft(1, "fabricated", self.schedule, 1500, 0, 0, 0, 65535, members < 4, listed, None)
        self.committees = [self.signer_list(1)]
        self.genesis = LightGenesis(draft, self.committees[0], self.digest("bundles", 0, 0))
        self.chain = self.genesis.chain()
        self.signers = Signers(self.committees[0])
        self.range, self.beacons = mmr.Mmr(), []
        for _ in range(rounds):
            self.grow()

    def digest(self, what, a, b):
        return hashlib.sha256(f"{self.seed} {what} {a} {b}".encode()).digest()

    def key(self, what, owner, epoch):
        return Ed25519PrivateKey.from_private_bytes(self.digest(what, owner, epoch))

    def epoch_keys(self, epoch):
        what = "usurping" if self.usurped and epoch > 1 else "voting"
        return [self.key(what, owner, epoch) for owner in range(self.members)]

    def signer_list(self, epoch):
        signers = zip(self.identities, self.epoch_keys(epoch))
        listed = tuple(Signer(identity, 1, public(key)) for identity, key in signers)
        return SignerList(epoch, 0, listed, self.digest("tickets", epoch, 0))

    def grow(self):
        round = len(self.beacons) + 1
        last = self.schedule.is_last_of_epoch(round)
        committee = self.signers.hash
        salt = int(self.fork is not None and round >= self.fork)
        root = bytes(32) if round == self.bad_mmr else self.range.root()
        header = Header(
            version=1, chain=self.chain, round=round, due=self.schedule.time_of(round),
            previous=self.beacons[-1].header.hash() if self.beacons else self.chain,
            epoch=self.schedule.epoch_of(round), committee=committee,
            next_committee=self.signer_list(self.signers.epoch + 1).hash() if last else committee,
            window=self.schedule.window_of(round), dealing_set=self.digest("set", round, salt), weight=self.members,
            contributors=self.members, mmr=root, output=self.digest("output", round, salt),
        )  # fmt: skip
        self.range = self.range.append(header.hash())
        self.beacons.append(Beacon(header, self.certify(header)))
        if last:
            self.committees.append(self.signer_list(self.signers.epoch + 1))
            self.signers = Signers(self.committees[-1])
            self.keys = self.epoch_keys(self.signers.epoch)

    def certify(self, header):
        digest = tagged("beacon/1/header-vote", header.chain, u64(header.round), header.hash())
        needed = 2 * self.members // 3 + 1
        bitmap = ((1 << needed) - 1).to_bytes((self.members + 7) // 8, "little")
        return Certificate(bitmap, tuple(key.sign(digest) for key in self.keys[:needed]))

    def proof(self, round, head):
        """The siblings of round `round` under the header of `head`, by the recursive definition of the tree."""
        leaves = [
            tagged("beacon/1/mmr-leaf", u64(b.header.round), b.header.hash()) for b in self.beacons[: head - 1]
        ]
        return _audit_path(round - 1, leaves)


def _tree(leaves):
    if len(leaves) == 1:
        return leaves[0]
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    return tagged("beacon/1/mmr-node", _tree(leaves[:cut]), _tree(leaves[cut:]))


def _audit_path(place, leaves):
    if len(leaves) == 1:
        return []
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    if place < cut:
        return [*_audit_path(place, leaves[:cut]), _tree(leaves[cut:])]
    return [*_audit_path(place - cut, leaves[cut:]), _tree(leaves[:cut])]


def sequence(parts):
    """A counted sequence on the wire."""
    parts = list(parts)
    return u64(len(parts)) + b"".join(parts)


def chain_file(chain, certificates=False, first=1):
    """The bytes of a chain file or, from a later round on, of a bundle, as `beacon export` writes them."""
    parts = [(b"G", chain.genesis.encode())]
    headers = 0
    if first > 1:
        for epoch in range(1, chain.beacons[first - 1].header.epoch):
            parts.append((b"B", chain.beacons[chain.schedule.last_round(epoch) - 1].encode()))
            parts.append((b"S", chain.committees[epoch].encode()))
        start = chain.beacons[first - 1]
        parts.append((b"B", start.encode()))
        if start.header.next_committee != start.header.committee and first < len(chain.beacons):
            parts.append((b"S", chain.committees[start.header.epoch].encode()))
    for beacon in chain.beacons[first if first > 1 else 0 :]:
        header = beacon.header
        headers += 1
        if parts[-1][0] == b"H":
            parts[-1] = (b"H", parts[-1][1] + header.encode())
        else:
            parts.append((b"H", header.encode()))
        last = header.round == len(chain.beacons)
        changes = header.next_committee != header.committee
        if certificates or last or changes:
            parts.append((b"C", beacon.certificate.encode()))
        if changes and not last:
            parts.append((b"S", chain.committees[header.epoch].encode()))
    parts.append((b"E", u64(headers) + u64(len(parts))))
    return b"BEACON1\n" + b"".join(tag + len(body).to_bytes(4, "big") + body for tag, body in parts)
