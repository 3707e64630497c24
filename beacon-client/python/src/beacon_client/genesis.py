"""The genesis as clients get it: parameters, the first signer list, and the chain hash over both."""

from __future__ import annotations

from dataclasses import dataclass

from .codec import Reader, counted, decode, framed, tagged, u16, u64
from .committee import MAX_MEMBERS, SignerList, Signers, check_members
from .errors import Refused
from .schedule import Schedule

#: Bytes of the largest light genesis: 512 members, each as drafted (40 bytes) and as a signer (72 bytes).
MAX_GENESIS_BYTES = 64 << 10
_WHAT = "light genesis"


@dataclass(frozen=True)
class Draft:
    """What is fixed for the life of a chain. Times and intervals in milliseconds. [genesis-1]"""

    version: int
    name: str
    schedule: Schedule
    catch_up_interval: int
    lead: int
    recovery_delay: int
    grace: int
    registrations_per_value: int
    development_exemption: bool
    members: tuple[tuple[bytes, int], ...]
    #: Chain, round and header hash of the chain that this one continues.
    predecessor: tuple[bytes, int, bytes] | None

    @staticmethod
    def read(reader: Reader) -> Draft:
        version, name = reader.number(2), reader.text()
        schedule = Schedule(reader.u64(), reader.u64(), reader.u64(), reader.u64())
        interval, lead, delay, grace = reader.u64(), reader.u64(), reader.u64(), reader.u64()
        registrations, exemption = reader.number(2), reader.flag()
        members = reader.sequence(lambda r: (r.digest(), r.u64()), 40)
        predecessor = (reader.digest(), reader.u64(), reader.digest()) if reader.flag() else None
        times = interval, lead, delay, grace
        return Draft(version, name, schedule, *times, registrations, exemption, tuple(members), predecessor)

    def encode(self) -> bytes:
        schedule = self.schedule
        numbers = [schedule.genesis_time, schedule.period, schedule.window, schedule.epoch_windows]
        numbers += [self.catch_up_interval, self.lead, self.recovery_delay, self.grace]
        parts = [u16(self.version), counted(self.name.encode()), *map(u64, numbers)]
        parts += [u16(self.registrations_per_value), bytes([self.development_exemption]), u64(len(self.members))]
        parts += [identity + u64(weight) for identity, weight in self.members]
        if self.predecessor is None:
            return b"".join([*parts, b"\0"])
        chain, round, header_hash = self.predecessor
        return b"".join([*parts, b"\1", chain, u64(round), header_hash])

    def ceremony(self) -> bytes:
        """The ceremony id. [genesis-3]"""
        return tagged("beacon/1/ceremony", framed(self.encode()))

    def check(self) -> None:
        """Judges everything but the bundles. [genesis-1]"""
        if self.version != 1:
            raise Refused("unknown-version", _WHAT, "version", 1, self.version)
        if not 1 <= len(self.name.encode()) <= 64:
            raise Refused("bad-count", _WHAT, "name")
        if not 1 <= len(self.members) <= MAX_MEMBERS:
            raise Refused("bad-count", _WHAT, "members")
        check_members(list(self.members), _WHAT)
        total = sum(weight for _, weight in self.members)
        if not self.development_exemption and any(3 * weight >= total for _, weight in self.members):
            raise Refused("too-heavy", _WHAT, "weight")
        self._check_parameters()

    def _check_parameters(self) -> None:
        """Judges every range. [genesis-2]"""
        schedule = self.schedule
        good = {
            "window": 1 <= schedule.window <= 64,
            "epoch_windows": 4 <= schedule.epoch_windows <= 1 << 32,
            "period": schedule.period <= 366 * 86_400_000,
            "genesis_time": schedule.genesis_time <= 1 << 52,
            "catch_up_interval": self.catch_up_interval <= 60_000
            and (schedule.period == 0 or self.catch_up_interval <= schedule.period // 2),
            "lead": self.lead <= 3_600_000,
            "recovery_delay": self.recovery_delay <= 60_000,
            "grace": self.grace <= 60_000,
            "registrations_per_value": schedule.epoch_windows * self.registrations_per_value >= 4 * len(self.members),
        }
        for name, holds in good.items():
            if not holds:
                raise Refused("bad-parameter", _WHAT, name)


@dataclass(frozen=True)
class LightGenesis:
    """The draft, the first signer list, and the hash of the bundles that clients do without."""

    draft: Draft
    signers: SignerList
    bundles: bytes

    @staticmethod
    def read(reader: Reader) -> LightGenesis:
        return LightGenesis(Draft.read(reader), SignerList.read(reader), reader.digest())

    def encode(self) -> bytes:
        return self.draft.encode() + self.signers.encode() + self.bundles

    def chain(self) -> bytes:
        """The chain hash, which is also the hash of header 0. [genesis-5]"""
        return tagged("beacon/1/chain", self.draft.ceremony(), self.signers.hash(), self.bundles)

    @staticmethod
    def open(data: bytes, chain: bytes) -> tuple[LightGenesis, Signers]:
        """Decodes and judges a light genesis under the chain hash that the reader trusts. [genesis-5]"""
        light = decode(data, MAX_GENESIS_BYTES, LightGenesis.read, _WHAT)
        found = light.chain()
        if found != chain:
            raise Refused("wrong-chain", _WHAT, "chain", chain, found)
        light.draft.check()
        listed = light.signers
        members = tuple((signer.identity, signer.weight) for signer in listed.signers)
        if (listed.epoch, listed.membership, members) != (1, 0, light.draft.members):
            raise Refused("wrong-committee", _WHAT, "signers")
        return light, Signers(listed)
