"""Every vector that a client needs gives its recorded verdict, by name."""

import hashlib
import unittest

from beacon_client import mmr, trust
from beacon_client.chain import HEADER_BYTES, MAX_BEACON_BYTES, Beacon, Certificate, Header
from beacon_client.codec import Reader, decode, expand, framed, hkdf_expand, tagged, tree_root, u16, u32, u64
from beacon_client.committee import SignerList, Signers
from beacon_client.draw import DrawList, Rules, Stream, draw_hash
from beacon_client.errors import OWN_REASONS, REASONS, Refused
from beacon_client.genesis import Draft, LightGenesis
from beacon_client.keys import Verifier
from beacon_client.schedule import Schedule

from . import vectors
from .vectors import cases, load, unhex

SMALL = 64 << 10

# Files about what clients do, with the kinds of cases in them that are for others. A new kind in one of them is in
# neither list, and then this file has to say which.
FOREIGN = {
    "certificate": {"assembly"},
    "chain": set(),
    "committee": {"committee", "member-list"},
    "draw": set(),
    "genesis": {"genesis"},
    "mix": {"mix"},
}


def signers(i):
    return Signers(decode(i.hex("signers"), SMALL, SignerList.read, "signers"))


def schedule(i):
    return Schedule(**{name: int(value) for name, value in i["schedule"].items()})


def beacon(i, name="beacon"):
    return Beacon.decode(i.hex(name), name)


def proof(i):
    return decode(i.hex("proof"), SMALL, mmr.read_proof, "proof")


def head(i):
    return trust.Head(int(i["head"]["round"]), unhex(i["head"]["hash"]), unhex(i["head"]["committee"]))


def shown(head):
    return {"head": {"committee": head.committee.hex(), "hash": head.hash.hex(), "round": head.round}}


def judge_signers(i):
    judged = signers(i)
    return {"hash": judged.hash.hex(), "total": judged.total}


def judge_draft(i):
    draft = decode(i.hex("draft"), SMALL, Draft.read, "draft")
    draft.check()
    return {"ceremony": draft.ceremony().hex()}


def judge_light(i):
    return {"committee": LightGenesis.open(i.hex("light"), i.hex("chain"))[1].hash.hex()}


def judge_certificate(i):
    judges = signers(i)
    certificate = decode(i.hex("certificate"), MAX_BEACON_BYTES, Certificate.read, "certificate")
    certificate.verify(i.hex("chain"), i.number("round"), i.hex("header"), judges)
    return {"members": certificate.members(judges)}


def judge_header(i):
    header = decode(i.hex("header"), HEADER_BYTES, Header.read, "header")
    header.check(i.hex("chain"), schedule(i))
    return {"hash": header.hash().hex()}


def judge_beacon(i):
    return {"hash": beacon(i).verify(i.hex("chain"), schedule(i), signers(i)).hex()}


def judge_follow(i):
    return shown(head(i).follow(beacon(i), i.hex("chain"), schedule(i), signers(i)))


def judge_leap(i):
    return shown(head(i).leap(beacon(i), proof(i), i.hex("chain"), schedule(i), signers(i)))


def judge_past(i):
    trusted = Header.of(i.hex("head"))
    return {"hash": trust.past(trusted, beacon(i), proof(i), i.hex("chain"), schedule(i), signers(i)).hex()}


def judge_hand_over(i):
    last = Header.of(i.hex("last"))
    return {"committee": trust.hand_over(last, schedule(i), i.hex("signers")).hash.hex()}


def judge_proof(i):
    mmr.verify(i.hex("root"), i.number("count"), i.number("round"), i.hex("header"), proof(i), "proof")


def judge_expand(i):
    return {"bytes": expand(i.hex("output"), i.hex("label"), i["length"]).hex()}


def judge_list(i):
    listed = DrawList.parse(i.hex("list"))
    shown = {"entries": len(listed), "weighted": listed.weighted, "text": listed.to_text()}
    return {**shown, "hash": listed.hash().hex()}


def judge_draw(i):
    rules, listed = Rules.parse(i["rules"]), DrawList.parse(i["text"].encode())
    rules.check(listed)
    drawn = draw_hash(i.hex("chain"), i.number("round"), rules.text, listed.hash())
    results = rules.draw(listed, Stream(i.hex("output"), drawn))
    return {"list": listed.hash().hex(), "draw": drawn.hex(), "results": results}


