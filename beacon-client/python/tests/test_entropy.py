"""Private randomness by way of the program beacon-node, in the folder that $BEACON_PROGRAMS names, and the pure functions.

What a running node gives is in test_live, where nodes run.
"""

import contextlib
import copy
import hashlib
import http.server
import json
import os
import pathlib
import random
import subprocess
import tempfile
import threading
import unittest
from unittest import mock

import numpy

from beacon_client import FileError, entropy
from beacon_client.entropy import EntropyPool, PoolError
from beacon_client.numpy_generator import PoolBitGenerator, PoolGenerator


def program():
    programs = os.environ.get("BEACON_PROGRAMS")
    if not programs:
        raise FileError("$BEACON_PROGRAMS", "name the folder of beacon-node")
    return pathlib.Path(programs) / "beacon-node"


def noise(count, seed=1):
    return random.Random(seed).randbytes(count)


@contextlib.contextmanager
def serving(status, body):
    """The address of a server that answers everything alike."""

    class Alike(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Alike) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Program(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.program = program()
        cls.pool = EntropyPool(program=cls.program)
        cls.addClassCleanup(cls.pool.close)

    def ask(self, *arguments):
        done = subprocess.run([self.program, "entropy", *arguments], capture_output=True, check=True)
        return done.stdout

    def test_bytes_are_as_many_as_asked_for_and_never_the_same(self):
        for count in (0, 1, 31, 100_000):
            self.assertEqual(len(self.pool.get_random_bytes(count)), count)
        self.assertNotEqual(self.pool.get_random_bytes(32), self.pool.get_random_bytes(32))
        self.assertGreater(entropy.quick_shannon(self.pool.get_random_bytes(100_000)), 7.99)
        with self.assertRaises(ValueError):
            self.pool.get_random_bytes(-1)

    def test_single_sources(self):
        for method in entropy.CONDITIONING:
            self.assertEqual(len(self.pool.get_bytes(50, "page-fault", method)), 50)
        self.assertEqual(len(self.pool.get_raw_bytes(100, "os")), 100)
        self.assertEqual(len(self.pool.get_raw_bytes(100)), 100)
        with self.assertRaisesRegex(PoolError, "slep.*sleep"):
            self.pool.get_raw_bytes(1, "slep")
        with self.assertRaisesRegex(ValueError, "md5"):
            self.pool.get_bytes(1, "os", "md5")

    def test_sources_and_health(self):
        sources = {source.name: source for source in self.pool.sources}
        self.assertTrue(sources["os"].available and sources["os"].credited_as == "generator")
        self.assertIn("no hosts", sources["dns"].reason)
        self.assertEqual([source.name for source in entropy.detect_available_sources(self.program)], self.pool.source_names())
        report = self.pool.health_report()
        self.assertEqual((report["workers"], report["workers_running"]), (3, 3))
        self.assertIn("sleep", [source["name"] for source in report["sources"]])

    def test_a_forked_child_gets_bytes_of_its_own(self):
        self.pool.get_random_bytes(1)
        out, into = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(into, self.pool.get_random_bytes(32))
            os._exit(0)
        os.waitpid(child, 0)
        theirs = os.read(out, 32)
        os.close(out), os.close(into)
        self.assertEqual(len(theirs), 32)
        self.assertNotEqual(theirs, self.pool.get_random_bytes(32))

    def test_tests_and_estimates_are_those_of_the_program(self):
        data = noise(20_000)
        with tempfile.NamedTemporaryFile() as file:
            file.write(data), file.flush()
            told = json.loads(self.ask("report", "--file", file.name, "--json"))
            seen = json.loads(self.ask("probe", f"file:{file.name}", "--json"))
            for method in ("von-neumann", "sha256", "sha3"):
                given = self.ask(
                    "stream", "--sources", f"file:{file.name}", "--conditioning", method, "--bytes", "900"
                )  # fmt: skip
                self.assertEqual(entropy.condition(data, 900, method), given, method)
        battery = entropy.run_all_tests(data, self.program)
        self.assertEqual((battery, len(battery["lines"])), (told["battery"], 31))
        self.assertEqual(entropy.min_entropy_estimate(data, self.program), told["assessment"])
        self.assertAlmostEqual(entropy.quick_shannon(data), seen["shannon"], 12)
        self.assertAlmostEqual(entropy.quick_min_entropy(data), seen["most_common_value"], 12)
        with self.assertRaisesRegex(ValueError, "6012"):
            entropy.min_entropy_estimate(data[:100], self.program)

    def test_numpy_draws_from_the_pool(self):
        rng = self.pool.generator()
        self.assertIsInstance(rng, numpy.random.Generator)
        self.assertAlmostEqual(rng.random(20_000).mean(), 0.5, delta=0.02)
        self.assertEqual(set(rng.integers(1, 7, 2000).tolist()), {1, 2, 3, 4, 5, 6})
        self.assertEqual(sorted(rng.permutation(50).tolist()), list(range(50)))


class Auto(unittest.TestCase):
    def test_it_says_what_it_found(self):
        there = {"PATH": "/nowhere", "BEACON_NODE": str(program())}
        nobody = mock.patch.object(entropy, "LOCAL_URL", "http://127.0.0.1:1")
        with nobody, mock.patch.dict(os.environ, there, clear=True):
            with EntropyPool.auto() as pool:
                self.assertEqual((pool.origin, len(pool.get_random_bytes(5))), (there["BEACON_NODE"], 5))
        with nobody, mock.patch.dict(os.environ, {"PATH": "/nowhere"}, clear=True):
            with self.assertRaisesRegex(PoolError, "127.0.0.1:1.*no program"):
                EntropyPool.auto()
        with mock.patch.dict(os.environ, {"BEACON_LOCAL_URL": "http://127.0.0.1:1"}):
            with EntropyPool.auto() as pool, self.assertRaisesRegex(PoolError, "no answer"):
                pool.get_random_bytes(1)

    def test_what_is_no_node_or_program_is_refused(self):
        for wrong in ({}, {"url": "http://127.0.0.1:1", "program": "x"}, {"url": "https://127.0.0.1:1"}):
            with self.assertRaises(ValueError):
                EntropyPool(**wrong)
        with EntropyPool(program="/bin/false") as pool, self.assertRaisesRegex(PoolError, "ended"):
            pool.get_random_bytes(1)
        with EntropyPool(program="/no/such/program") as pool, self.assertRaisesRegex(PoolError, "cannot be started"):
            pool.get_random_bytes(1)
        for status, body, said in ((200, b"[]", "no local listener"), (200, b"", "no answer"), (403, b"{}", "403")):
            with serving(status, body) as url, self.assertRaisesRegex(PoolError, said):
                EntropyPool(url).health_report()


class Scripted:
    """A pool that gives known bytes, and fails when they are used up."""

    def __init__(self, data):
        self.data = data

    def get_random_bytes(self, count):
        taken, self.data = self.data[:count], self.data[count:]
        if len(taken) < count:
            raise PoolError("used up")
        return taken


class Numpy(unittest.TestCase):
    def test_every_bit_is_of_the_pool_and_used_once(self):
        data = noise(8 * 2048)
        words = numpy.frombuffer(data, "<u8")[::-1]
        rng = PoolGenerator(Scripted(data))
        self.assertEqual(rng.integers(0, 1 << 64, 100, numpy.uint64).tolist(), words[:100].tolist())
        self.assertEqual(rng.random(100).tolist(), ((words[100:200] >> 11) * 2.0**-53).tolist())

    def test_a_pool_that_fails_gives_nothing(self):
        rng = PoolGenerator(Scripted(noise(8 * 2048)))
        rng.integers(0, 1 << 64, 2048, numpy.uint64)
        for draw in (rng.random, lambda: rng.normal(size=5000), lambda: rng.integers(0, 1000, 10), rng.bit_generator.random_raw):
            with self.assertRaisesRegex(PoolError, "used up"):
                draw()
        rng.bit_generator._pool.data = bytes(8 * 2048)
        self.assertEqual(rng.random(), 0.0, "the pool is asked again, and nothing of the failed call is left")

    def test_nobody_else_gets_at_the_bits(self):
        bits = PoolBitGenerator(Scripted(noise(8 * 2048)))
        for wrong in (lambda: numpy.random.Generator(bits), lambda: bits.state, lambda: copy.deepcopy(bits), lambda: bits.ctypes):
            with self.assertRaises(TypeError):
                wrong()
        rng = PoolGenerator(Scripted(b""))
        for wrong in (lambda: copy.copy(rng), lambda: rng.spawn(2)):
            with self.assertRaises(TypeError):
                wrong()

    def test_a_forked_child_has_none_of_its_parents_bits(self):
        rng = PoolGenerator(Scripted(noise(8 * 2048 * 2)))
        rng.random()
        out, into = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(into, rng.bytes(8))
            os._exit(0)
        os.waitpid(child, 0)
        theirs = os.read(out, 8)
        os.close(out), os.close(into)
        self.assertNotEqual(theirs, rng.bytes(8))


class Pure(unittest.TestCase):
    def test_conditioning(self):
        data = noise(200)
        self.assertEqual(entropy.condition(data, method="raw"), data)
        self.assertEqual(entropy.condition(data, method="sha3")[:32], hashlib.sha3_256(data[:64]).digest())
        self.assertEqual(len(entropy.condition(data, method="sha256")), 96)
        # 01 is 0, 10 is 1, equal pairs are dropped.
        self.assertEqual(entropy.condition(bytes([0b01101001, 0b00111001, 0b10100000]), method="von-neumann"), b"\x6b")
        for wrong in (
            lambda: entropy.condition(data, 97, "sha256"), lambda: entropy.condition(data, 1, "md5"),
            lambda: entropy.condition(data, -1), lambda: entropy.condition(data, 1, block=31),
        ):  # fmt: skip
            with self.assertRaises(ValueError):
                wrong()

    def test_quick_looks(self):
        self.assertEqual((entropy.quick_shannon(b""), entropy.quick_shannon(b"aaaa")), (0.0, 0.0))
        self.assertEqual(entropy.quick_shannon(bytes(range(256))), 8.0)
        self.assertEqual((entropy.quick_min_entropy(b"a"), entropy.quick_min_entropy(b"aaaa")), (0.0, 0.0))
        good, bad = entropy.quick_quality(noise(100_000)), entropy.quick_quality(bytes(range(100)) * 100)
        self.assertIn(good["grade"], "ABC")
        self.assertEqual((bad["grade"], bad["unique_values"]), ("F", 100))
        self.assertLess(bad["compression_ratio"], 0.1)
        self.assertIsNone(entropy.quick_quality(b"short")["grade"])
        # 1280 bytes, ten of each even value: χ² is 1280 with 255 degrees of freedom.
        self.assertLess(entropy.quick_quality(bytes(range(0, 256, 2)) * 10)["p"], 1e-6)


if __name__ == "__main__":
    unittest.main()
