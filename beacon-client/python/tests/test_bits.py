"""Every bit flip and every truncation of what a server or a file gives is refused, with a reason."""

import collections
import io
import json
import random
import unittest

from beacon_client import Refused, verify_stream
from beacon_client.chain import Beacon
from beacon_client.committee import Signers
from beacon_client.jsons import read_json
from beacon_client.schedule import Schedule
from beacon_client.trust import Trust

from . import chain
from .fabricate import chain_file, sequence
from .vectors import cases


def changes(data, sample=None):
    """Every bit flip, every truncation and one byte more; of the flips and cuts only a sample if that is given."""
    flips = range(len(data) * 8)
    cuts = range(len(data))
    if sample is not None:
        # The same sample each time: it is to find what is broken, not now and then.
        chosen = random.Random(1)
        flips, cuts = chosen.sample(flips, sample), chosen.sample(cuts, sample // 8)
    for bit in flips:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed), f"bit {bit} is flipped"
    for length in cuts:
        yield data[:length], f"cut to {length} bytes"
    yield data + b"\0", "one byte more"


class Bits(unittest.TestCase):
    def reasons(self, data, judge, sample=None):
        """Judges every change; gives the reasons with their counts."""
        judge(data)
        found = collections.Counter()
        for changed, how in changes(data, sample):
            with self.assertRaises(Refused, msg=how) as caught:
                judge(changed)
            self.assertTrue(caught.exception.what, how)
            found[caught.exception.code] += 1
        return found

    def test_beacons_of_the_vectors(self):
        for _, name, i, out in cases("chain", "beacon"):
            if out["verdict"] != "ok":
                continue
            signers = Signers.read(i.hex("signers"), int(i.hex("signers")[:8].hex(), 16), self.committee(i))
            schedule = Schedule(**{name: int(value) for name, value in i["schedule"].items()})

            def judge(data, signers=signers, schedule=schedule, i=i):
                Beacon.decode(data, "beacon").verify(i.hex("chain"), schedule, signers)

            with self.subTest(name):
                self.assertIn("bad-signature", self.reasons(i.hex("beacon"), judge))

    def committee(self, i):
        return Beacon.decode(i.hex("beacon"), "beacon").header.committee

    def test_a_newest_beacon_of_four(self):
        shared = chain(3)
        trust = Trust.start(shared.genesis.encode(), shared.chain)
        found = self.reasons(shared.beacons[2].encode(), lambda data: trust.advanced(trust.read_beacon(data, 3)))
        for expected in (
            "wrong-chain", "wrong-round", "wrong-due-time", "wrong-epoch", "wrong-committee", "wrong-window",
            "bad-signature", "bad-bitmap", "unknown-version", "malformed", "trailing-bytes", "bad-count",
        ):  # fmt: skip
            self.assertIn(expected, found)

    def test_a_newest_beacon_of_sixteen(self):
        shared = chain(3, members=16)
        trust = Trust.start(shared.genesis.encode(), shared.chain)
        found = self.reasons(shared.beacons[2].encode(), lambda data: trust.advanced(trust.read_beacon(data, 3)), 1500)
        self.assertIn("bad-signature", found)

    def test_a_past_beacon_and_its_proof(self):
        shared = chain(11)
        trust = Trust.start(shared.genesis.encode(), shared.chain).advanced(shared.beacons[10])
        beacon, proof = shared.beacons[5].encode(), sequence(shared.proof(6, 11))

        def judge(beacon, proof):
            trust.past(trust.read_beacon(beacon, 6), proof, trust.signers)

        self.assertIn("bad-mmr", self.reasons(beacon, lambda data: judge(data, proof)))
        found = self.reasons(proof, lambda data: judge(beacon, data))
        self.assertLessEqual({"bad-mmr", "malformed"}, set(found))

    def test_a_light_genesis_and_a_signer_list(self):
        shared = chain(1)
        genesis = shared.genesis.encode()
        found = self.reasons(genesis, lambda data: Trust.start(data, shared.chain))
        self.assertGreater(found["wrong-chain"], 6 * len(genesis))
        listed = shared.committees[0]
        found = self.reasons(listed.encode(), lambda data: Signers.read(data, 1, listed.hash()))
        self.assertIn("wrong-committee", found)

    def test_a_chain_file_over_two_epochs(self):
        shared = chain(5, windows=4)
        for first in (1, 5):
            data = chain_file(shared, first=first)
            self.reasons(data, lambda data: verify_stream(io.BytesIO(data), shared.chain), 2000)

    def test_pushed_json(self):
        """Text has other spellings of the same value, so what counts is that no change gives another beacon."""
        shared = chain(2)
        trust = Trust.start(shared.genesis.encode(), shared.chain)
        text = json.dumps(shared.beacons[1].to_json()).encode()

        def judge(data):
            return trust.certified(read_json(data, lambda value: Beacon.from_json(value, "beacon"), "beacon"))

        honest, refused = judge(text), 0
        for changed, how in changes(text):
            try:
                self.assertEqual(judge(changed), honest, how)
            except Refused:
                refused += 1
        self.assertGreater(refused, 6 * len(text))

    def test_json_that_is_made_to_hurt(self):
        judge = lambda data: read_json(data, lambda value: Beacon.from_json(value, "beacon"), "beacon")  # noqa: E731
        honest = chain(2).beacons[1].to_json()
        header = honest["header"]
        for hostile in (
            b"[" * 100_000, b'{"a":' * 50_000, b"1" * 100_000, b"\xff", b"", b"null", b"NaN", b"[]", b'{"round":1}',
            b'{"round":1,"round":2}',
            *(json.dumps({**honest, **change}).encode() for change in (
                {"round": True}, {"round": 2.0}, {"round": -1}, {"round": "02"}, {"round": 1 << 64}, {"hash": "zz"},
                {"header": []}, {"certificate": None}, {"header": {**header, "version": "1"}},
                {"header": {**header, "contributors": 1 << 32}}, {"header": {**header, "chain": header["chain"] + " "}},
                {"certificate": {"bitmap": "0f", "signatures": "ab"}},
            )),
        ):  # fmt: skip
            with self.assertRaises(Refused) as caught:
                judge(hostile)
            self.assertEqual(caught.exception.code, "bad-json", hostile[:60])
        for change in ({"round": 3}, {"output": "00" * 32}, {"due": 1}, {"hash": "00" * 32}):
            with self.assertRaises(Refused) as caught:
                judge(json.dumps({**honest, **change}).encode())
            self.assertEqual(caught.exception.code, "inconsistent")

    def test_refusals_name_what_was_wrong(self):
        shared = chain(2)
        trust = Trust.start(shared.genesis.encode(), shared.chain)
        beacon = shared.beacons[1]
        wrong = Beacon(beacon.header._replace(due=beacon.header.due + 1), beacon.certificate)
        with self.assertRaises(Refused) as caught:
            trust.read_beacon(wrong.encode())
        self.assertEqual(
            str(caught.exception.by("http://server")),
            "wrong-due-time: header of round 2 from http://server, field header.due: expected 1704067203000, found "
            "1704067203001",
        )


if __name__ == "__main__":
    unittest.main()
