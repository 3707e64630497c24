"""Servers with one bad habit each: none gets a wrong answer through, none holds the client beyond its time limit, and
an honest server beside them is enough."""

import time
import tracemalloc
import unittest
from dataclasses import replace

from beacon_client import Client, Conflict, Refused, Unreachable
from beacon_client.chain import Beacon, Certificate

from . import LONG, SHORT, chain, client
from .fabricate import Chain, sequence
from .server import ENDLESS, SILENCE, Drip, Raw, Status, TestServer, answer, honest, twisted


class Habits(unittest.TestCase):
    """Each habit is met by a client that knows only this server, then by one that has an honest server behind it."""

    def survive(self, chain, bad, refused=None, fault=None):
        with bad, TestServer(chain) as good:
            limit = SHORT if fault == "timeout" else LONG
            begun = time.monotonic()
            with self.assertRaises((Refused, Unreachable)) as caught:
                client(chain, [bad], timeout=limit).latest()
            # Three requests at most lead to the newest round.
            self.assertLess(time.monotonic() - begun, 3 * LONG)
            error = caught.exception
            if refused:
                self.assertEqual(error.code, refused, error)
                self.assertEqual((error.source, error.exit_code), (bad.url, 1))
            else:
                self.assertIsInstance(error, Unreachable)
                self.assertEqual(([f.kind for _, f in error.faults], error.exit_code), ([fault], 3), error)
            both = client(chain, [bad, good])
            self.assertEqual(both.latest().hash, chain.beacons[-1].header.hash())
            self.assertEqual(len(both.bans()), 1 if refused else 0)

    def twist(self, part, twist, **shows):
        shared = chain(5)
        self.survive(shared, twisted(shared, part, twist), **shows)

    def forge(self, code, **changes):
        """Offers the newest beacon with some fields changed."""
        newest = chain(5).beacons[-1]
        beacon = Beacon(newest.header._replace(**changes), newest.certificate)
        self.twist("latest", lambda _: beacon.encode(), refused=code)

    def test_silent(self):
        self.twist("", lambda _: SILENCE, fault="timeout")
        self.twist("latest", lambda _: SILENCE, fault="timeout")

    def test_slow(self):
        self.twist("latest", Drip, fault="timeout")
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
        self.twist("latest", lambda _: Drip(head), fault="timeout")

    def test_truncated(self):
        self.twist("latest", lambda body: body[: len(body) // 2], refused="malformed")

    def test_closed_in_the_middle(self):
        def cut(body):
            return Raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[: len(body) // 2])

        self.twist("latest", cut, fault="closed")
        self.twist("latest", lambda _: Raw(), fault="closed")
        chunk = Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc")
        self.twist("latest", lambda _: chunk, fault="closed")

    def test_oversize(self):
        tracemalloc.start()
        try:
            self.twist("latest", lambda _: ENDLESS, fault="too-long")
            self.twist("latest", lambda _: bytes(1 << 20), fault="too-long")
            lie = Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nabc")
            self.twist("latest", lambda _: lie, fault="too-long")
            endless = Raw(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1 << 20))
            self.twist("latest", lambda _: endless, fault="too-long")
            headers = Raw(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000)
            self.twist("latest", lambda _: headers, fault="protocol")
            line = Raw(b"HTTP/1.1 200 OK\r\na: " + b"b" * 1_000_000)
            self.twist("latest", lambda _: line, fault="protocol")
            # The test's own servers and what they send are in this figure.
            self.assertLess(tracemalloc.get_traced_memory()[1], 32 << 20)
        finally:
            tracemalloc.stop()

    def test_redirect(self):
        away = Status(302, b"Location: http://127.0.0.1:1/\r\n")
        self.twist("latest", lambda _: away, fault="redirect")

    def test_not_http(self):
        self.twist("", lambda _: Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), fault="protocol")
        chunks = Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n")
        self.twist("latest", lambda _: chunks, fault="closed")
        self.twist("latest", lambda _: Raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), fault="closed")
        self.twist("latest", lambda _: Status(101, b"Upgrade: websocket\r\n"), fault="status")

    def test_errors(self):
        self.twist("latest", lambda _: Status(500, b"", b"oh no"), fault="status")
        self.twist("latest", lambda _: Status(503, b"", b'{"code":"stopped"}'), fault="status")
        self.twist("latest", lambda _: Status(503, b"", b"[" * 4000), fault="status")
        self.twist("info", lambda _: Status(404, b"", b"{"), fault="missing")

    def test_nothing_or_text_where_bytes_belong(self):
        self.twist("latest", lambda _: b"", refused="malformed")
        self.twist("info", lambda _: b"", refused="malformed")
        self.twist("latest", lambda _: b"<html>hello</html>", refused="malformed")
        self.twist("latest", lambda body: body + b"\0", refused="trailing-bytes")

    def test_another_chain(self):
        other = chain(5, seed=7)
        self.survive(chain(5), TestServer(other), refused="wrong-chain")
        self.twist("latest", lambda _: other.beacons[4].encode(), refused="wrong-chain")

    def test_another_committee(self):
        other = bytes([9]) * 32
        self.forge("wrong-committee", committee=other, next_committee=other)
        self.forge("wrong-committee", next_committee=other)

    def test_a_chosen_output(self):
        self.forge("bad-signature", output=bytes(32))

    def test_another_time(self):
        header = chain(5).beacons[-1].header
        self.forge("wrong-due-time", due=header.due + 1)
        self.forge("wrong-epoch", epoch=2)
        self.forge("wrong-window", window=header.window + 1)
        self.forge("unknown-version", version=2)
        self.forge("wrong-round", round=0, due=chain(5).schedule.genesis_time, window=0, epoch=0)

    def test_too_few_signers(self):
        newest = chain(5).beacons[-1]
        few = replace(newest, certificate=Certificate(b"\3", newest.certificate.signatures[:2]))
        self.twist("latest", lambda _: few.encode(), refused="no-quorum")

    def test_a_committee_that_the_one_before_did_not_certify(self):
        shared, taken = chain(6, windows=4), Chain(6, windows=4, usurped=True)
        self.assertEqual(taken.chain, shared.chain)
        # Everything after it is right; only the header that names the new committee lacks its own certificate.
        taken.beacons[3] = Beacon(taken.beacons[3].header, shared.beacons[3].certificate)
        self.survive(shared, TestServer(taken), refused="bad-signature")

    def test_a_round_of_the_future(self):
        later = chain(100)
        self.assertEqual(later.chain, chain(5).chain)
        self.survive(chain(5), TestServer(later), refused="future-round")


