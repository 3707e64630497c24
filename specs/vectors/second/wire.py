"""Chapter encoding.md: the wire format, both ways, and the JSON of every type."""

import struct

from .rules import Reject, cached, need, on

EXACT = 2**53
_WIDTH = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}


def fixed(size):
    return ("fixed", size)


def vec(entry):
    return ("vec", entry)


def option(value):
    return ("option", value)


def record(**fields):
    return ("record", list(fields.items()))


def variants(**kinds):
    return ("variants", list(kinds.items()))


def pair(*entries):
    return ("pair", entries)


DIGEST, KEY, POINT, SCALAR, SIGNATURE = fixed(32), fixed(32), fixed(32), fixed(32), fixed(64)
BLOB = ("blob",)

TICKET_KEY = record(key=POINT, proof=record(challenge=SCALAR, response=SCALAR))
KEY_BUNDLE = record(
    epoch="u64", voting_key=KEY, ticket_keys=vec(TICKET_KEY), voting_proof=SIGNATURE, signature=SIGNATURE
)
MEMBER = record(identity=KEY, weight="u64", bundle=KEY_BUNDLE)
SIGNER_LIST = record(
    epoch="u64",
    membership="u64",
    signers=vec(record(identity=KEY, weight="u64", voting_key=KEY)),
    ticket_root=DIGEST,
)
MEMBER_LIST = record(epoch="u64", membership="u64", members=vec(MEMBER))
SCHEDULE = record(genesis_time="u64", period="u64", window="u64", epoch_windows="u64")
PARAMETERS = record(
    schedule=SCHEDULE,
    catch_up_interval="u64",
    lead="u64",
    recovery_delay="u64",
    grace="u64",
    registrations_per_value="u16",
    development_exemption="bool",
)
DRAFT = record(
    version="u16",
    name="text",
    parameters=PARAMETERS,
    members=vec(record(identity=KEY, weight="u64")),
    predecessor=option(record(chain=DIGEST, round="u64", header_hash=DIGEST)),
)
DEALING = record(d=POINT, c=vec(POINT), r1=POINT, r2=POINT, z=SCALAR)
SHARE = record(position="u16", a=POINT, challenge=SCALAR, response=SCALAR)
COMMITMENT_BODY = record(epoch="u64", window="u64", member="u16", root=DIGEST)
SIGNED_COMMITMENT = record(body=COMMITMENT_BODY, signature=SIGNATURE)
REGISTRATION = record(member="u16", bundle=KEY_BUNDLE)
CHANGE = variants(
    Add=record(identity=KEY, weight="u64", bundle=KEY_BUNDLE),
    Remove=record(identity=KEY),
    Weight=record(identity=KEY, weight="u64"),
)
AMENDMENT = record(follows="u64", expires="u64", changes=vec(CHANGE), approvals=vec(pair("u16", SIGNATURE)))
VALUE = record(
    window="u64",
    epoch="u64",
    set=vec(record(member="u16", commitment=DIGEST)),
    registrations=vec(REGISTRATION),
    amendment=option(AMENDMENT),
    registry=DIGEST,
)
VOTE_KIND = variants(Prevote=None, Precommit=None)
VOTE = record(height="u64", round="u32", kind=VOTE_KIND, value_id=option(DIGEST), member="u16")
SIGNED_VOTE = record(vote=VOTE, signature=SIGNATURE)
PROPOSAL = record(height="u64", round="u32", pol_round=option("u32"), value_id=DIGEST, member="u16")
SIGNED_PROPOSAL = record(proposal=PROPOSAL, value=BLOB, signature=SIGNATURE)
QUORUM_CERTIFICATE = record(height="u64", round="u32", value_id=DIGEST, signers=vec(pair("u16", SIGNATURE)))
ROUND_CERTIFICATE = record(
    height="u64",
    round="u32",
    kind=variants(Skip=None, Precommit=None),
    votes=vec(record(member="u16", kind=VOTE_KIND, value_id=option(DIGEST), signature=SIGNATURE)),
)
HEADER = record(
    version="u16",
    chain=DIGEST,
    round="u64",
    due="u64",
    previous=DIGEST,
    epoch="u64",
    committee=DIGEST,
    next_committee=DIGEST,
    window="u64",
    dealing_set=DIGEST,
    weight="u64",
    contributors="u32",
    mmr=DIGEST,
    output=DIGEST,
)
CERTIFICATE = record(bitmap=BLOB, signatures=vec(SIGNATURE))
REVEALED = variants(opened=SCALAR, recovered=vec(SHARE))
MMR = record(count="u64", peaks=vec(DIGEST))
HEADER_VOTE = record(round="u64", member="u16", header=DIGEST, signature=SIGNATURE)
BEACON = record(header=HEADER, certificate=CERTIFICATE)
PROPOSAL_HEAD = record(proposal=PROPOSAL, signature=SIGNATURE)
EVIDENCE = variants(
    two_commitments=record(first=SIGNED_COMMITMENT, second=SIGNED_COMMITMENT),
    bad_dealing=record(signed=SIGNED_COMMITMENT, hashes=vec(DIGEST), index="u16", dealing=DEALING),
    two_proposals=record(first=PROPOSAL_HEAD, second=PROPOSAL_HEAD),
    two_votes=record(first=SIGNED_VOTE, second=SIGNED_VOTE),
    two_header_votes=record(first=HEADER_VOTE, second=HEADER_VOTE),
    uncertified_header=record(vote=HEADER_VOTE, beacon=BEACON),
)

