"""Chain files and bundles: what they prove, and what broken ones are refused for."""

import io
import pathlib
import tempfile
import unittest

from beacon_client import FileError, Refused, verify_file, verify_stream
from beacon_client.chain import Beacon
from beacon_client.codec import u64

from . import chain
from .fabricate import Chain, chain_file


def part(tag, body):
    return tag + len(body).to_bytes(4, "big") + body


class Files(unittest.TestCase):
    def verify(self, data, shared, trusted=()):
        return verify_stream(io.BytesIO(data), shared.chain, trusted)

    def refused(self, code, data, shared, trusted=()):
        with self.assertRaises(Refused) as caught:
            self.verify(data, shared, trusted)
        self.assertEqual(caught.exception.code, code, caught.exception)

    def test_a_whole_chain(self):
        for rounds in (1, 7, 8, 9, 30):
            shared = chain(rounds, windows=4)
            for certificates in (False, True):
                summary = self.verify(chain_file(shared, certificates), shared)
                self.assertEqual((summary.first, summary.headers, summary.head.round), (1, rounds, rounds))
                self.assertEqual(summary.head.hash, shared.beacons[-1].header.hash())
                self.assertEqual(summary.beacons, ())

    def test_a_bundle_for_each_round(self):
        shared = chain(12, windows=4)
        for first in range(2, 13):
            summary = self.verify(chain_file(shared, first=first), shared)
            self.assertEqual((summary.first, summary.head.round), (first, 12))
            # A beacon that is followed by the next committee is a hand-over, and not what the bundle is about.
            rounds = [] if first in (4, 8) else [first]
            self.assertEqual([beacon.round for beacon in summary.beacons], rounds)

    def test_a_file_on_disk_is_named(self):
        shared = chain(3)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "a.chain"
            path.write_bytes(chain_file(shared))
            self.assertEqual(verify_file(path, shared.chain).head.round, 3)
            path.write_bytes(chain_file(shared)[:-1])
            with self.assertRaises(Refused) as caught:
                verify_file(path, shared.chain)
            self.assertEqual((caught.exception.code, caught.exception.source), ("bad-chain-file", str(path)))
            self.assertRaises(FileError, verify_file, pathlib.Path(folder) / "none", shared.chain)

    def test_what_is_trusted_already_counts(self):
        shared, data = chain(9), chain_file(chain(9))
        known = shared.beacons[4].header.hash()
        self.verify(data, shared, [(5, known), (100, bytes(32))])
        self.refused("conflict", data, shared, [(5, bytes(32))])

    def test_broken_orders(self):
        shared = chain(3)
        genesis = part(b"G", shared.genesis.encode())
        one, two, three = (beacon.header.encode() for beacon in shared.beacons)
        certificate = part(b"C", shared.beacons[-1].certificate.encode())
        first = part(b"C", shared.beacons[0].certificate.encode())
        beacon = part(b"B", shared.beacons[1].encode())
        signers = part(b"S", shared.committees[0].encode())

        def file(*parts, headers=3, count=None):
            end = u64(headers) + u64(len(parts) if count is None else count)
            return b"BEACON1\n" + b"".join(parts) + part(b"E", end)

        run = part(b"H", one + two + three)
        self.verify(file(genesis, run, certificate), shared)
        for code, data in (
            ("not-a-chain-file", b""),
            ("not-a-chain-file", b"BEACON2\n" + genesis),
            ("bad-chain-file", b"BEACON1\n"),
            ("bad-chain-file", file(run, certificate)),
            ("bad-chain-file", file(genesis, headers=0)),
            ("bad-chain-file", file(genesis, genesis, run, certificate)),
            ("bad-chain-file", file(genesis, run)),
            ("bad-chain-file", file(genesis, run, certificate, headers=2)),
            ("bad-chain-file", file(genesis, run, certificate, count=4)),
            ("bad-chain-file", file(genesis, part(b"H", one), first, part(b"H", two + three))),
            ("bad-chain-file", file(genesis, certificate)),
            ("bad-chain-file", file(genesis, run, certificate, certificate)),
            ("bad-chain-file", file(genesis, part(b"H", b""), run, certificate)),
            ("bad-chain-file", file(genesis, part(b"H", one[:-1]), certificate)),
            ("bad-chain-file", file(genesis, part(b"X", b""), run, certificate)),
            ("bad-chain-file", file(genesis, signers, run, certificate)),
            ("bad-chain-file", file(genesis, part(b"H", one), beacon, headers=1)),
            ("bad-chain-file", b"BEACON1\n" + genesis + b"H\xff\xff\xff\xf2" + one),
            ("wrong-round", file(genesis, run, certificate, beacon)),
            ("wrong-round", file(genesis, part(b"H", two + three), certificate, headers=2)),
            ("wrong-round", file(genesis, part(b"H", one + three), certificate, headers=2)),
            ("broken-link", file(genesis, part(b"H", one + two[:50] + bytes(32) + two[82:] + three), certificate)),
            ("bad-signature", file(genesis, part(b"H", one + two), certificate, headers=2)),
            ("wrong-round", file(genesis, run, certificate, signers)),
            ("too-long", file(genesis, part(b"C", bytes(50_000)), run, certificate)),
            ("trailing-bytes", file(genesis, run, certificate) + b"\0"),
        ):
            with self.subTest(code=code, data=data[-120:]):
                self.refused(code, data, shared)
        self.refused("wrong-chain", file(genesis, run, certificate), chain(3, seed=5))

    def test_a_usurped_committee(self):
        shared, taken = chain(6, windows=4), Chain(6, windows=4, usurped=True)
        self.verify(chain_file(taken), shared)
        taken.beacons[3] = Beacon(taken.beacons[3].header, shared.beacons[3].certificate)
        for first in (1, 5, 6):
            self.refused("bad-signature", chain_file(taken, first=first), shared)

    def test_a_committee_that_was_never_certified(self):
        shared = chain(9, windows=4)
        headers = b"".join(beacon.header.encode() for beacon in shared.beacons[:5])
        data = b"BEACON1\n" + part(b"G", shared.genesis.encode()) + part(b"H", headers)
        self.refused("wrong-committee", data + part(b"E", u64(5) + u64(2)), shared)


if __name__ == "__main__":
    unittest.main()
