"""The trusted head on disk, checkpoints, and the trusting period."""

import json
import os
import pathlib
import tempfile
import unittest

from beacon_client import Conflict, NotYet, Refused, StateDir, UsageError
from beacon_client.client import Client

from . import chain, client
from .server import TestServer

DAY = 86_400_000


class Kept(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = pathlib.Path(folder.name) / "below"

    def path(self, shared):
        return StateDir(self.home).path(shared.chain)

    def refused(self, code, ask):
        with self.assertRaises(Refused) as caught:
            ask()
        self.assertEqual(caught.exception.code, code, caught.exception)
        return caught.exception

    def test_a_run_takes_up_where_the_last_one_stopped(self):
        shared = chain(30, windows=4)
        with TestServer(shared) as server:
            server.tip = 13
            self.assertEqual(client(shared, [server], state=self.home).latest().round, 13)
            server.tip, server.asked = 30, []
            later = client(shared, [server], state=self.home)
            self.assertEqual(later.latest().round, 30)
            self.assertEqual((server.hits("info"), server.hits("proof?")), (0, 1), "the stored head is extended")
            self.assertEqual(StateDir(self.home).load(shared.chain).trust.round, 30)
            self.assertEqual(StateDir(self.home).chains_of(server.url), [shared.chain])
            self.assertEqual(StateDir(self.home).chains_of("http://other"), [])
        self.assertEqual(os.listdir(self.home), [self.path(shared).name], "nothing is left beside the state")

    def test_an_older_head_does_not_replace_a_newer_one(self):
        shared = chain(30)
        with TestServer(shared) as server, TestServer(shared) as other:
            server.tip = 10
            early = client(shared, [server], state=self.home)
            early.latest()
            client(shared, [other], state=self.home).latest()
            server.tip = 11
            early.latest()
            stored = StateDir(self.home).load(shared.chain)
            self.assertEqual((stored.trust.round, stored.servers), (30, (other.url, server.url)))

    def test_what_conflicts_with_the_stored_head_is_an_alarm(self):
        one, other = chain(30), chain(30, fork=5)
        with TestServer(one) as server:
            server.tip = 10
            client(one, [server], state=self.home).latest()
            before = self.path(one).read_bytes()
            server.chain = other
            for tip in (10, 11, 30):
                server.tip = tip
                self.assertRaises(Conflict, client(one, [server], state=self.home).latest)
        self.assertEqual(self.path(one).read_bytes(), before)
        with TestServer(other) as server:
            # Two processes that started at the same time and were told different things.
            server.tip = 10
            early = client(one, [server])
            early.latest()
            with self.assertRaises(Conflict):
                StateDir(self.home).save(early.trust(), 0, server.url)

    def test_damage_is_refused_and_never_overwritten(self):
        shared = chain(5)
        with TestServer(shared) as server:
            client(shared, [server], state=self.home).latest()
            whole = self.path(shared).read_bytes()
            parts = json.loads(whole)
            for damaged in (
                b"", b"{}", whole[:-20], whole.replace(b'"accepted": 1', b'"accepted": 2'),
                json.dumps({**parts, "servers": ["x"]}).encode(), json.dumps({**parts, "format": "2"}).encode(),
                whole.replace(parts["head"][-64:].encode(), b"0" * 64),
            ):  # fmt: skip
                self.path(shared).write_bytes(damaged)
                refusal = self.refused("corrupt-state", client(shared, [server], state=self.home).latest)
                self.assertEqual(refusal.source, str(self.path(shared)))
                self.assertEqual(self.path(shared).read_bytes(), damaged)

    def test_trust_ends_with_the_trusting_period(self):
        shared = chain(30)
        newest = shared.beacons[-1].header.due
        checkpoint = (20, shared.beacons[19].header.hash().hex())
        with TestServer(shared) as server:
            def at(days, **options):
                options = {"clock": lambda: newest + days * DAY, "state": self.home, **options}
                return client(shared, [server], **options)

            self.refused("stale", at(61, state=None).latest)
            self.assertEqual(at(59).latest().round, 30)
            # The period runs from when the head was accepted, not from when it was due.
            self.assertEqual(at(59 + 59).latest().round, 30)
            self.refused("stale", at(59 + 61).latest)
            self.refused("stale", at(59 + 61, checkpoint=checkpoint).latest)
            self.assertEqual(at(59 + 61, checkpoint=checkpoint, trusting_period=200 * 86_400).latest().round, 30)

    def test_a_checkpoint_stands_for_what_was_before(self):
        shared = chain(30, windows=4)
        header = shared.beacons[19].header
        with TestServer(shared) as server:
            fresh = client(shared, [server], checkpoint=(20, header.hash()))
            self.assertEqual(fresh.latest().round, 30)
            self.assertEqual(server.hits("rounds/4?"), 0, "epochs before it are not gone through")
            self.assertEqual(fresh.get(3).hash, shared.beacons[2].header.hash())
            wrong = client(shared, [server], checkpoint=(20, bytes(32)))
            self.refused("conflict", wrong.latest)
            # Beside a stored head it must lie on the same chain, before it and after it.
            for tip, point in ((10, 20), (30, 20), (20, 20)):
                home = self.home / str(tip)
                server.tip = tip
                client(shared, [server], state=home).latest()
                server.tip = 30
                hashed = shared.beacons[point - 1].header.hash()
                self.assertEqual(client(shared, [server], state=home, checkpoint=(point, hashed)).latest().round, 30)

    def test_a_checkpoint_of_a_fork_is_refused_beside_a_stored_head(self):
        one, other = chain(30), chain(30, fork=5)
        with TestServer(one) as server:
            for tip in (10, 20, 25):
                home = self.home / str(tip)
                server.chain, server.tip = one, tip
                client(one, [server], state=home).latest()
                server.chain, server.tip = other, 30
                checkpoint = (20, other.beacons[19].header.hash())
                forked = client(one, [server], state=home, checkpoint=checkpoint)
                with self.assertRaises((Refused, Conflict)) as caught:
                    forked.latest()
                self.assertIn(caught.exception.code, ("bad-mmr", "conflict"))


class Questions(unittest.TestCase):
    def test_times(self):
        shared = chain(9)
        with TestServer(shared) as server:
            asking = client(shared, [server])
            start = shared.schedule.genesis_time
            self.assertEqual([asking.round_at(start + t) for t in (0, 2999, 3000, 24_000)], [1, 1, 2, 9])
            self.assertEqual(asking.time_of(4), start + 9000)
            self.assertEqual(asking.at(start + 3001).round, 2)
            self.assertRaises(UsageError, asking.round_at, start - 1)
            self.assertRaises(UsageError, asking.time_of, 1 << 63)
            with self.assertRaises(NotYet) as caught:
                asking.at(start + 3_000_000)
            self.assertEqual((caught.exception.round, caught.exception.due), (1001, start + 3_000_000))
            self.assertRaises(NotYet, asking.get, 10)
            self.assertRaises(UsageError, asking.get, 0)
            self.assertRaises(UsageError, asking.get, 1 << 63)
            self.assertRaises(UsageError, asking.scan, 7, 6)

    def test_more_bytes(self):
        shared = chain(2)
        with TestServer(shared) as server:
            newest = client(shared, [server]).latest()
        self.assertEqual(newest.expand("a", 100), newest.expand(b"a", 8160)[:100])
        self.assertNotEqual(newest.expand("a", 32), newest.expand("b", 32))
        self.assertEqual(len(newest.wide()), 64)
        with self.assertRaises(Refused) as caught:
            newest.expand("a", 8161)
        self.assertEqual(caught.exception.code, "expand-too-long")

    def test_verified_rounds_are_made_by_verification_only(self):
        from beacon_client import Verified

        self.assertRaises(TypeError, Verified)

    def test_addresses(self):
        for url in (
            "127.0.0.1:80", "ftp://a", "http://", "http://u:p@a", "http://a?b", "http://a#b", "http://a:99999",
            "http://a\r\nX: y", "http://ä", "http://a b", "",
        ):  # fmt: skip
            self.assertRaises(UsageError, Client, bytes(32), [url])
        self.assertRaises(UsageError, Client, "00", ["http://a"])
        self.assertRaises(UsageError, Client, bytes(32), [])


if __name__ == "__main__":
    unittest.main()