TYPES = {
    "KeyBundle": KEY_BUNDLE,
    "Member": MEMBER,
    "Members": vec(MEMBER),
    "MemberList": MEMBER_LIST,
    "SignerList": SIGNER_LIST,
    "Draft": DRAFT,
    "Genesis": record(draft=DRAFT, bundles=vec(KEY_BUNDLE)),
    "LightGenesis": record(draft=DRAFT, signers=SIGNER_LIST, bundles=DIGEST),
    "Dealing": DEALING,
    "Share": SHARE,
    "Commitment": record(signed=SIGNED_COMMITMENT, dealings=vec(DEALING)),
    "SignedCommitment": SIGNED_COMMITMENT,
    "Opening": record(round="u64", member="u16", d=SCALAR),
    "Ready": record(round="u64", member="u16", signature=SIGNATURE),
    "Shares": record(round="u64", member="u16", dealers=vec(record(dealer="u16", shares=vec(SHARE)))),
    "HeaderVote": HEADER_VOTE,
    "Evidence": EVIDENCE,
    "Registration": REGISTRATION,
    "Change": CHANGE,
    "Amendment": AMENDMENT,
    "Value": VALUE,
    "Registry": record(epoch="u64", registered=vec(REGISTRATION), pending=option(AMENDMENT)),
    "Vote": VOTE,
    "SignedVote": SIGNED_VOTE,
    "Proposal": PROPOSAL,
    "SignedProposal": SIGNED_PROPOSAL,
    "CommitCertificate": QUORUM_CERTIFICATE,
    "PolkaCertificate": QUORUM_CERTIFICATE,
    "RoundCertificate": ROUND_CERTIFICATE,
    "ConsensusMessage": variants(
        Proposal=SIGNED_PROPOSAL,
        Vote=SIGNED_VOTE,
        PolkaCertificate=QUORUM_CERTIFICATE,
        RoundCertificate=ROUND_CERTIFICATE,
    ),
    "Certificate": CERTIFICATE,
    "Header": HEADER,
    "Beacon": BEACON,
    "Transcript": record(round="u64", contributions=vec(record(member="u16", dealing=DEALING, revealed=REVEALED))),
    "Mmr": MMR,
    "MmrProof": record(siblings=vec(DIGEST)),
}


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        need("codec-2 input that ends early", self.at + size <= len(self.data), "malformed")
        self.at += size
        return self.data[self.at - size : self.at].ljust(min(size, 1 << 12), b"\0")

    def number(self, size):
        return int.from_bytes(self.take(size), "big" if on("codec-1 big-endian") else "little")

    def count(self, least):
        count = self.number(8)
        need("codec-2 input that ends early", count * least <= len(self.data) - self.at, "malformed")
        return min(count, 1 << 16)

    def read(self, shape):
        if isinstance(shape, str):
            return self.plain(shape)
        kind = shape[0]
        if kind == "fixed":
            return self.take(shape[1])
        if kind == "blob":
            return self.take(self.count(1))
        if kind == "vec":
            return [self.read(shape[1]) for _ in range(self.count(1))]
        if kind == "pair":
            return tuple(self.read(entry) for entry in shape[1])
        if kind == "option":
            tag = self.number(1)
            need("codec-2 option byte", tag <= 1, "malformed")
            return self.read(shape[1]) if tag else None
        if kind == "variants":
            number = self.number(4)
            need("codec-2 variant", number < len(shape[1]), "malformed")
            name, content = shape[1][min(number, len(shape[1]) - 1)]
            return name, content and self.read(content)
        value = {name: self.read(field) for name, field in shape[1]}
        if shape is MMR:
            shaped = value["count"] < 2**62 and len(value["peaks"]) == bin(value["count"]).count("1")
            need("mmr-2 one peak a bit", shaped, "malformed")
        return value

    def plain(self, shape):
        if shape == "bool":
            flag = self.number(1)
            need("codec-2 bool byte", flag <= 1, "malformed")
            return flag == 1
        if shape == "text":
            try:
                return self.take(self.count(1)).decode("utf-8")
            except UnicodeDecodeError:
                raise Reject("malformed") from None
        return self.number(_WIDTH[shape])


