"""Draws: lists and rules, and the check of a draw's proof. The shared vectors are in test_vectors.py."""

import json
import unittest

from beacon_client.codec import expand
from beacon_client.draw import (
    Commitment,
    DrawList,
    Outcome,
    Rules,
    Stream,
    _Weights,
    draw_hash,
    read_commitment,
)
from beacon_client.errors import Refused

from . import chain
from .fabricate import chain_file


class Lists(unittest.TestCase):
    def test_one_list_whatever_editor_wrote_it(self):
        plain = DrawList.parse("Ada\nBengt Ö\n李\n".encode())
        for other in (
            "Ada\nBengt Ö\n李", "\ufeffAda\r\nBengt Ö\r\n李\r\n", "Ada\rBengt Ö\r李\r",
            "\n\n  Ada \t\n\tBengt Ö\n\n李\n \n",
        ):  # fmt: skip
            listed = DrawList.parse(other.encode())
            self.assertEqual((listed, listed.hash()), (plain, plain.hash()))
        self.assertEqual(DrawList.parse(plain.to_text().encode()), plain)
        self.assertNotEqual(DrawList.parse("Bengt Ö\nAda\n李".encode()).hash(), plain.hash())
        # Only blanks and tabs are cut off, and only LF and CR end lines.
        for kept in ("\x0ba", "a\u2028b", "a\x85", "\u00a0a", "a\x0cb"):
            self.assertEqual(DrawList.parse(kept.encode()).names, (kept,))

    def test_weights_stand_behind_a_tab(self):
        listed = DrawList.parse(b"a b\t5\nc \t 12\n")
        self.assertEqual((listed.names, listed.weights, listed.weighted), (("a b", "c"), (5, 12), True))
        self.assertEqual(DrawList.parse(listed.to_text().encode()), listed)
        self.assertEqual(DrawList.parse(b"a\t1\nb\t1").hash(), DrawList.parse(b"a\nb").hash())

    def test_what_is_no_list_is_refused_by_line(self):
        for text, part in (
            (b"a\nb\na\n", 'line 3: "a" stands in line 1'),
            (b"a\n\xff\n", "line 2 is not UTF-8"),
            (b"a\t1\nb\n", "line 2: either all"),
            (b"a\nb\t1\n", "line 2: either all"),
            (b"a\t0\n", "line 1: a weight"),
            (b"a\t01\n", "line 1: a weight"),
            (b"a\t1000001\n", "line 1: a weight"),
            (b"a\t+5\n", "line 1: a weight"),
            ("a\t٥\n".encode(), "line 1: a weight"),
            (b"a\tb\t5\n", "line 1: a weight"),
        ):
            with self.assertRaises(Refused) as caught:
                DrawList.parse(text)
            self.assertIn(part, str(caught.exception))
        self.assertEqual(len(DrawList.parse(b"")), 0)


class Drawing(unittest.TestCase):
    def test_rules_have_one_spelling(self):
        for text in (
            "pick 3", "shuffle", "dice 2d6", "range -5..5 times 40", "bytes 32", "dice 1d18446744073709551615",
            "range -9223372036854775808..9223372036854775807 times 1",
        ):  # fmt: skip
            self.assertEqual(Rules.parse(text).text, text)
        for text in (
            "", "pick", "pick 03", "pick +3", "pick 3 ", " pick 3", "pick  3", "pick 3\n", "shuffle 3", "dice d6",
            "range 1..2", "range -0..5 times 1", "range 1..2 times", "bytes -1", "pick 18446744073709551616",
            "range 0..9223372036854775808 times 1", "pick ٣", "roll 1",
        ):  # fmt: skip
            self.assertRaises(Refused, Rules.parse, text)

    def test_rules_that_cannot_be_drawn(self):
        three, weighted, none = DrawList.parse(b"a\nb\nc"), DrawList.parse(b"a\t1\nb\t2"), DrawList()
        for text, listed in (
            ("pick 4", three), ("pick 0", three), ("pick 1", none), ("shuffle", weighted), ("shuffle", none),
            ("dice 1d6", three), ("dice 1d0", none), ("dice 0d6", none), ("range 5..4 times 1", none),
            ("bytes 1000001", none), ("bytes 0", none),
        ):  # fmt: skip
            self.assertRaises(Refused, Rules.parse(text).check, listed)

    def test_words_beyond_the_greatest_multiple_are_drawn_again(self):
        n = (1 << 63) + 1
        drawn, plain = Stream(bytes([2]) * 32, bytes(32)), Stream(bytes([2]) * 32, bytes(32))
        words = [word for word in (plain.below(1 << 64) for _ in range(1000)) if word < n]
        self.assertEqual([drawn.below(n) for _ in range(200)], words[:200])

    def test_the_stream_is_blocks_of_expansions(self):
        output, draw = bytes([1]) * 32, bytes([7]) * 32
        blocks = [expand(output, b"beacon/1/draw-stream" + draw + bytes([0] * 7 + [b]), 1024) for b in (0, 1)]
        stream = Stream(output, draw)
        self.assertEqual(stream.bytes(1000) + stream.bytes(0) + stream.bytes(1048), b"".join(blocks))

    def test_weighted_takes_follow_the_running_sum(self):
        weights = (3, 1, 4, 1, 5, 9, 2, 6)
        for point in range(31):
            sums = [sum(weights[: place + 1]) for place in range(8)]
            self.assertEqual(_Weights(weights).take(point), next(p for p, s in enumerate(sums) if s > point))