def judge_format(read, to_json=None):
    def judge(i):
        data = i.hex("bytes")
        value = decode(data, SMALL, read, "value")
        encoded = value.encode() if hasattr(value, "encode") else u64(len(value)) + b"".join(value)
        assert encoded == data, "one encoding a value"
        return {"json": to_json(value)} if to_json else {}

    return judge


def beacon_json(value):
    json = value.to_json()
    assert Beacon.from_json(json, "beacon") == value
    return {"header": json["header"], "certificate": json["certificate"]}


JUDGES = {
    "committee": {"signers": judge_signers},
    "genesis": {"draft": judge_draft, "light-genesis": judge_light},
    "certificate": {"certificate": judge_certificate},
    "chain": {
        "header": judge_header, "beacon": judge_beacon, "follow": judge_follow, "leap": judge_leap, "past": judge_past,
        "hand-over": judge_hand_over, "mmr-proof": judge_proof,
    },
    "mix": {"expand": judge_expand},
    "draw": {"draw-list": judge_list, "draw": judge_draw},
    "formats": {
        "SignerList": judge_format(SignerList.read),
        "Draft": judge_format(Draft.read),
        "LightGenesis": judge_format(LightGenesis.read),
        "MmrProof": judge_format(mmr.read_proof, lambda value: {"siblings": [each.hex() for each in value]}),
        "Header": judge_format(Header.read, Header.to_json),
        "Certificate": judge_format(Certificate.read, Certificate.to_json),
        "Beacon": judge_format(Beacon.read, beacon_json),
    },
}  # fmt: skip


def reason(judge):
    try:
        judge()
    except Refused as refusal:
        return refusal.code
    return None


class Cases(unittest.TestCase):
    def test_every_case_gives_its_recorded_outcome(self):
        for file, judges in JUDGES.items():
            for kind, name, inputs, expected in cases(file, *judges):
                with self.subTest(file=file, kind=kind, name=name):
                    try:
                        found = {**(judges[kind](inputs) or {}), "verdict": "ok"}
                    except Refused as refusal:
                        found = {"verdict": refusal.code}
                    if kind in ("SignerList", "Draft", "LightGenesis"):
                        expected = {"verdict": expected["verdict"]}
                    self.assertEqual(found, expected)

    def test_every_kind_is_judged_or_foreign(self):
        for file, foreign in FOREIGN.items():
            self.assertEqual(vectors.kinds(file), foreign | set(JUDGES.get(file, {})), file)

    def test_every_kind_has_cases_of_both_outcomes(self):
        for file, judges in JUDGES.items():
            for kind in judges:
                accepted = [out["verdict"] == "ok" for _, _, _, out in cases(file, kind)]
                self.assertIn(True, accepted, kind)
                # Some formats have their negative cases where they are judged.
                self.assertTrue(False in accepted or file == "formats", kind)

    def test_reasons_are_those_of_the_specification(self):
        source = (vectors.ROOT / "specs/src/reject.rs").read_text()
        client = (vectors.ROOT / "beacon-client/src/refusal.rs").read_text()
        for code in REASONS:
            self.assertIn(f'=> "{code}",', source)
        for code in OWN_REASONS:
            self.assertIn(f'=> "{code}",', client)


class Hashing(unittest.TestCase):
    def test_tagged(self):
        writers = {"u16": u16, "u32": u32, "u64": u64}
        for case in load("hash")["tagged"]:
            fields = []
            for part in case["parts"]:
                ((kind, value),) = part.items()
                if kind in writers:
                    fields.append(writers[kind](int(value)))
                else:
                    fields.append(framed(unhex(value)) if kind == "framed" else unhex(value))
            self.assertEqual(tagged(case["tag"], *fields).hex(), case["digest"])

    def test_trees(self):
        for case in load("hash")["trees"]:
            self.assertEqual(tree_root([unhex(leaf) for leaf in case["leaves"]]).hex(), case["root"])

    def test_expansions(self):
        for case in load("hash")["expand"]:
            def expansion(case=case):
                return hkdf_expand(unhex(case["key"]), b"".join(map(unhex, case["info"])), case["length"])

            self.assertEqual(reason(expansion), case["reject"])
            if case["reject"] is None:
                self.assertEqual(hashlib.sha3_256(expansion()).hexdigest(), case["sha3_256_of_output"])