@cached
def decode(name, data, limit):
    """[codec-2]"""
    need("codec-2 limit", len(data) <= limit, "too-long")
    reader = _Reader(data)
    value = reader.read(TYPES[name])
    need("codec-2 bytes left over", reader.at == len(data), "trailing-bytes")
    return value


def encode(shape, value):
    """[codec-1]"""
    if isinstance(shape, str):
        if shape == "bool":
            return bytes([value])
        if shape == "text":
            return struct.pack(">Q", len(value.encode())) + value.encode()
        return value.to_bytes(_WIDTH[shape], "big")
    kind = shape[0]
    if kind == "fixed":
        return value
    if kind == "blob":
        return struct.pack(">Q", len(value)) + value
    if kind == "vec":
        return struct.pack(">Q", len(value)) + b"".join(encode(shape[1], entry) for entry in value)
    if kind == "pair":
        return b"".join(encode(*both) for both in zip(shape[1], value))
    if kind == "option":
        return b"\0" if value is None else b"\1" + encode(shape[1], value)
    if kind == "variants":
        number = [name for name, _ in shape[1]].index(value[0])
        content = shape[1][number][1]
        return struct.pack(">I", number) + (encode(content, value[1]) if content else b"")
    return b"".join(encode(field, value[name]) for name, field in shape[1])


def to_json(shape, value):
    """[codec-3]"""
    if isinstance(shape, str):
        large = shape == "u64" and value > EXACT and on("codec-3 large numbers as text")
        return str(value) if large else value
    kind = shape[0]
    if kind in ("fixed", "blob"):
        return value.hex()
    if kind == "vec":
        return [to_json(shape[1], entry) for entry in value]
    if kind == "pair":
        return [to_json(*both) for both in zip(shape[1], value)]
    if kind == "option":
        return None if value is None else to_json(shape[1], value)
    if kind == "variants":
        content = dict(shape[1])[value[0]]
        return {value[0]: to_json(content, value[1])} if content else value[0]
    return {name: to_json(field, value[name]) for name, field in shape[1]}
