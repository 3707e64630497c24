"""From the vector files to cases: a label, what is recorded, and a function that judges again from the inputs."""

import json
import pathlib

from . import chain, curve, draw, evidence, members, messages, plan, pvss, wire
from .own_shapes import READERS
from .rules import need
from .text import read_share, unhex

FOLDER = pathlib.Path(__file__).parent.parent
FILES = [
    "hash", "keys", "points", "tickets", "schedule", "mmr", "formats", "pvss", "bundle", "committee", "genesis",
    "message", "consensus", "mix", "certificate", "chain", "transcript", "registry", "draw", "evidence",
]  # fmt: skip

SMALL, MESSAGE, BEACON, COMMITMENT, VALUE, LARGE = 64 << 10, 1 << 20, 40 << 10, 2 << 20, 512 << 10, 40 << 20
HEADER_BYTES = 270

_LOADED = {}


def load(name):
    if name not in _LOADED:
        _LOADED[name] = json.loads((FOLDER / f"{name}.json").read_text())
    return _LOADED[name]


def cases(name):
    """(label, recorded outcome, judge) of every case of a file."""
    made = READERS[name](load(name)) if name in READERS else _by_kind(load(name))
    return ((label, expected, judge) for label, expected, judge in made)


class Inputs:
    """The inputs of a case, shared ones put in."""

    def __init__(self, given, shared):
        self.given = {
            name: shared[value[1:]] if isinstance(value, str) and value.startswith("@") else value
            for name, value in given.items()
        }

    def __getitem__(self, name):
        return self.given[name]

    def hex(self, name):
        return unhex(self.given[name])

    def decode(self, name, kind, limit):
        return wire.decode(kind, self.hex(name), limit)

    def number(self, name):
        return int(self.given[name])

    def schedule(self):
        return {name: int(value) for name, value in self.given["schedule"].items()}

    def signers(self):
        return members.Signers(self.decode("signers", "SignerList", SMALL))

    def genesis(self):
        return members.open_genesis(self.hex("genesis"))

    def head(self):
        head = self.given["head"]
        return {"round": int(head["round"]), "hash": unhex(head["hash"]), "committee": unhex(head["committee"])}


def _by_kind(file):
    for case in file["cases"]:
        judge = KINDS.get(case["kind"]) or _format_of(case["kind"])
        inputs = Inputs(case["in"], file["shared"])

        def run(judge=judge, inputs=inputs):
            return {**(judge(inputs) or {}), "verdict": "ok"}

        yield f"{case['kind']} {case['name']}", case["out"], run


def _format_of(kind):
    def judge(i):
        data = i.hex("bytes")
        value = wire.decode(kind, data, LARGE)
        assert wire.encode(wire.TYPES[kind], value) == data, "one encoding a value"
        return {"json": wire.to_json(wire.TYPES[kind], value)}

    return judge


def _bundle(i):
    bundle = i.decode("bundle", "KeyBundle", MESSAGE)
    members.verify_bundle(bundle, i.hex("scope"), i.hex("identity"), i.number("epoch"))


def _signers(i):
    signers = i.signers()
    return {"hash": signers.hash.hex(), "total": signers.total}


def _committee(i):
    listed = i.decode("members", "Members", LARGE)
    made = members.Committee(i.number("epoch"), i.number("membership"), listed, i["exempt"])
    return {
        "hash": made.hash.hex(),
        "ticket_root": made.ticket_root.hex(),
        "tickets": list(made.tickets),
        "owners": made.owners,
        "threshold": made.threshold(),
    }


def _member_list(i):
    given = i.decode("list", "MemberList", LARGE)
    made = members.Committee(given["epoch"], given["membership"], given["members"], i["exempt"])
    need("committee-6 hash", made.hash == i.hex("hash"), "wrong-committee")
    return {"tickets": list(made.tickets)}


def _draft(i):
    draft = i.decode("draft", "Draft", SMALL)
    members.check_draft(draft)
    return {"ceremony": members.ceremony(draft).hex()}


def _genesis(i):
    _, committee, found, light = i.genesis()
    need("genesis-5 chain hash", found == i.hex("chain"), "wrong-chain")
    return {"committee": committee.hash.hex(), "light": wire.encode(wire.TYPES["LightGenesis"], light).hex()}


def _light(i):
    return {"committee": members.check_light(i.decode("light", "LightGenesis", SMALL), i.hex("chain")).hash.hex()}


def _commitment(i):
    committee = i.genesis()[1]
    commitment = i.decode("commitment", "Commitment", COMMITMENT)
    schedule, window = i.schedule(), i.number("window")
    hash_, hashes = messages.check_commitment(commitment, i.hex("chain"), committee, schedule, window)
    return {"hash": hash_.hex(), "dealings": [each.hex() for each in hashes]}


