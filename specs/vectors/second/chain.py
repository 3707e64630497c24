"""Chapters mix.md, certificate.md, chain.md, trust.md: from secrets to outputs, and from header to header."""

from . import curve, pvss, wire
from .hashing import h256, hkdf, hkdf_expand, tree_root, u16, u32, u64
from .members import Signers, list_hash
from .messages import vote_digest_of_header
from .plan import epoch_of, is_last_round, mmr_verify, time_of, window_of
from .rules import bind, need, on


# mix.md


def dealing_set_root(round_, dealings):
    """[mix-1]"""
    leaves = [h256("beacon/1/dealing-leaf", bind("mix-1 member", u16(member)), hash_) for member, hash_ in dealings]
    count = bind("mix-1 count", u32(len(dealings)))
    return h256("beacon/1/dealing-set", bind("mix-1 round", u64(round_)), count, tree_root(leaves))


def output(chain, round_, previous, root, secrets):
    """[mix-2]"""
    salt = h256("beacon/1/mix-salt", bind("mix-2 header before", previous), bind("mix-2 dealing set", root))
    ikm = b"".join(bind("mix-2 member", u16(member)) + secret for member, secret in secrets)
    info = b"beacon/1/output" + bind("mix-2 chain", chain) + bind("mix-2 round", u64(round_))
    return hkdf(salt, ikm, info, 32)


def expand(secret, label, length):
    """[mix-3]"""
    return hkdf_expand(secret, b"beacon/1/expand" + bind("mix-3 label", label), length)


# certificate.md