class Answers(unittest.TestCase):
    """Right answers to other questions, and what remains when servers disagree."""

    def refused(self, code, ask, *arguments):
        with self.assertRaises(Refused) as caught:
            ask(*arguments)
        self.assertEqual(caught.exception.code, code, caught.exception)

    def test_another_round_than_asked(self):
        shared = chain(9)
        other = shared.beacons[2].encode()
        with twisted(shared, "rounds/4?", lambda _: other) as bad, TestServer(shared) as good:
            self.refused("wrong-round", client(shared, [bad]).get, 4)
            self.assertEqual(client(shared, [bad, good]).get(4).hash, shared.beacons[3].header.hash())

    def test_a_proof_of_another_round(self):
        shared = chain(9)
        other = sequence(shared.proof(5, 9))
        with twisted(shared, "/proof", lambda _: other) as bad:
            self.refused("bad-mmr", client(shared, [bad]).get, 4)

    def test_an_old_head(self):
        shared = chain(40)
        with TestServer(shared) as server:
            asking = client(shared, [server])
            asking.latest()
            server.tip = 20
            self.refused("old-head", asking.latest)
            # Two rounds are no more than one server being slower than another: the answer is what is known already.
            server.tip = 38
            self.assertEqual(asking.latest().round, 40)

    def test_a_late_server_is_outdone_by_another(self):
        shared = chain(40)
        with TestServer(shared) as slow, TestServer(shared) as good:
            slow.tip = 20
            self.assertEqual(client(shared, [slow, good]).latest().round, 40)
            self.assertEqual(client(shared, [slow]).latest().round, 20)

    def test_a_silent_server_does_not_hold_up_another(self):
        shared = chain(5)
        with twisted(shared, "", lambda _: SILENCE) as silent, TestServer(shared) as good:
            both = client(shared, [silent, good], timeout=3600)
            self.assertEqual(both.latest().round, 5)
            self.assertEqual(both.get(2).round, 2)
            self.assertEqual(silent.hits(""), 1, "it is asked last once it was overtaken")

    def test_ranges_that_lie(self):
        shared = chain(9)
        beacons = [beacon.encode() for beacon in shared.beacons]
        for code, given in (
            ("not-asked", beacons[1:]),
            ("not-asked", beacons[:3] + beacons[4:]),
            ("too-long", beacons * 200),
            ("not-asked", [*beacons, beacons[0]]),
        ):
            body = sequence(given)
            with twisted(shared, "rounds?", lambda _, body=body: body) as bad:
                with self.assertRaises((Refused, Unreachable)) as caught:
                    client(shared, [bad]).scan(1)
                error = caught.exception
                self.assertEqual(error.code if isinstance(error, Refused) else error.faults[0][1].kind, code)
        with twisted(shared, "rounds?", lambda _: sequence([])) as bad:
            self.assertRaises(Unreachable, client(shared, [bad]).scan, 1)

    def test_an_uncertified_header_in_a_range(self):
        shared = chain(9)
        middle = shared.beacons[4]
        forged = Beacon(middle.header._replace(output=bytes(32)), middle.certificate)
        body = sequence(b.encode() for b in [*shared.beacons[:4], forged, *shared.beacons[5:]])
        with twisted(shared, "rounds?", lambda _: body) as bad, TestServer(shared) as good:
            self.refused("bad-signature", client(shared, [bad]).scan, 1)
            given = []
            with self.assertRaises(Refused):
                given.extend(client(shared, [bad]).range(1))
            self.assertEqual(given, [])
            self.assertEqual(len(list(client(shared, [bad, good]).range(1))), 9)
            # By links alone the forged header shows at the next one.
            with self.assertRaises(Refused) as caught:
                client(shared, [bad]).scan(1, certificates=False)
            self.assertEqual(caught.exception.code, "broken-link")

    def test_made_up_rounds_at_the_end_of_an_answer(self):
        shared = chain(9)
        last = shared.beacons[-1]
        forged = Beacon(last.header._replace(output=bytes(32)), last.certificate)
        body = sequence(beacon.encode() for beacon in [*shared.beacons[:8], forged])
        with twisted(shared, "rounds?", lambda _: body) as bad, TestServer(shared) as good:
            for certificates in (True, False):
                with self.assertRaises(Refused) as caught:
                    client(shared, [bad]).scan(1, certificates=certificates)
                self.assertEqual((caught.exception.code, caught.exception.source), ("bad-signature", bad.url))
                both = client(shared, [bad, good])
                self.assertEqual(both.scan(1, certificates=certificates).rounds, 9)
                self.assertEqual([ban.source for ban in both.bans()], [bad.url])

    def test_a_wrong_mmr_root_in_a_range(self):
        wrong = Chain(9, bad_mmr=6)
        with TestServer(wrong) as server:
            self.refused("bad-mmr", client(wrong, [server]).scan, 1)
            # From a later round on nobody can tell.
            self.assertEqual(client(wrong, [server]).scan(7).rounds, 3)

    def test_nobody_there(self):
        with TestServer(chain(1)) as gone:
            url = gone.url
        with self.assertRaises(Unreachable) as caught:
            Client(chain(1).chain, [url], clock=lambda: 1_704_067_200_000).latest()
        self.assertEqual((caught.exception.faults[0][1].kind, caught.exception.exit_code), ("connect", 3))

    def test_a_network_without_rounds(self):
        empty = Chain(0)
        with TestServer(empty) as server:
            asking = Client(empty.chain, [server.url], clock=lambda: empty.schedule.genesis_time)
            for ask in (asking.latest, lambda: asking.get(1)):
                with self.assertRaises(Exception) as caught:
                    ask()
                self.assertEqual((caught.exception.code, caught.exception.exit_code), ("not-yet", 4))