def _signed_commitment(i):
    signed = i.decode("signed", "SignedCommitment", MESSAGE)
    digest = messages.commitment_hash(signed["body"], i.hex("chain"))
    curve.verify(i.signers().voting_key(signed["body"]["member"]), digest, signed["signature"])
    return {"hash": digest.hex()}


def _ready(i):
    ready = i.decode("ready", "Ready", MESSAGE)
    digest = messages.ready_digest(i.hex("chain"), ready["round"], ready["member"])
    curve.verify(i.signers().voting_key(ready["member"]), digest, ready["signature"])


def _header_vote(i):
    vote = i.decode("vote", "HeaderVote", MESSAGE)
    digest = messages.vote_digest_of_header(i.hex("chain"), vote["round"], vote["header"])
    curve.verify(i.signers().voting_key(vote["member"]), digest, vote["signature"])


def _evidence(i):
    committee = i.genesis()[1]
    given = i.decode("evidence", "Evidence", SMALL)
    return evidence.check(given, i.hex("chain"), i.schedule(), committee)


def _value(i):
    value = i.decode("value", "Value", VALUE)
    messages.check_value(value, i.genesis()[1], i.number("window"))
    return {"id": messages.value_id(i.hex("value")).hex()}


def _vote(i):
    signed = i.decode("vote", "SignedVote", MESSAGE)
    vote = signed["vote"]
    key = i.signers().voting_key(vote["member"])
    digest = messages.vote_digest(
        i.hex("chain"), vote["kind"][0], vote["height"], vote["round"], vote["value_id"], vote["member"]
    )
    curve.verify(key, digest, signed["signature"])
    return {"digest": digest.hex()}


def _proposal(i):
    signed = i.decode("proposal", "SignedProposal", MESSAGE)
    digest = messages.check_proposal(signed, i.hex("chain"), i.signers())
    return {"digest": digest.hex(), "value_id": signed["proposal"]["value_id"].hex()}


def _voters(i):
    return i.decode("signers", "SignerList", SMALL)["signers"]


def _commit_certificate(i):
    certificate = i.decode("certificate", "CommitCertificate", SMALL)
    messages.check_quorum_certificate("Precommit", certificate, i.hex("chain"), _voters(i))


def _polka_certificate(i):
    certificate = i.decode("certificate", "PolkaCertificate", SMALL)
    messages.check_quorum_certificate("Prevote", certificate, i.hex("chain"), _voters(i))


def _round_certificate(i):
    messages.check_round_certificate(i.decode("certificate", "RoundCertificate", SMALL), i.hex("chain"), _voters(i))


def _proposer(i):
    return {"proposer": plan.proposer([int(weight) for weight in i["weights"]], i.number("height"), i.number("round"))}


def _vote_conflict(i):
    first, second = (i.decode(name, "Vote", MESSAGE) for name in ("first", "second"))
    return {"conflict": messages.votes_conflict(first, second)}


def _proposal_conflict(i):
    first, second = (i.decode(name, "Proposal", MESSAGE) for name in ("first", "second"))
    return {"conflict": messages.proposals_conflict(first, second)}


def _assembly(i):
    made = chain.assemble([(member, unhex(signature)) for member, signature in i["votes"]], i.signers())
    return {"certificate": made and wire.encode(wire.CERTIFICATE, made).hex()}


def _certificate(i):
    signers = i.signers()
    certificate = i.decode("certificate", "Certificate", BEACON)
    return {"members": chain.check_certificate(certificate, i.hex("chain"), i.number("round"), i.hex("header"), signers)}


def _header(i):
    header = i.decode("header", "Header", HEADER_BYTES)
    chain.check_header(header, i.hex("chain"), i.schedule())
    return {"hash": chain.header_hash(header).hex()}


def _beacon(i):
    beacon = i.decode("beacon", "Beacon", BEACON)
    return {"hash": chain.check_beacon(beacon, i.hex("chain"), i.schedule(), i.signers()).hex()}


def _head_json(head):
    return {"head": {"round": head["round"], "hash": head["hash"].hex(), "committee": head["committee"].hex()}}


def _follow(i):
    beacon = i.decode("beacon", "Beacon", BEACON)
    return _head_json(chain.follow(i.head(), beacon, i.hex("chain"), i.schedule(), i.signers()))


def _leap(i):
    beacon, proof = i.decode("beacon", "Beacon", BEACON), i.decode("proof", "MmrProof", SMALL)
    return _head_json(chain.leap(i.head(), beacon, proof["siblings"], i.hex("chain"), i.schedule(), i.signers()))


