"""Subscriptions: every round once and in order, whatever the servers do. Events are waited for, never times."""

import threading
import unittest

from beacon_client import Banned, Conflict, Late, Refused, Trouble
from beacon_client.server import EventParser

from . import LONG, chain, client
from .fabricate import Chain, sequence
from .server import SILENCE, Raw, Status, TestServer, event, honest


def pushed_only(text):
    """A twist that pushes this text, and has nothing beyond the newest round to be fetched."""

    def twist(path, body):
        if "stream" in path:
            return text
        return sequence([]) if "rounds?" in path else honest(path, body)

    return twist


class Following(unittest.TestCase):
    def setUp(self):
        self.told = []

    def take(self, rounds, count, serve=None):
        """The next rounds of a subscription, while `serve` is called before each."""
        taken = []
        for place in range(count):
            if serve:
                serve(place)
            taken.append(next(rounds))
        return taken

    def check(self, taken, shared, first):
        expected = [beacon.header.hash() for beacon in shared.beacons[first - 1 : first - 1 + len(taken)]]
        self.assertEqual([each.hash for each in taken], expected)

    def subscribe(self, shared, servers, start=None, **options):
        rounds = client(shared, servers, **options).subscribe(start, self.told.append)
        self.addCleanup(rounds.close)
        return rounds

    def test_rounds_are_pushed_as_they_come_through_changes_of_committee(self):
        shared = chain(20, windows=4)
        with TestServer(shared) as server:
            server.tip = 3
            rounds = self.subscribe(shared, [server], 2)
            taken = self.take(rounds, 19, lambda place: server.raise_tip(max(3, place + 2)))
            self.check(taken, shared, 2)

    def test_it_begins_at_the_newest_round_or_at_the_first(self):
        shared = chain(9)
        with TestServer(shared) as server:
            self.assertEqual(next(self.subscribe(shared, [server])).round, 9)
        with TestServer(shared) as server:
            server.tip = 0
            rounds = self.subscribe(shared, [server])
            threading.Timer(0.05, server.raise_tip, [2]).start()
            self.check(self.take(rounds, 2), shared, 1)

    def test_a_round_to_come_is_waited_for(self):
        shared = chain(9)
        with TestServer(shared) as server:
            server.tip = 3
            asking = client(shared, [server])
            threading.Timer(0.05, server.raise_tip, [8]).start()
            self.assertEqual(asking.wait_for(7).round, 7)

    def test_the_head_moves_along_and_is_kept(self):
        import tempfile

        shared = chain(9, windows=4)
        with tempfile.TemporaryDirectory() as home, TestServer(shared) as server:
            asking = client(shared, [server], state=home)
            server.tip = 2
            rounds = asking.subscribe(1)
            self.take(rounds, 9, lambda place: server.raise_tip(max(2, place + 1)))
            self.assertEqual(asking.trust().round, 9)
            rounds.close()
            self.assertEqual(client(shared, [server], state=home).trust().round, 2, "once a second at most")

    def gaps(self, twist, shared=None, start=3):
        """A server whose stream is twisted: the rounds come all the same, being fetched."""
        shared = shared or chain(12)
        with TestServer(shared, lambda path, body: twist(body) if "stream" in path else honest(path, body)) as server:
            server.tip = start
            rounds = self.subscribe(shared, [server], 1)
            self.check(self.take(rounds, 12, lambda place: server.raise_tip(max(start, place + 1))), shared, 1)
            self.assertEqual([told for told in self.told if isinstance(told, Banned)], [])

    def test_streams_that_break_or_stay_away(self):
        self.gaps(lambda text: Raw(b""))
        self.gaps(lambda text: Status(503))
        self.gaps(lambda text: Raw(b"HTTP/1.1 200 OK\r\n\r\n" + text))

    def test_a_failing_stream_is_told_of_and_tried_again(self):
        shared = chain(12)
        with TestServer(shared, pushed_only(Status(503))) as server:
            server.tip = 3
            told = []

            def notify(event):
                told.append(event)
                if isinstance(event, Trouble):
                    server.twist = honest

            rounds = client(shared, [server]).subscribe(4, notify)
            self.addCleanup(rounds.close)
            threading.Timer(0.05, server.raise_tip, [4]).start()
            self.check([next(rounds)], shared, 4)
            troubles = [(t.server, t.fault.kind) for t in told if isinstance(t, Trouble)]
            self.assertEqual(troubles, [(server.url, "closed")], "the stream ended instead of bringing the round")

    def test_streams_that_tell_nothing(self):
        self.gaps(lambda text: SILENCE)
        self.gaps(lambda text: b": alive\n\n")
        self.gaps(lambda text: b"event: other\ndata: {}\n\n")

    def test_old_rounds_only_and_gaps(self):
        shared = chain(12)
        self.gaps(lambda text: event(shared.beacons[0]), shared)
        self.gaps(lambda text: text if b"id: 7" in text or b"id: 12" in text else b": alive\n\n", shared)

    def test_a_gap_is_fetched_before_what_comes_after_it(self):
        shared = chain(12)
        with TestServer(shared) as server:
            server.tip = 3
            # By this clock nothing is due, so that only what is pushed makes the client ask.
            rounds = self.subscribe(shared, [server], 3, clock=lambda: shared.beacons[2].header.due + 100)
            taken = [next(rounds)]
            pushed = event(shared.beacons[6])
            server.twist = lambda path, body: pushed if "stream" in path else honest(path, body)
            threading.Timer(0.05, server.raise_tip, [7]).start()
            taken += [next(rounds) for _ in range(4)]
            self.check(taken, shared, 3)
            self.assertEqual(server.hits("rounds?from=4&to=6"), 1)

    def lies(self, code, text, shared=None):
        """A server that pushes a lie is banned; the rounds come from another."""
        shared = shared or chain(12)
        def lie(path, body):
            return text if "stream" in path else honest(path, body)

        with TestServer(shared, lie) as bad, TestServer(shared) as good:
            bad.tip = good.tip = 3
            rounds = self.subscribe(shared, [bad, good], 4)

            def serve(place):
                bad.raise_tip(place + 4)
                good.raise_tip(place + 4)

            self.check(self.take(rounds, 9, serve), shared, 4)
            rounds.close()
        with TestServer(shared, pushed_only(text)) as bad:
            bad.tip = 3
            rounds = self.subscribe(shared, [bad], 4, clock=lambda: shared.beacons[2].header.due + 100)
            threading.Timer(0.05, bad.raise_tip, [4]).start()
            with self.assertRaises(Refused) as caught:
                next(rounds)
            self.assertEqual((caught.exception.code, caught.exception.source), (code, bad.url))

    def test_lies_on_the_stream(self):
        shared = chain(12)
        forged = shared.beacons[3]
        forged = type(forged)(forged.header._replace(output=bytes(32)), forged.certificate)
        self.lies("bad-signature", event(forged))
        self.lies("bad-json", b"event: beacon\ndata: {}\n\n")
        self.lies("bad-json", b"event: beacon\ndata: nonsense\n\n")
        self.lies("too-long", b"data: " + b"a" * 200_000)
        self.lies("future-round", event(chain(200).beacons[199]))
        self.lies("wrong-chain", event(chain(12, seed=5).beacons[3]))

    def test_a_fork_on_the_stream_is_an_alarm(self):
        one, other = chain(12), chain(12, fork=4)
        with TestServer(one) as server:
            server.tip = 3
            rounds = self.subscribe(one, [server], 3)
            self.assertEqual(next(rounds).round, 3)
            server.twist = pushed_only(event(chain(12, fork=3).beacons[3]))
            threading.Timer(0.05, server.raise_tip, [4]).start()
            with self.assertRaises(Conflict) as caught:
                next(rounds)
            self.assertEqual(caught.exception.source, server.url)
        # What differs only from round 4 on is, to whoever stands at round 3, just a chain.
        with TestServer(other) as server:
            server.tip = 4
            self.check(self.take(self.subscribe(other, [server], 3), 2), other, 3)

    def test_a_late_chain_is_told_once(self):
        shared = chain(12)
        with TestServer(shared) as server:
            server.tip = 5
            rounds = self.subscribe(shared, [server], 5)
            self.assertEqual(next(rounds).round, 5)
            threading.Timer(1.0, server.raise_tip, [6]).start()
            self.assertEqual(next(rounds).round, 6)
            late = [told for told in self.told if isinstance(told, Late)]
            self.assertEqual(late, [Late(5, 11)])

    def test_an_ended_subscription_leaves_no_thread(self):
        shared = Chain(3)
        with TestServer(shared) as server:
            rounds = client(shared, [server], timeout=LONG).subscribe(1)
            self.take(rounds, 3)
            pushers = [t for t in threading.enumerate() if t.name == f"beacon push {server.url}"]
            rounds.close()
            for thread in pushers:
                thread.join(LONG)
                self.assertFalse(thread.is_alive())


class Events(unittest.TestCase):
    def cut(self, pieces):
        parser = EventParser()
        return [found for piece in pieces for found in parser.push(piece)]

    def test_events_are_cut_wherever_the_bytes_are(self):
        text = b":hello\nevent: beacon\nid: 7\ndata: a\ndata:b\n\ndata\r\n\r\nevent:x\n\n: \r\n\rdata: z\n\n"
        expected = [None, (b"beacon", b"a\nb"), (b"", b""), None, (b"", b"z")]
        self.assertEqual(self.cut([text]), expected)
        for at in range(len(text)):
            self.assertEqual(self.cut([text[:at], text[at:]]), expected, at)
        self.assertEqual(self.cut([bytes([byte]) for byte in text]), expected)

    def test_endless_lines_and_endless_events_are_refused(self):
        for piece in (b"a" * 1024, b"data:" + b"a" * 1024 + b"\n", b"data: " + b"a" * 150_000 + b"\n\n"):
            with self.assertRaises(Refused) as caught:
                self.cut([piece] * 200)
            self.assertEqual(caught.exception.code, "too-long")


if __name__ == "__main__":
    unittest.main()