class Forks(unittest.TestCase):
    """Two certified chains under one chain hash end everything with an alarm."""

    def test_a_fork_below_the_newest_round(self):
        for fork in (3, 10, 11):
            one, other = chain(30), chain(30, fork=fork)
            with TestServer(one) as server:
                asking = client(one, [server])
                server.tip = 10
                self.assertEqual(asking.latest().round, 10)
                server.chain, server.tip = other, 30
                if fork == 11:
                    # Both agree up to the trusted head, so the newer one extends it.
                    self.assertEqual(asking.latest().hash, other.beacons[-1].header.hash())
                    continue
                for _ in range(2):
                    with self.assertRaises(Conflict) as caught:
                        asking.latest()
                    self.assertEqual((caught.exception.source, caught.exception.exit_code), (server.url, 1))
                    self.assertEqual(caught.exception.trusted.round, 10)
                self.assertEqual(asking.trust().round, 10, "nothing was accepted")
                self.assertEqual(asking.bans(), [])

    def test_a_fork_at_the_next_round_and_at_the_same(self):
        one, other = chain(30), chain(30, fork=8)
        for tip in (10, 11):
            with TestServer(one) as server:
                asking = client(one, [server])
                server.tip = 10
                asking.latest()
                server.chain, server.tip = other, tip
                self.assertRaises(Conflict, asking.latest)

    def test_a_fork_in_a_range(self):
        one, other = chain(30), chain(30, fork=8)
        with TestServer(one) as server:
            server.twist = lambda path, body: answer(other, 30, path) if "rounds?" in path else honest(path, body)
            asking = client(one, [server])
            scans = lambda: asking.scan(1), lambda: asking.scan(1, certificates=False), lambda: list(asking.range(5))
            for scan in scans:
                with self.assertRaises(Conflict) as caught:
                    scan()
                self.assertEqual(caught.exception.source, server.url)

    def test_a_server_that_cannot_prove_it_is_a_liar_and_no_fork(self):
        shared = chain(30)
        with TestServer(shared, lambda path, body: bytes(8) if "/proof" in path else honest(path, body)) as server:
            asking = client(shared, [server])
            server.tip = 10
            asking.latest()
            server.tip = 30
            with self.assertRaises(Refused) as caught:
                asking.latest()
            self.assertEqual(caught.exception.code, "bad-mmr")


if __name__ == "__main__":
    unittest.main()