def _past(i):
    head, beacon = i.decode("head", "Header", HEADER_BYTES), i.decode("beacon", "Beacon", BEACON)
    siblings = i.decode("proof", "MmrProof", SMALL)["siblings"]
    return {"hash": chain.past(head, beacon, siblings, i.hex("chain"), i.schedule(), i.signers()).hex()}


def _hand_over(i):
    last = i.decode("last", "Header", HEADER_BYTES)
    return {"committee": chain.hand_over(last, i.schedule(), i.decode("signers", "SignerList", SMALL)).hex()}


def _mmr_proof(i):
    siblings = i.decode("proof", "MmrProof", SMALL)["siblings"]
    plan.mmr_verify(i.hex("root"), i.number("count"), i.number("round"), i.hex("header"), siblings)


def _transcript(i):
    header = i.decode("header", "Header", HEADER_BYTES)
    chain.audit(i.decode("transcript", "Transcript", LARGE), header, i.genesis()[1])


def _mix(i):
    dealings = [(entry["member"], unhex(entry["commitment"])) for entry in i["dealings"]]
    secrets = [(member, unhex(secret)) for member, secret in i["secrets"]]
    root = chain.dealing_set_root(i.number("round"), dealings)
    mixed = chain.output(i.hex("chain"), i.number("round"), i.hex("previous"), root, secrets)
    return {"root": root.hex(), "output": mixed.hex()}


def _expand(i):
    return {"bytes": chain.expand(i.hex("output"), i.hex("label"), i.number("length")).hex()}


def _draw(i):
    text, rules = i["text"].encode(), i["rules"]
    listed, drawn, results = draw.draw(rules, text, i.hex("chain"), i.number("round"), i.hex("output"))
    return {"list": listed.hex(), "draw": drawn.hex(), "results": results}


def _draw_list(i):
    entries, weighted = draw.read_list(i.hex("list"))
    return {
        "entries": len(entries),
        "weighted": weighted,
        "text": draw.to_text(entries, weighted),
        "hash": draw.list_hash(entries).hex(),
    }


def _point(i):
    return {"point": curve.encode(curve.point(i.hex("point"))).hex()}


def _scalar(i):
    value = curve.scalar(i.hex("scalar"))
    need("pvss-2 secret not zero", value != 0, "bad-scalar")
    return {"public": curve.encode(curve.multiply_base(value)).hex()}


def _ticket_key(i):
    keys = tuple(unhex(key) for key in i["keys"])
    pvss.ticket_set(keys)
    return {"threshold": plan.threshold(len(keys))}


def _recover(i):
    keys = tuple(unhex(key) for key in i["keys"])
    return {"secret": pvss.recover([read_share(each) for each in i["shares"]], keys).hex()}


def _registry(i):
    genesis, committee, found, _ = i.genesis()
    registry, value = i.decode("registry", "Registry", MESSAGE), i.decode("value", "Value", VALUE)
    after = members.registry_after(registry, value, committee, found, genesis["draft"]["parameters"])
    return {"hash": after.hex()}


def _next_committee(i):
    genesis, committee, found, _ = i.genesis()
    exempt = genesis["draft"]["parameters"]["development_exemption"]
    growing = members.Growing(i.decode("registry", "Registry", MESSAGE), committee, found, exempt)
    after = growing.next_committee()
    return {"hash": after.hash.hex(), "holds": growing.holds(), "tickets": list(after.tickets)}


KINDS = {
    "bundle": _bundle,
    "signers": _signers,
    "committee": _committee,
    "member-list": _member_list,
    "draft": _draft,
    "genesis": _genesis,
    "light-genesis": _light,
    "commitment": _commitment,
    "signed-commitment": _signed_commitment,
    "ready": _ready,
    "header-vote": _header_vote,
    "value": _value,
    "evidence": _evidence,
    "vote": _vote,
    "proposal": _proposal,
    "commit-certificate": _commit_certificate,
    "polka-certificate": _polka_certificate,
    "round-certificate": _round_certificate,
    "vote-conflict": _vote_conflict,
    "proposal-conflict": _proposal_conflict,
    "proposer": _proposer,
    "assembly": _assembly,
    "certificate": _certificate,
    "header": _header,
    "beacon": _beacon,
    "follow": _follow,
    "leap": _leap,
    "past": _past,
    "hand-over": _hand_over,
    "mmr-proof": _mmr_proof,
    "transcript": _transcript,
    "mix": _mix,
    "expand": _expand,
    "draw": _draw,
    "draw-list": _draw_list,
    "point": _point,
    "scalar": _scalar,
    "ticket-key": _ticket_key,
    "recover": _recover,
    "registry": _registry,
    "next-committee": _next_committee,
}
