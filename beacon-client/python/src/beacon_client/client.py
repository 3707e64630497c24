"""The light client: asks servers, lets the judge decide, fails over, bans liars, keeps the trusted head."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from .chain import HEADER_BYTES, MAX_BEACON_BYTES, Beacon
from .codec import decode, read_hex
from .committee import MAX_SIGNERS_BYTES, Signers
from .errors import BeaconError, Conflict, Fault, NotYet, Refused, Unreachable, UsageError
from .follow import Event, subscribe
from .genesis import MAX_GENESIS_BYTES
from .server import Server
from .state import StateDir
from .times import format_span
from .trust import CLOCK_TOLERANCE, MAX_PROOF_BYTES, Trust, Verified, Walk

T = TypeVar("T")

#: Seconds that one request may take, unless said otherwise.
DEFAULT_TIMEOUT = 10.0
#: Seconds that trust lasts without a newer head, unless said otherwise: voting keys older than this are taken for
#: erased, but whoever kept them could sign another past.
DEFAULT_TRUSTING_PERIOD = 60 * 86_400
#: The longest that a silent server holds up the next one, in seconds.
_LONGEST_STAGGER = 0.5
#: A server this close behind the trusted head is merely slower than another; the head itself is the answer.
_LAG = 2
#: Rounds of one answer at most, by the protocol of the servers, and bytes of one answer at most.
_MAX_RANGE = 1000
_RANGE_BYTES = 4 << 20
#: How often a subscription stores the head, in seconds.
_KEEP_EVERY = 1.0


@dataclass(frozen=True)
class Scan:
    """What was verified: so many rounds from `first` to `last`, all of them linked."""

    first: int
    rounds: int
    last: Verified
    #: Whether every certificate was verified, or only those that change the committee or end an answer.
    certificates: bool


def system_time() -> int:
    """The system's clock, Unix milliseconds."""
    return max(time.time_ns() // 1_000_000, 0)


class Client:
    """A light client of one chain. Its methods may be called from several threads."""

    def __init__(
        self,
        chain: str | bytes,
        servers: Iterable[str],
        *,
        timeout: float = DEFAULT_TIMEOUT,
        trusting_period: float = DEFAULT_TRUSTING_PERIOD,
        checkpoint: tuple[int, str | bytes] | None = None,
        state: str | os.PathLike[str] | StateDir | None = None,
        clock: Callable[[], int] = system_time,
    ) -> None:
        """`chain` is the chain hash, the one thing that is trusted; `servers` are addresses, the first asked first.

        `timeout` bounds each request as a whole, in seconds. Beyond `trusting_period`, in seconds, a `checkpoint` is
        required: a round and its header hash from somebody you trust. With `state`, a directory, the trusted head is
        kept there; without it every client starts from the chain hash. `clock` gives Unix milliseconds.
        """
        self.chain = _hash(chain, "chain hash")
        self._servers = [Server(url, timeout) for url in servers]
        if not self._servers:
            raise UsageError("at least one server is needed")
        if not timeout > 0:
            raise UsageError("the timeout is a number of seconds above 0")
        self._stagger = min(timeout / 4, _LONGEST_STAGGER)
        self._trusting_period = int(trusting_period * 1000)
        self._checkpoint = None if checkpoint is None else (checkpoint[0], _hash(checkpoint[1], "checkpoint hash"))
        self._state = state if state is None or isinstance(state, StateDir) else StateDir(state)
        self.now = clock
        self._lock = threading.RLock()
        self._trust: Trust | None = None
        self._kept = float("-inf")

    # What users ask for.

    def latest(self) -> Verified:
        """The newest round there is."""
        with self._lock:
            try:
                return self._newest()
            except Unreachable as error:
                raise _old_head(error) from None

    def get(self, round: int) -> Verified:
        """One round: by its certificate if it is the newest, by an MMR proof and its certificate if it is past."""
        if round < 1:
            raise UsageError("rounds count from 1; round 0 is the genesis")
        with self._lock:
            try:
                return self._round(round)
            except Unreachable as error:
                raise _old_head(error) from None

    def at(self, time: int) -> Verified:
        """The round in force at a time in Unix milliseconds; `NotYet` for times to come."""
        return self.get(self.round_at(time))

    def round_at(self, time: int) -> int:
        """The last round due at or before a time in Unix milliseconds."""
        try:
            return self.trust().schedule.round_at(time)
        except Refused as refusal:
            raise UsageError(refusal.what) from None

    def time_of(self, round: int) -> int:
        """When a round is due, Unix milliseconds."""
        try:
            return self.trust().schedule.time_of(round)
        except Refused as refusal:
            raise UsageError(refusal.what) from None

    def range(self, first: int, last: int | None = None) -> Iterator[Verified]:
        """The rounds from `first` to `last`, the newest if not given: each by its link and its certificate.

        That they lead to the trusted head shows at the last one; a fork is a `Conflict` there.
        """
        end, walk, start = self._begin_range(first, last, certificates=True)
        if start is not None:
            yield start
        while walk.head.round < end.round:
            walk, taken = self._walk_range(walk, end)
            # This walk looks at every certificate.
            yield from (verified for verified in taken if verified is not None)

    def scan(self, first: int = 1, last: int | None = None, *, certificates: bool = True) -> Scan:
        """Verifies consecutive rounds by the hash chain, and every certificate unless told not to."""
        end, walk, _ = self._begin_range(first, last, certificates)
        while walk.head.round < end.round:
            walk, _ = self._walk_range(walk, end)
        return Scan(first, end.round - first + 1, end, certificates)

    def subscribe(self, start: int | None = None, notify: Callable[[Event], None] | None = None) -> Iterator[Verified]:
        """Every round from `start` on, the newest if not given: each once, in order, missing none, waiting for those
        to come. `notify` is told of what is not a round: lateness, failing servers, and servers that lied."""
        if start is not None and start < 1:
            raise UsageError("rounds count from 1; round 0 is the genesis")
        return subscribe(self, start, notify or (lambda event: None))

    def wait_for(self, round: int) -> Verified:
        """Waits until a round is certified, however long that takes, and gives it."""
        for verified in self.subscribe(round):
            return verified
        raise NotYet(round, None)

    def bans(self) -> list[Refused]:
        """Why servers are not asked any more."""
        return [server.ban for server in self._servers if server.ban is not None]

    def trust(self) -> Trust:
        """What is known of the chain: stored, or fetched and checked under the chain hash."""
        with self._lock:
            if self._trust is None:
                self._trust = self._begin()
            return self._trust

    # The trusted head.

    def _begin(self) -> Trust:
        stored = None if self._state is None else self._state.load(self.chain)
        if stored is not None:
            trust, since = stored.trust, stored.accepted
        else:
            trust = self.any(self._fetch_genesis)[1]
            since = trust.schedule.genesis_time
        if self._checkpoint is None:
            self._check_age(since)
            return trust
        round, hashed = self._checkpoint
        _, (trust, due) = self.any(lambda server: self._apply_checkpoint(server, trust, round, hashed))
        # Whoever has the keys of that time could go on from an old header as well as from the genesis.
        if trust.schedule.period > 0:
            self._check_age(due)
        return trust

    def _check_age(self, since: int) -> None:
        age = self.now() - since
        if age > self._trusting_period:
            raise Refused(
                "stale",
                f"trust that is {format_span(age)} old, beyond the trusting period of "
                f"{format_span(self._trusting_period)}: give a recent round and its header hash, from somebody you "
                "trust, as a checkpoint",
            )

    def _fetch_genesis(self, server: Server) -> Trust:
        return Trust.start(server.get("info?format=binary", MAX_GENESIS_BYTES), self.chain)

    def _apply_checkpoint(self, server: Server, trust: Trust, round: int, hashed: bytes) -> tuple[Trust, int]:
        """Holds the trust against a checkpoint: beyond the head it becomes the head, before it it must be under it."""
        beacon = trust.read_beacon(self._beacon(server, round), round)
        signers = self._committee(server, beacon.header.epoch)
        checked = trust.at_checkpoint(beacon, hashed, signers)
        head, point = trust.head, checked.head
        assert point is not None
        if head is None or head.hash == hashed:
            return (checked if head is None else trust), point.due
        if head.round == round:
            raise Conflict(head.header, point.header, server.name)
        below, above = (head, checked) if round > head.round else (point, trust)
        proof = self._proof(server, below.round, above.round)
        above.check_proven(below.beacon, proof)
        return above, point.due

    def _newest(self) -> Verified:
        """Asks servers for the newest round. If the clock says that the answer is late, the others are asked too and
        the newest answer counts."""
        trust = self.trust()
        left = self._order()
        found = None
        while left:
            known = trust
            try:
                server, trust = self.any(lambda server: self._head_from(server, known), left)
            except Conflict:
                raise
            except Unreachable as error:
                if found is not None:
                    break
                if trust.round == 0 and error.faults and all(f.kind in ("not-yet", "missing") for _, f in error.faults):
                    raise NotYet(1, trust.schedule.time_of(1)) from None
                raise
            except BeaconError:
                if found is not None:
                    break
                raise
            self._keep(trust, server)
            self._trust = trust
            found = trust.head
            left.remove(server)
            if trust.behind(self.now()) <= 1:
                break
        assert found is not None
        return found

    def _keep(self, trust: Trust, server: Server) -> None:
        if self._state is not None:
            self._state.save(trust, self.now(), server.name)

    def adopt_walk(self, walk: Walk, last: Verified, server: Server) -> None:
        """Moves the trusted head along a subscription's walk, which has just taken `last`."""
        with self._lock:
            trust = self.trust()
            try:
                self._trust = trust.followed(walk, last)
            except Conflict as conflict:
                conflict.source = server.name
                raise
            # Each round in turn would keep the disk busy; what is lost in a crash is a second of progress.
            if time.monotonic() - self._kept >= _KEEP_EVERY:
                self._kept = time.monotonic()
                self._keep(self._trust, server)

    # What one server is asked; faults and refusals are for `any`.

    def _beacon(self, server: Server, round: int) -> bytes:
        return server.get(f"rounds/{round}?format=binary", MAX_BEACON_BYTES)

    def _proof(self, server: Server, round: int, head: int) -> bytes:
        return server.get(f"rounds/{round}/proof?head={head}&format=binary", MAX_PROOF_BYTES)

    def _committee(self, server: Server, epoch: int) -> bytes:
        return server.get(f"committee?epoch={epoch}&format=binary", MAX_SIGNERS_BYTES)

    def _head_from(self, server: Server, trust: Trust) -> Trust:
        """The trust moved to the newest round of one server, through every change of committee on the way."""
        data = server.get("rounds/latest?format=binary", MAX_BEACON_BYTES)
        beacon = trust.read_beacon(data)
        trust.check_not_future(beacon.header, self.now())
        theirs, ours = beacon.header.round, trust.round
        if theirs < ours:
            if theirs + _LAG >= ours:
                return trust
            raise Behind(theirs, ours)
        if trust.head is not None and beacon.header.hash() == trust.head.hash:
            return trust
        later = trust
        while later.signers.epoch < beacon.header.epoch:
            epoch = later.signers.epoch
            round = trust.schedule.last_round(epoch)
            last = trust.read_beacon(self._beacon(server, round), round)
            later = later.handed_over(last, self._committee(server, epoch + 1))
        proof = None
        if trust.needs_proof(beacon.header):
            later.certified(beacon)  # a proof is not worth asking for before that
            proof = self._proof(server, ours, theirs)
        try:
            return later.advanced(beacon, proof)
        except Conflict as conflict:
            conflict.source = server.name
            raise
        except Refused as refusal:
            if refusal.code == "bad-mmr" and proof is not None:
                self._look_for_conflict(server, trust, replace(later, head=later.certified(beacon)), proof)
            raise

    def _look_for_conflict(self, server: Server, trust: Trust, newer: Trust, proof: bytes) -> None:
        """A server that cannot show the trusted head under its newest header is asked which one it has instead: if it
        can prove that, the chain is in conflict."""
        theirs = trust.read_beacon(self._beacon(server, trust.round), trust.round)
        newer.check_proven(theirs, proof)
        if trust.head is not None and theirs.header.hash() != trust.head.hash:
            raise Conflict(trust.head.header, theirs.header, server.name)

    def _round(self, round: int) -> Verified:
        trust = self.trust()
        if round > trust.round:
            try:
                due = trust.schedule.time_of(round)
            except Refused as refusal:
                raise UsageError(refusal.what) from None
            if due > self.now() + CLOCK_TOLERANCE:
                raise NotYet(round, due)
            self._newest()
            trust = self.trust()
            if round > trust.round:
                raise NotYet(round, due)
        if trust.head is not None and trust.round == round:
            return trust.head
        return self.any(lambda server: self._past_from(server, trust, round))[1]

    def _past_from(self, server: Server, trust: Trust, round: int) -> Verified:
        beacon = trust.read_beacon(self._beacon(server, round), round)
        proof = self._proof(server, round, trust.round)
        trust.check_proven(beacon, proof)
        header = beacon.header
        signers = self._known_committee(server, trust, header.epoch, header.committee)
        return trust.past(beacon, proof, signers)

    def _known_committee(self, server: Server, trust: Trust, epoch: int, hashed: bytes) -> Signers:
        """The committee that a trusted header names."""
        if trust.signers.hash == hashed:
            return trust.signers
        return Signers.read(self._committee(server, epoch), epoch, hashed)

    # Ranges.

    def _begin_range(self, first: int, last: int | None, certificates: bool) -> tuple[Verified, Walk, Verified | None]:
        newest = self.latest()
        end = newest if last is None else self.get(last)
        if not 1 <= first <= end.round:
            raise UsageError(f"no rounds from {first} to {end.round}: they count from 1")
        walk, start = self.begin_walk(first, certificates)
        return end, walk, start

    def begin_walk(self, first: int, certificates: bool = True) -> tuple[Walk, Verified | None]:
        """A walk about to take round 1, or one that begins at a round that was proven under the head."""
        trust = self.trust()
        if first == 1:
            return Walk(trust, Signers(trust.genesis.signers), None, certificates), None
        start = self.get(first)
        header = start.header
        _, signers = self.any(lambda server: self._known_committee(server, trust, header.epoch, header.committee))
        return Walk(trust, signers, start, certificates), start

    def _walk_range(self, walk: Walk, end: Verified) -> tuple[Walk, list[Verified | None]]:
        server, (walk, taken) = self.any(lambda server: self.walk_on(server, walk, end.round))
        last = taken[-1]
        if last is not None and last.round == end.round and last.hash != end.hash:
            raise Conflict(end.header, last.header, server.name)
        return walk, taken

    def walk_on(self, server: Server, walk: Walk, to: int) -> tuple[Walk, list[Verified | None]]:
        """Takes rounds up to `to` as far as one answer goes. The walk given stays as it is, for another server."""
        walk = self.give_committee(server, walk)
        first = walk.head.round + 1
        widest = HEADER_BYTES + 16 + (len(walk.signers) + 7) // 8 + 64 * len(walk.signers)
        most = max(min(_RANGE_BYTES // widest, _MAX_RANGE), 1)
        last = min(to, walk.schedule.last_round(walk.schedule.epoch_of(first)), first + most - 1)
        what, limit = f"rounds {first} to {last}", 8 + widest * most
        data = server.get(f"rounds?from={first}&to={last}&format=binary", limit)
        given = decode(data, limit, lambda reader: reader.sequence(Beacon.read, HEADER_BYTES + 16), what)
        if not given:
            raise Fault("not-yet", "not certified yet")
        taken = []
        for round, beacon in enumerate(given, first):
            if beacon.header.round != round or round > last:
                raise Refused("not-asked", what, "header.round", round, beacon.header.round)
            # The last certificate of an answer is always looked at, so that whoever made rounds up is known.
            taken.append(take_or_fork(walk, beacon, server, certificate=round == first + len(given) - 1))
        return walk, taken

    def give_committee(self, server: Server, walk: Walk) -> Walk:
        """A copy of the walk with the signer list that it waits for, if it waits for one."""
        walk = walk.copy()
        if walk.wanted is not None:
            walk.give(self._committee(server, walk.wanted[0]))
        return walk

    # Many servers.

    def servers(self) -> list[Server]:
        return self._servers

    def has_servers(self) -> bool:
        """Whether there is a server that is not banned."""
        return any(server.ban is None for server in self._servers)

    def _order(self) -> list[Server]:
        """The servers as they were given, but those that failed last time at the end."""
        return sorted(self._servers, key=lambda server: server.lagging)

    def any(self, ask: Callable[[Server], T], among: list[Server] | None = None) -> tuple[Server, T]:
        """Asks servers until one does: the first, and while that does not answer soon, or fails, the next besides.

        Refused servers are banned; in the error a refusal outweighs silence, since it is the graver news.
        """
        waiting = list(self._order() if among is None else among)
        refusals = [server.ban for server in waiting if server.ban is not None]
        faults = [(s.name, Fault("banned", f"refused before: {s.ban}")) for s in waiting if s.ban is not None]
        waiting = [server for server in waiting if server.ban is None]
        answers: queue.SimpleQueue[tuple[Server, T | None, Exception | None]] = queue.SimpleQueue()
        asked: list[Server] = []
        while waiting or asked:
            if waiting:
                asked.append(waiting.pop(0))
                _start(ask, asked[-1], answers)
            try:
                server, answer, error = answers.get(timeout=self._stagger if waiting else None)
            except queue.Empty:
                continue
            asked.remove(server)
            if error is None:
                server.lagging = False
                for other in asked:
                    other.lagging = True
                return server, answer  # type: ignore[return-value]
            server.lagging = True
            if isinstance(error, Fault):
                faults.append((server.name, error))
            elif isinstance(error, Refused):
                server.ban = error.by(server.name)
                refusals.append(error)
            else:
                raise error
        if refusals:
            raise refusals[0]
        raise Unreachable(faults)


def _start(
    ask: Callable[[Server], T], server: Server, answers: queue.SimpleQueue[tuple[Server, T | None, Exception | None]]
) -> None:
    """Asks in a thread of its own, which ends with the server's time limit whether or not anybody waits for it."""

    def run() -> None:
        try:
            answers.put((server, ask(server), None))
        except Exception as error:
            answers.put((server, None, error))

    threading.Thread(target=run, daemon=True, name=f"beacon {server.name}").start()


class Behind(Fault):
    """The newest round of a server is older than what this client has verified."""

    def __init__(self, theirs: int, ours: int) -> None:
        super().__init__("behind", f"stands at round {theirs}, round {ours} is verified already")
        self.theirs = theirs
        self.ours = ours


def _old_head(error: Unreachable) -> BeaconError:
    """What it means that servers are behind: whoever asked is told that this client knows a newer round."""
    for server, fault in error.faults:
        if isinstance(fault, Behind):
            expected, found = f"round {fault.ours} or newer", f"round {fault.theirs}"
            return Refused("old-head", "newest beacon", "header.round", expected, found).by(server)
    return error


def take_or_fork(walk: Walk, beacon: Beacon, server: Server, certificate: bool = False) -> Verified | None:
    """Takes one beacon; one that the committee certified though it does not follow is a conflict, not a lie."""
    try:
        return walk.take(beacon, certificate)
    except Refused:
        conflict = walk.fork(beacon)
        if conflict is None:
            raise
        conflict.source = server.name
        raise conflict from None


def _hash(value: str | bytes, what: str) -> bytes:
    try:
        hashed = read_hex(value, 32) if isinstance(value, str) else value
    except Refused:
        hashed = b""
    if len(hashed) != 32:
        raise UsageError(f"a {what} is 64 hexadecimal digits")
    return hashed
