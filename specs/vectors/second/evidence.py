"""Chapter evidence.md: what proves a crime of a member."""

from . import chain as chains
from . import curve, messages, pvss
from .plan import epoch_of_window, rounds_of, window_of
from .rules import Reject, need, on

CRIMES = {
    "two_commitments": "two commitments for one window",
    "bad_dealing": "signed dealings that do not verify",
    "two_proposals": "two proposals of one round",
    "two_votes": "two votes of one step",
    "two_header_votes": "two header votes for one round",
    "uncertified_header": "a header vote against the certified header",
}


def _place(kind, given, schedule):
    """The member that the first signed part names, and the window that it is for. [evidence-1]"""
    if kind == "two_commitments":
        return given["first"]["body"]["member"], given["first"]["body"]["window"]
    if kind == "bad_dealing":
        return given["signed"]["body"]["member"], given["signed"]["body"]["window"]
    if kind in ("two_proposals", "two_votes"):
        part = given["first"]["proposal" if kind == "two_proposals" else "vote"]
        return part["member"], part["height"]
    vote = given["first"] if kind == "two_header_votes" else given["vote"]
    return vote["member"], window_of(schedule, vote["round"])


def _contradict(kind, given):
    """[evidence-2]"""
    if kind == "bad_dealing":
        return True
    if kind == "uncertified_header":
        vote, header = given["vote"], given["beacon"]["header"]
        same = header["round"] == vote["round"] or not on("evidence-2 beacon of the round")
        return same and (chains.header_hash(header) != vote["header"] or not on("evidence-2 another header"))
    first, second = given["first"], given["second"]
    if kind == "two_proposals":
        return messages.proposals_conflict(first["proposal"], second["proposal"])
    if kind == "two_votes":
        return messages.votes_conflict(first["vote"], second["vote"])
    if kind == "two_commitments":
        first, second = first["body"], second["body"]
        same = first["window"] == second["window"] or not on("evidence-2 commitments for one window")
        differ = first != second or not on("evidence-2 bodies differ")
    else:
        same = first["round"] == second["round"] or not on("evidence-2 header votes for one round")
        differ = first["header"] != second["header"] or not on("evidence-2 headers differ")
    return same and differ and (first["member"] == second["member"] or not on("evidence-2 one member"))


def _digests(kind, given, chain):
    """What was signed, with the signatures. [evidence-3]"""
    if kind == "uncertified_header":
        parts = [given["vote"]]
    else:
        parts = [given["first"], given["second"]]
    for part in parts:
        if kind == "two_commitments":
            digest = messages.commitment_hash(part["body"], chain)
        elif kind == "two_proposals":
            digest = messages.proposal_digest(chain, part["proposal"])
        elif kind == "two_votes":
            vote = part["vote"]
            place = vote["kind"][0], vote["height"], vote["round"], vote["value_id"], vote["member"]
            digest = messages.vote_digest(chain, *place)
        else:
            digest = messages.vote_digest_of_header(chain, part["round"], part["header"])
        yield digest, part["signature"]


def _bad_dealing(given, chain, schedule, committee):
    """[evidence-4]"""
    body, hashes, index, dealing = given["signed"]["body"], given["hashes"], given["index"], given["dealing"]
    need("evidence-4 epoch", body["epoch"] == committee.epoch, "not-evidence")
    first, last = rounds_of(schedule, body["window"])
    need("evidence-4 count", len(hashes) == last - first + 1, "bad-count")
    need("evidence-4 length", len(dealing["c"]) <= 684, "too-long")
    need("evidence-4 root", messages.dealings_root(hashes) == body["root"], "wrong-root")
    if on("evidence-4 signature"):
        key = committee.signers.voting_key(body["member"])
        curve.verify(key, messages.commitment_hash(body, chain), given["signed"]["signature"])
    need("evidence-4 index", index < len(hashes), "bad-position")
    index = min(index, len(hashes) - 1)
    context = pvss.context(chain, committee.epoch, committee.hash, first + index, body["member"])
    need("evidence-4 dealing of the hash", pvss.dealing_hash(context, dealing) == hashes[index], "wrong-root")
    try:
        pvss.verify(dealing, context, committee.keys)
    except Reject:
        return
    need("evidence-4 refused dealing", False, "not-evidence")


def check(evidence, chain, schedule, committee):
    kind, given = evidence
    member, window = _place(kind, given, schedule)
    epoch = epoch_of_window(schedule, window)
    need("evidence-1 epoch", window > 0 and epoch == committee.epoch, "wrong-epoch")
    need("evidence-2 contradiction", _contradict(kind, given), "not-evidence")
    key = committee.signers.voting_key(member)
    if kind == "bad_dealing":
        _bad_dealing(given, chain, schedule, committee)
    else:
        for digest, signature in _digests(kind, given, chain):
            if on("evidence-3 signatures"):
                curve.verify(key, digest, signature)
    if kind == "uncertified_header" and on("evidence-3 beacon"):
        chains.check_beacon(given["beacon"], chain, schedule, committee.signers)
    return {"member": member, "crime": CRIMES[kind], "epoch": epoch}
