"""A subscription that loses no round: pushed where that works, fetched where it does not.

Up to three servers push at once and the first to bring a round wins. A round that does not come when it is due is
fetched; a gap is fetched before what comes after it. Every beacon is verified by its certificate and by its link to the
one before, so what comes out is one chain, in order, each round once. Servers that lie are banned; others are tried
again after a while.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Union

from .chain import Beacon
from .errors import Fault, NotYet, Refused, Unreachable
from .server import Connection, Server, beacons
from .trust import Verified, Walk

if TYPE_CHECKING:
    from .client import Client

#: Servers that push at the same time; the others are asked only for what is missing.
_RACERS = 3


@dataclass(frozen=True)
class Late:
    """Rounds are due that no server has: `expected` by the clock, `have` the newest here."""

    have: int
    expected: int


@dataclass(frozen=True)
class Trouble:
    """A server failed and will be tried again."""

    server: str
    fault: Fault


@dataclass(frozen=True)
class Banned:
    """A server lied and will not be asked again."""

    refusal: Refused


Event = Union[Late, Trouble, Banned]
#: What a server pushed: a beacon, a sign of life, or why it does not push.
_Pushed = tuple[Server, Union[Beacon, None, Fault, Refused]]


class Backoff:
    """Delays that double from 0.25 s to 30 s, each shortened by up to a half at random."""

    def __init__(self) -> None:
        self._failures = 0

    def next(self) -> float:
        full = min(0.25 * (1 << min(self._failures, 10)), 30.0)
        self._failures += 1
        return full * (1 - random.random() / 2)

    def reset(self) -> None:
        self._failures = 0


def subscribe(client: Client, start: int | None, notify: Callable[[Event], None]) -> Iterator[Verified]:
    """Every round from `start` on, for as long as it is iterated over."""
    follower = _Follower(client, notify)
    try:
        yield from follower.begin(start)
        yield from follower.run()
    finally:
        follower.stop()


class _Follower:
    def __init__(self, client: Client, notify: Callable[[Event], None]) -> None:
        self._client = client
        self._notify = notify
        self._backoff = Backoff()
        self._stopped = threading.Event()
        self._pushed: queue.Queue[_Pushed] = queue.Queue(maxsize=64)
        self._pushers: list[_Pusher] = []
        self._told_late = 0
        self._told_bans: set[str | None] = set()
        # Faults told and not over yet, by server.
        self._troubles: dict[str, str] = {}

    def begin(self, start: int | None) -> Iterator[Verified]:
        """Finds where to begin: at `start`, at the newest round, or at the genesis if there is no round yet."""
        while True:
            try:
                newest = self._newest()
                self._from = newest if start is None else start
                self._walk, first = self._client.begin_walk(min(self._from, newest))
                break
            except Unreachable as error:
                for server, fault in error.faults:
                    self._trouble(server, fault)
            except Refused as refusal:
                self._survive(refusal)
            time.sleep(self._backoff.next())
        self._backoff.reset()
        if first is not None and first.round >= self._from:
            yield first

    def _newest(self) -> int:
        try:
            return self._client.latest().round
        except NotYet:
            return 1

    def run(self) -> Iterator[Verified]:
        self._pushers = [_Pusher(self, server) for server in self._client.servers()[:_RACERS]]
        # What is there already is fetched at once rather than pushed one by one.
        poll = time.monotonic()
        while True:
            before = self.next_round
            left = poll - time.monotonic()
            try:
                if left <= 0:
                    raise queue.Empty
                server, pushed = self._pushed.get(timeout=left)
            except queue.Empty:
                yield from self._fetch(None)
                poll = time.monotonic() + self._patience()
                continue
            yield from self._on_push(server, pushed)
            # Only progress puts the poll off: signs of life do not.
            if self.next_round > before:
                poll = time.monotonic() + self._patience()

    def stop(self) -> None:
        self._stopped.set()
        for pusher in self._pushers:
            pusher.stop()

    @property
    def next_round(self) -> int:
        return self._walk.head.round + 1

    def put(self, server: Server, pushed: Beacon | None | Fault | Refused) -> bool:
        """Hands over what a server pushed; false when nobody listens any more."""
        while not self._stopped.is_set():
            try:
                self._pushed.put((server, pushed), timeout=0.5)
                return True
            except queue.Full:
                pass  # the subscriber is busy: so is the server, then
        return False

    def wait(self, delay: float) -> bool:
        """Waits; true when the subscription has ended meanwhile."""
        return self._stopped.wait(delay)

    def _on_push(self, server: Server, pushed: Beacon | None | Fault | Refused) -> Iterator[Verified]:
        if isinstance(pushed, Fault):
            self._trouble(server.name, pushed)
        elif isinstance(pushed, Refused):
            self._ban(server, pushed)
        else:
            self._troubles.pop(server.name, None)
            if pushed is not None and pushed.header.round >= self.next_round:
                yield from self._on_beacon(server, pushed)

    def _on_beacon(self, server: Server, beacon: Beacon) -> Iterator[Verified]:
        if server.ban is not None:
            return
        trust = self._client.trust()
        try:
            beacon.header.check(trust.chain, trust.schedule)
            trust.check_not_future(beacon.header, self._client.now())
        except Refused as refusal:
            self._ban(server, refusal)
            return
        if beacon.header.round > self.next_round:
            yield from self._fetch(beacon.header.round - 1)
        if beacon.header.round == self.next_round:
            yield from self._take(server, beacon)

    def _take(self, server: Server, beacon: Beacon) -> Iterator[Verified]:
        """Takes a pushed beacon of the round to come."""
        from .client import take_or_fork

        client = self._client
        try:
            # Any server may know the committee that is wanted; the hash that the last header named decides.
            walk = self._walk
            walk = client.any(lambda other: client.give_committee(other, walk))[1] if walk.wanted else walk.copy()
        except (Unreachable, Refused) as error:
            self._survive(error)
            return
        try:
            verified = take_or_fork(walk, beacon, server)
        except Refused as refusal:
            self._ban(server, refusal)
            return
        yield from self._commit(server, walk, [verified])

    def _commit(self, server: Server, walk: Walk, taken: list[Verified | None]) -> Iterator[Verified]:
        """Makes a walk that took these rounds the present one, and gives them out."""
        verified = [each for each in taken if each is not None]
        self._client.adopt_walk(walk, verified[-1], server)
        self._walk = walk
        self._backoff.reset()
        self._told_late = 0
        yield from (each for each in verified if each.round >= self._from)

    def _fetch(self, to: int | None) -> Iterator[Verified]:
        """Fetches as far as servers have it, and tells when the chain is late."""
        client, end = self._client, (1 << 64) - 1 if to is None else to
        while self.next_round <= end:
            walk = self._walk
            try:
                server, (after, taken) = client.any(lambda server: client.walk_on(server, walk, end))
            except (Unreachable, Refused) as error:
                self._survive(error)
                self._tell_late()
                return
            yield from self._commit(server, after, taken)

    def _survive(self, error: Unreachable | Refused) -> None:
        """Goes on after an error that time or another server may mend; raises any other."""
        if isinstance(error, Refused):
            if not self._client.has_servers() or error.source is None:
                raise error
            self._tell_ban(error)
        else:
            for server, fault in error.faults:
                if fault.kind not in ("not-yet", "missing", "banned"):
                    self._trouble(server, fault)

    def _trouble(self, server: str, fault: Fault) -> None:
        """Tells of a fault, once until it changes or the server shows life."""
        if self._troubles.get(server) != str(fault):
            self._troubles[server] = str(fault)
            self._notify(Trouble(server, fault))

    def _tell_late(self) -> None:
        trust, have = self._client.trust(), self._walk.head.round
        expected = trust.behind(self._client.now() - int(self._grace() * 1000)) + trust.round
        if expected > have and expected != self._told_late:
            self._told_late = expected
            self._notify(Late(have, expected))

    def _ban(self, server: Server, refusal: Refused) -> None:
        server.ban = server.ban or refusal.by(server.name)
        if not self._client.has_servers():
            raise refusal
        self._tell_ban(refusal)

    def _tell_ban(self, refusal: Refused) -> None:
        """Tells of a server's first lie, once."""
        if refusal.source not in self._told_bans:
            self._told_bans.add(refusal.source)
            self._notify(Banned(refusal))

    def _patience(self) -> float:
        """How long to wait for a push before asking: until the round is due and a grace more, then with back-off."""
        schedule = self._client.trust().schedule
        until_due = 0
        if schedule.period > 0:
            until_due = schedule.time_of(self.next_round) - self._client.now()
        if until_due > 0:
            # An hour at most: clocks are set, and machines sleep.
            return min(until_due / 1000 + self._grace(), 3600.0)
        return self._backoff.next()

    def _grace(self) -> float:
        """How long after its due time, in seconds, a round is not yet called late."""
        return min(max(self._client.trust().schedule.period / 2000, 0.1), 2.0)


class _Pusher:
    """The thread that one server pushes to, connecting again after every failure until it is banned."""

    def __init__(self, follower: _Follower, server: Server) -> None:
        self._follower = follower
        self._server = server
        self._connection: Connection | None = None
        threading.Thread(target=self._run, daemon=True, name=f"beacon push {server.name}").start()

    def stop(self) -> None:
        connection = self._connection
        if connection is not None:
            connection.abort()

    def _run(self) -> None:
        follower, server, backoff = self._follower, self._server, Backoff()
        while server.ban is None:
            try:
                with server.open_stream(follower.next_round) as self._connection:
                    for beacon in beacons(self._connection):
                        if beacon is not None:
                            backoff.reset()
                        if not follower.put(server, beacon) or server.ban is not None:
                            return
            except Fault as fault:
                if not follower.put(server, fault):
                    return
            except Refused as refusal:
                # The listener bans the server, and so ends this thread.
                follower.put(server, refusal)
                return
            if follower.wait(backoff.next()):
                return