def check_certificate(certificate, chain, round_, header, signers):
    """[certify-3] and [certify-4]. Gives the members."""
    bitmap, signatures, count = certificate["bitmap"], certificate["signatures"], len(signers.keys)
    need("certify-3 length of the bitmap", len(bitmap) == -(-count // 8), "bad-bitmap")
    members = []
    for place in range(8 * len(bitmap)):
        if bitmap[place // 8] >> place % 8 & 1:
            if place >= count:
                need("certify-3 surplus bits", False, "bad-bitmap")
                continue
            need("certify-3 bits of the weightless", signers.weight(place) > 0, "bad-bitmap")
            members.append(place)
    need("certify-4 one signature a bit", len(signatures) == len(members), "bad-count")
    weight = sum(signers.weight(member) for member in members)
    need("certify-4 quorum", signers.is_quorum(weight), "no-quorum")
    for i, (member, signature) in enumerate(zip(members, signatures)):
        if on("certify-4 every signature") or i < len(members) - 1:
            curve.verify(signers.keys[member], vote_digest_of_header(chain, round_, header), signature)
    return members


def assemble(votes, signers):
    """[certify-2]"""
    weigh = (lambda vote: (-signers.weight(vote[0]), vote[0])) if on("certify-2 heaviest first") else (lambda vote: vote[0])
    chosen, weight = [], 0
    for vote in sorted(votes, key=weigh):
        chosen.append(vote)
        weight += signers.weight(vote[0])
        if signers.is_quorum(weight) and on("certify-2 no more than a quorum"):
            break
    if not signers.is_quorum(weight) and on("certify-2 a quorum or nothing"):
        return None
    bitmap = bytearray(-(-len(signers.keys) // 8))
    for member, _ in chosen:
        bitmap[member // 8] |= 1 << member % 8
    return {"bitmap": bytes(bitmap), "signatures": [signature for _, signature in sorted(chosen)]}


# chain.md


def header_hash(header):
    """[chain-2]"""
    return h256("beacon/1/header", bind("chain-2 every field", wire.encode(wire.HEADER, header)))


def check_header(header, chain, schedule):
    """[chain-3]"""
    round_ = header["round"]
    need("chain-3 version", header["version"] == 1, "unknown-version")
    need("chain-3 chain", header["chain"] == chain, "wrong-chain")
    need("chain-3 no header of round 0", round_ > 0, "wrong-round")
    need("chain-3 due time", time_of(schedule, round_) == header["due"], "wrong-due-time")
    need("chain-3 window", window_of(schedule, round_) == header["window"], "wrong-window")
    need("chain-3 epoch", epoch_of(schedule, round_) == header["epoch"], "wrong-epoch")
    same = header["next_committee"] == header["committee"]
    need("chain-3 next committee", same or is_last_round(schedule, round_), "wrong-committee")


def check_beacon(beacon, chain, schedule, signers):
    """[chain-4]"""
    header = beacon["header"]
    check_header(header, chain, schedule)
    need("chain-4 epoch of the committee", header["epoch"] == signers.epoch, "wrong-committee")
    need("chain-4 committee", header["committee"] == signers.hash, "wrong-committee")
    hash_ = header_hash(header)
    if on("chain-4 certificate"):
        check_certificate(beacon["certificate"], chain, header["round"], hash_, signers)
    return hash_


def audit(transcript, header, committee):
    """[chain-5]"""
    round_, contributions = transcript["round"], transcript["contributions"]
    need("chain-5 round", round_ == header["round"], "wrong-round")
    need("chain-5 committee", committee.hash == header["committee"], "wrong-committee")
    order = [contribution["member"] for contribution in contributions]
    need("chain-5 order", all(a < b for a, b in zip(order, order[1:])), "not-sorted")
    hashes, secrets, weight = [], [], 0
    for contribution in contributions:
        member, (how, what) = contribution["member"], contribution["revealed"]
        committee.signers.voting_key(member)
        weight += committee.signers.weight(member)
        around = pvss.context(header["chain"], committee.epoch, committee.hash, round_, member)
        verified = pvss.verify(contribution["dealing"], around, committee.keys)
        hashes.append((member, verified[2]))
        if how == "opened":
            secrets.append((member, pvss.open_dealing(verified, what)))
            continue
        for share in what:
            if on("chain-5 shares verify"):
                pvss.verify_share(share, verified, committee.keys)
        secrets.append((member, pvss.recover(what, committee.keys)))
    root = dealing_set_root(round_, hashes)
    need("chain-5 dealing set", root == header["dealing_set"], "wrong-root")
    need("chain-5 weight", weight == header["weight"], "bad-count")
    need("chain-5 count", len(contributions) == header["contributors"], "bad-count")
    mixed = output(header["chain"], round_, header["previous"], root, secrets)
    need("chain-5 output", mixed == header["output"], "wrong-output")


# trust.md


def _head(header, hash_):
    return {"round": header["round"], "hash": hash_, "committee": header["next_committee"]}


def follow(head, beacon, chain, schedule, signers):
    """[trust-2]"""
    header = beacon["header"]
    check_header(header, chain, schedule)
    need("trust-2 next round", header["round"] == head["round"] + 1, "wrong-round")
    need("trust-2 link", header["previous"] == head["hash"], "broken-link")
    need("trust-2 committee named before", header["committee"] == head["committee"], "wrong-committee")
    return _head(header, check_beacon(beacon, chain, schedule, signers))


def hand_over(last, schedule, signers):
    """[trust-3]"""
    need("trust-3 last round of an epoch", is_last_round(schedule, last["round"]), "wrong-round")
    need("trust-3 list that the header names", list_hash(signers) == last["next_committee"], "wrong-committee")
    need("trust-3 the very next epoch", signers["epoch"] == last["epoch"] + 1, "wrong-epoch")
    return Signers(signers).hash


def leap(head, beacon, siblings, chain, schedule, signers):
    """[trust-4]"""
    header = beacon["header"]
    hash_ = check_beacon(beacon, chain, schedule, signers)
    if header["round"] == head["round"]:
        need("trust-4 one header a round", hash_ == head["hash"], "conflict")
        return head
    if (head["round"] > 0 or not on("trust-1 the genesis needs no proof")) and on("trust-4 head under the root"):
        mmr_verify(header["mmr"], header["round"] - 1, head["round"], head["hash"], siblings)
    return _head(header, hash_)


def past(head, beacon, siblings, chain, schedule, signers):
    """[trust-5]"""
    header = beacon["header"]
    check_header(header, chain, schedule)
    if on("trust-5 under the root"):
        mmr_verify(head["mmr"], head["round"] - 1, header["round"], header_hash(header), siblings)
    return check_beacon(beacon, chain, schedule, signers)