class Keys(unittest.TestCase):
    def test_public_keys(self):
        for case in load("keys")["keys"]:
            with self.subTest(case["name"]):
                self.assertEqual(reason(lambda case=case: Verifier(unhex(case["key"]))), case["reject"])

    def test_signatures(self):
        for case in load("keys")["signatures"]:
            with self.subTest(case["name"]):
                verifier = Verifier(unhex(case["key"]))
                accepted = verifier.accepts(unhex(case["digest"]), unhex(case["signature"]))
                self.assertEqual(accepted, case["reject"] is None)

    def test_some_signatures_are_refused_whatever_the_library_says(self):
        class Yes:
            def verify(self, signature, digest):
                pass

        refused = 0
        for case in load("keys")["signatures"]:
            verifier = Verifier(unhex(case["key"]))
            verifier._key = Yes()
            accepted = verifier.accepts(unhex(case["digest"]), unhex(case["signature"]))
            reduced = int.from_bytes(unhex(case["signature"])[32:], "little") < 2**252
            identity = unhex(case["signature"])[:32] == bytes([1]) + bytes(31)
            self.assertEqual(accepted, reduced and not identity, case["name"])
            refused += not accepted
        self.assertEqual(refused, 3)

    def test_every_flipped_bit_of_a_signature_is_refused(self):
        case = load("keys")["signatures"][0]
        verifier, digest, signature = Verifier(unhex(case["key"])), unhex(case["digest"]), unhex(case["signature"])
        self.assertTrue(verifier.accepts(digest, signature))
        for bit in range(512):
            flipped = bytearray(signature)
            flipped[bit // 8] ^= 1 << bit % 8
            self.assertFalse(verifier.accepts(digest, bytes(flipped)), bit)
        self.assertFalse(verifier.accepts(digest, signature[:63]))
        self.assertFalse(verifier.accepts(digest, signature + b"\0"))


class Ranges(unittest.TestCase):
    def test_roots(self):
        self.assertEqual(mmr.Mmr().root().hex(), load("mmr")["empty_root"])
        for case in load("mmr")["ranges"]:
            grown = mmr.Mmr()
            for hashed, root in zip(case["headers"], case["roots"]):
                grown = grown.append(unhex(hashed))
                self.assertEqual(grown.root().hex(), root)

    def test_proofs(self):
        for case in load("mmr")["ranges"]:
            for each in case["proofs"]:
                def judge(each=each):
                    siblings = [unhex(sibling) for sibling in each["siblings"]]
                    fields = unhex(each["root"]), int(each["count"]), int(each["round"]), unhex(each["header"])
                    mmr.verify(*fields, siblings, "proof")

                self.assertEqual(reason(judge), each["reject"], each)


class Times(unittest.TestCase):
    def answer(self, ask):
        try:
            return ask()
        except Refused as refusal:
            return {"reject": refusal.code}

    def same(self, found, expected):
        self.assertEqual(found, int(expected) if isinstance(expected, str) else expected)

    def test_rounds(self):
        for case in load("schedule")["rounds"]:
            given = Schedule(**{name: int(value) for name, value in case["schedule"].items()})
            round = int(case["round"])
            self.same(self.answer(lambda: given.time_of(round)), case["time"])
            self.same(given.window_of(round), case["window"])
            self.same(given.epoch_of(round), case["epoch"])
            self.same(given.is_last_of_epoch(round), case["last_of_epoch"])

    def test_times(self):
        for case in load("schedule")["times"]:
            given = Schedule(**{name: int(value) for name, value in case["schedule"].items()})
            self.same(self.answer(lambda: given.round_at(int(case["time"]))), case["round"])

    def test_last_rounds_end_their_epochs(self):
        for window, windows in ((1, 4), (3, 4), (64, 1 << 32)):
            given = Schedule(0, 1000, window, windows)
            for epoch in (1, 2, 7):
                last = given.last_round(epoch)
                self.assertTrue(given.is_last_of_epoch(last))
                self.assertEqual((given.epoch_of(last), given.epoch_of(last + 1)), (epoch, epoch + 1))


class Reading(unittest.TestCase):
    def test_counts_beyond_the_input_cost_nothing(self):
        for count in (1, 1 << 20, (1 << 64) - 1):
            reader = Reader(u64(count) + bytes(31), "list")
            self.assertEqual(reason(lambda: reader.sequence(Reader.digest, 32)), "malformed")


if __name__ == "__main__":
    unittest.main()
