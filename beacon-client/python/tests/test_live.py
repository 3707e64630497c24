"""A network of four real nodes: everything from the chain hash alone, and files that the Rust client writes.

Needs the programs beacon-testnet, beacon-node and beacon in the folder that $BEACON_PROGRAMS names.
"""

import json
import os
import pathlib
import select
import signal
import subprocess
import tempfile
import time
import unittest

from beacon_client import Client, FileError, Outcome, verify_file
from beacon_client.entropy import EntropyPool, PoolError

PORTS = 19700
PERIOD = 500
#: Seconds after which a network that does not start, or a round that does not come, is called a failure.
PATIENCE = 90


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        programs = os.environ.get("BEACON_PROGRAMS")
        if not programs:
            raise FileError("$BEACON_PROGRAMS", "name the folder of beacon-testnet, beacon-node and beacon")
        cls.programs = pathlib.Path(programs)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        command = [
            cls.programs / "beacon-testnet", "up", "--nodes", "4", "--period", str(PERIOD), "--port-base", str(PORTS),
            "--home", cls.folder / "net", "--json",
        ]  # fmt: skip
        with open(cls.folder / "log", "wb") as log:
            network = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL)
        cls.network = network
        cls.addClassCleanup(cls.stop)
        ready, _, _ = select.select([network.stdout], [], [], PATIENCE)
        line = network.stdout.readline() if ready else b""
        if not line:
            raise RuntimeError(f"no network: {(cls.folder / 'log').read_text()[-2000:]}")
        cls.info = json.loads(line)
        cls.chain = cls.info["chain"]
        cls.urls = [f"http://127.0.0.1:{PORTS + 10 * node + 1}" for node in range(4)]
        cls.wait_until_a_round_is_certified()

    @classmethod
    def stop(cls):
        cls.network.send_signal(signal.SIGINT)
        try:
            cls.network.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            cls.network.kill()
            cls.network.wait()
        cls.network.stdout.close()

    @classmethod
    def wait_until_a_round_is_certified(cls):
        end = time.monotonic() + PATIENCE
        for verified in Client(cls.chain, cls.urls).subscribe(2):
            if verified.round >= 6 or time.monotonic() > end:
                break

    def client(self, *nodes, **options):
        return Client(self.chain, [self.urls[node] for node in nodes or range(4)], **options)

    def beacon(self, *arguments):
        """Runs the Rust client."""
        command = [self.programs / "beacon", "--home", self.folder / "rust", "--url", self.urls[0]]
        done = subprocess.run(
            [*command, "--chain", self.chain, *arguments], capture_output=True, timeout=PATIENCE, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode()

    def test_rounds_of_every_node_are_the_same(self):
        newest = self.client().latest()
        for round in (1, newest.round // 2, newest.round):
            hashes = {self.client(node).get(round).hash for node in range(4)}
            self.assertEqual(len(hashes), 1)
        self.assertEqual(self.client(1).scan(1).certificates, True)
        self.assertEqual(self.client(2).at(newest.due).round, newest.round)

    def test_every_round_is_pushed_once_and_in_order(self):
        rounds, taken = self.client(3, 1).subscribe(2), []
        for verified in rounds:
            taken.append(verified.round)
            if len(taken) == 14:
                break
        rounds.close()
        self.assertEqual(taken, list(range(2, 16)))

    def test_it_agrees_with_the_rust_client(self):
        shown = json.loads(self.beacon("--json", "get", "3"))
        mine = self.client().get(3)
        self.assertEqual((shown["output"], shown["hash"]), (mine.output.hex(), mine.hash.hex()))
        self.assertEqual(shown["header"], mine.header.to_json())

    def test_files_that_the_rust_client_exports(self):
        whole, bundle, served = (self.folder / name for name in ("whole", "bundle", "served"))
        self.beacon("export", "--from", "1", "--to", "6", "--out", str(whole))
        self.beacon("export", "--from", "5", "--to", "5", "--out", str(bundle))
        self.beacon("export", "--from", "1", "--to", "6", "--certificates", "--out", str(served))
        chain = bytes.fromhex(self.chain)
        self.assertEqual(verify_file(whole, chain).head.round, 6)
        self.assertEqual(verify_file(served, chain).certificates, 6)
        self.assertEqual([each.round for each in verify_file(bundle, chain).beacons], [5])

    def test_a_draw_of_the_rust_client(self):
        names, draw = self.folder / "names", self.folder / "draw.json"
        names.write_text("Ada\t3\nBengt Ö\t1\n李\t2\n", "utf-8")
        self.beacon("draw", "commit", "--pick", "2", "--from", str(names), "--out", str(draw))
        results = self.beacon("draw", "run", str(draw), "--from", str(names)).split("\n")[:-1]
        outcome = Outcome.from_json((self.folder / "draw.result.json").read_bytes())
        outcome.check(bytes.fromhex(self.chain))
        self.assertEqual(list(outcome.results), results)

    def test_private_randomness_of_a_node(self):
        with EntropyPool(f"http://127.0.0.1:{PORTS + 2}") as pool:
            first, second = pool.get_random_bytes(5000), pool.get_random_bytes(5000)
            self.assertEqual((len(first), len(second)), (5000, 5000))
            self.assertNotEqual(first, second)
            self.assertEqual(len(pool.get_bytes(40, "page-fault")), 40)
            with self.assertRaisesRegex(PoolError, "slep.*sleep"):
                pool.get_bytes(1, "slep")
            self.assertIn("os", pool.source_names())
            report = pool.health_report()
            self.assertEqual((report["workers_running"], report["workers"]), (3, 3))
            self.assertTrue(0 <= pool.generator().random() < 1)
        public = EntropyPool(self.urls[0])
        with self.assertRaisesRegex(PoolError, "no-such-path|nothing is served"):
            public.get_random_bytes(1)


if __name__ == "__main__":
    unittest.main()