class Proofs(unittest.TestCase):
    def setUp(self):
        self.chain = chain(9, windows=4)
        self.listed = DrawList.parse("Ada\nBengt Ö\n李\nDora\n".encode())
        header = self.chain.beacons[-1].header
        commitment = Commitment.make(self.chain.chain, 9, header.due, "pick 2", self.listed)
        results = Rules.parse("pick 2").draw(self.listed, Stream(header.output, commitment.draw_hash))
        self.json = {
            "commitment": commitment.to_json(), "list": self.listed.to_text(), "output": header.output.hex(),
            "results": results, "proof": chain_file(self.chain, first=9).hex(),
        }  # fmt: skip

    def check(self, json_, chain=None):
        return Outcome.from_json(json.dumps(json_).encode()).check(chain or self.chain.chain)

    def refused(self, code, json_, chain=None):
        with self.assertRaises(Refused) as caught:
            self.check(json_, chain)
        self.assertEqual(caught.exception.code, code, caught.exception)

    def test_an_honest_draw(self):
        self.assertEqual(self.check(self.json).round, 9)
        commitment = read_commitment(json.dumps(self.json["commitment"]).encode())
        self.assertEqual(commitment.to_json(), self.json["commitment"])

    def test_every_part_is_held(self):
        good = self.json
        commitment = good["commitment"]

        def committed(**change):
            changed = {**commitment, **change}
            drawn = draw_hash(
                bytes.fromhex(changed["chain"]), changed["round"], changed["rules"], bytes.fromhex(changed["list"])
            )
            return {**good, "commitment": {**changed, "draw": drawn.hex()}}

        chosen = Rules.parse("pick 2").draw(self.listed, Stream(bytes.fromhex(good["output"]), bytes(32)))
        other, weighted = chain(9, seed=3), DrawList.parse(b"a\t1\nb\t1\nc\t1\nd\t1\n")
        for code, changed in (
            ("inconsistent", {**good, "results": good["results"][::-1]}),
            ("inconsistent", {**good, "results": good["results"][:1]}),
            ("inconsistent", {**good, "list": good["list"] + "Eve\n"}),
            ("inconsistent", {**good, "list": good["list"].replace("\n", "\r\n")}),
            ("duplicate-entry", {**good, "list": "a\na\n"}),
            ("wrong-output", {**good, "output": "00" * 32}),
            ("inconsistent", {**good, "results": chosen, "commitment": {**commitment, "draw": "00" * 32}}),
            ("inconsistent", {**good, "commitment": {**commitment, "entries": 5}}),
            ("inconsistent", {**good, "commitment": {**commitment, "rules": "pick 1"}}),
            ("unknown-version", {**good, "commitment": {**commitment, "format": "beacon-draw/2"}}),
            ("bad-count", committed(rules="pick 9")),
            ("malformed", committed(rules="pick 02")),
            ("bad-parameter", committed(rules="shuffle", list=weighted.hash().hex()) | {"list": weighted.to_text()}),
            ("wrong-round", committed(round=8)),
            ("wrong-due-time", committed(due=commitment["due"] + 1)),
            ("wrong-chain", committed(chain="00" * 32)),
            ("wrong-round", {**good, "proof": chain_file(chain(8, windows=4), first=8).hex()}),
            ("wrong-chain", {**good, "proof": chain_file(other, first=9).hex()}),
            ("bad-chain-file", {**good, "proof": good["proof"][:-2]}),
            ("bad-json", {**good, "proof": good["proof"][:-1]}),
            ("bad-json", {**good, "list": "\ud800"}),
            ("bad-json", {**good, "commitment": {**commitment, "rules": "\ud800"}}),
            ("bad-json", {**good, "results": [1, 2]}),
            ("bad-json", {**good, "commitment": None}),
            ("bad-json", []),
        ):
            with self.subTest(code=code, changed=str(changed)[:200]):
                self.refused(code, changed)
        self.refused("wrong-chain", good, other.chain)


if __name__ == "__main__":
    unittest.main()
