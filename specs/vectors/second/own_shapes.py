"""The vector files that have a shape of their own, older than `kind` and `in`."""

from hashlib import sha3_256

from . import curve, hashing, pvss, plan, wire
from .rules import Reject
from .text import read_share, unhex

MESSAGE = 1 << 20


def _refusal(judge):
    """The verdict alone."""
    try:
        judge()
        return None
    except Reject as reject:
        return reject.verdict


def _hash_cases(file):
    widths = {"u16": hashing.u16, "u32": hashing.u32, "u64": hashing.u64}

    def part(given):
        kind, value = next(iter(given.items()))
        if kind in widths:
            return widths[kind](int(value))
        return hashing.framed(unhex(value)) if kind == "framed" else unhex(value)

    for key, function in (("tagged", hashing.h256), ("wide", hashing.h512)):
        for n, case in enumerate(file[key]):
            yield f"{key} {n}", case["digest"], lambda case=case, function=function: function(
                case["tag"], *(part(given) for given in case["parts"])
            ).hex()
    for case in file["trees"]:
        leaves = [unhex(leaf) for leaf in case["leaves"]]
        yield f"tree of {len(leaves)}", case["root"], lambda leaves=leaves: hashing.tree_root(leaves).hex()

    def derived(function, *inputs):
        try:
            return [sha3_256(function(*inputs)).hexdigest(), None]
        except Reject as reject:
            return [None, reject.verdict]

    for n, case in enumerate(file["hkdf"] + file["expand"]):
        info = b"".join(unhex(part) for part in case["info"])
        inputs = (hashing.hkdf, unhex(case["salt"]), unhex(case["ikm"])) if "salt" in case else (
            hashing.hkdf_expand, unhex(case["key"]))  # fmt: skip
        expected = [case["sha3_256_of_output"], case["reject"]]
        yield f"derivation {n}", expected, lambda i=inputs, info=info, n=case["length"]: derived(*i, info, n)


def _key_cases(file):
    for case in file["keys"]:
        yield case["name"], case["reject"], lambda case=case: _refusal(lambda: curve.public_key(unhex(case["key"])))
    for case in file["signatures"]:
        raw = [unhex(case[name]) for name in ("key", "digest", "signature")]
        yield f"signature {case['name']}", case["reject"], lambda raw=raw: _refusal(lambda: curve.verify(*raw))
        if case.get("seed"):
            made = [raw[0].hex(), raw[2].hex()]
            seed = unhex(case["seed"])
            yield f"signing {case['name']}", made, lambda seed=seed, raw=raw: [
                part.hex() for part in curve.sign(seed, raw[1])
            ]


def _ticket_cases(file):
    for case in file:
        weights = tuple(int(weight) for weight in case["weights"])
        expected = [case["tickets"], case["total"], case["threshold"]]

        def judge(weights=weights):
            given = list(plan.tickets(weights))
            return [given, sum(given), plan.threshold(sum(given))]

        yield f"{len(weights)} weights {str(case['weights'])[:60]}", expected, judge


def _answer(judge):
    try:
        return judge()
    except Reject as reject:
        return {"reject": reject.verdict}


def _number(value):
    return int(value) if isinstance(value, str) else value


def _schedule_cases(file):
    for kind, given in (("round", "rounds"), ("window", "windows"), ("time", "times")):
        for case in file[given]:
            schedule = {name: int(value) for name, value in case["schedule"].items()}
            at = int(case[kind])
            expected = {name: _number(value) for name, value in case.items() if name not in ("schedule", kind)}
            if expected.get("rounds"):
                expected["rounds"] = tuple(_number(end) for end in expected["rounds"])

            def judge(kind=kind, schedule=schedule, at=at):
                if kind == "time":
                    return {"round": _answer(lambda: plan.round_at(schedule, at))}
                if kind == "window":
                    epoch = plan.epoch_of_window(schedule, at)
                    last = plan.last_window_of_epoch(schedule, epoch)
                    return {"rounds": plan.rounds_of(schedule, at), "epoch": epoch, "last_window_of_epoch": last}
                return {
                    "time": _answer(lambda: plan.time_of(schedule, at)),
                    "window": plan.window_of(schedule, at),
                    "epoch": plan.epoch_of(schedule, at),
                    "last_of_epoch": plan.is_last_round(schedule, at),
                }

            yield f"{kind} {at} of {case['schedule']}", expected, judge


def _mmr_cases(file):
    yield "empty root", file["empty_root"], lambda: plan.mmr_root([]).hex()
    for entry in file["ranges"]:
        headers = [unhex(header) for header in entry["headers"]]
        label = f"range of {len(headers)}"
        yield f"{label}, nodes", entry["nodes"], lambda headers=headers: [
            [position, made.hex()] for position, made in enumerate(plan.mmr_nodes(headers))
        ]
        yield f"{label}, roots", entry["roots"], lambda headers=headers: [
            plan.mmr_root(headers[:count]).hex() for count in range(1, len(headers) + 1)
        ]
        for n, proof in enumerate(entry["proofs"]):
            inputs = (
                unhex(proof["root"]),
                int(proof["count"]),
                int(proof["round"]),
                unhex(proof["header"]),
                [unhex(sibling) for sibling in proof["siblings"]],
            )
            yield f"{label}, proof {n}", proof["reject"], lambda inputs=inputs: _refusal(
                lambda: plan.mmr_verify(*inputs)
            )
            if proof["reject"] is None:
                count, round_ = inputs[1:3]
                yield f"{label}, proving {n}", proof["siblings"], lambda h=headers[:count], r=round_: [
                    sibling.hex() for sibling in plan.mmr_prove(r, h)
                ]


def _context(given):
    return pvss.context(
        unhex(given["chain"]), given["epoch"], unhex(given["committee"]), given["round"], given["dealer"]
    )


def _dealing(text):
    return wire.decode("Dealing", unhex(text), MESSAGE)


def _verdict(judge):
    return _refusal(judge) or "ok"


def _plain_share(share):
    return {name: value if name == "position" else value.hex() for name, value in share.items()}


def _pvss_cases(file):
    yield "base of the secret", file["secret_base"], lambda: curve.encode(pvss.base()).hex()
    for case in file["honest"]:
        yield from _honest_cases(case)
    keys = tuple(unhex(key) for key in file["five_keys"])
    around = _context(file["five_context"])
    for case in file["odd_but_valid"]:

        def judge(case=case):
            verified = pvss.verify(_dealing(case["dealing"]), around, keys)
            shares = [read_share(share) for share in case["shares"]]
            for share in shares:
                pvss.verify_share(share, verified, keys)
            recovered = {pvss.recover(shares[i:] + shares[:i], keys).hex() for i in range(len(shares))}
            return [pvss.open_dealing(verified, unhex(case["opening"])).hex()], recovered

        yield f"odd but valid: {case['name']}", ([case["secret"]], {case["secret"]}), judge
    for case in file["refused_dealings"]:
        yield f"refused: {case['name']}", case["verdict"], lambda case=case: _verdict(
            lambda: pvss.verify(_dealing(case["dealing"]), _context(case["context"]), keys)
        )
    for given, what in (("refused_shares", "share"), ("refused_openings", "opening")):
        dealing = file[given]["dealing"]
        for case in file[given]["cases"]:

            def judge(case=case, what=what, dealing=dealing):
                verified = pvss.verify(_dealing(dealing), around, keys)
                if what == "share":
                    pvss.verify_share(read_share(case["share"]), verified, keys)
                else:
                    pvss.open_dealing(verified, unhex(case["opening"]))

            yield f"refused {what}: {case['name']}", case["verdict"], lambda judge=judge: _verdict(judge)
    for case in file["possession"]:
        proof = [unhex(case["proof"][name]) for name in ("challenge", "response")]
        inputs = (unhex(case["key"]), unhex(case["context"]), case["k"], *proof)
        yield f"possession: {case['name']}", case["verdict"], lambda inputs=inputs: _verdict(
            lambda: pvss.verify_possession(*inputs)
        )
    for case in file["key_sets"]:
        given = tuple(unhex(key) for key in case["keys"])
        yield f"key set: {case['name']}", case["verdict"], lambda given=given: _verdict(lambda: pvss.ticket_set(given))


def _honest_cases(case):
    keys = tuple(unhex(key) for key in case["keys"])
    around = _context(case["context"])
    label = f"honest, T = {len(keys)}"
    secrets = [pvss.ticket_secret(unhex(seed)) for seed in case["ticket_seeds"]]
    yield f"{label}, keys", case["keys"], lambda: [
        curve.encode(curve.multiply_base(pvss.ticket_secret(unhex(seed)))).hex() for seed in case["ticket_seeds"]
    ]

    def dealt():
        dealing, opening = pvss.deal(unhex(case["seed"]), around, keys)
        return [wire.encode(wire.DEALING, dealing).hex(), opening.hex(), plan.threshold(len(keys))]

    yield f"{label}, dealing", [case["dealing"], case["opening"], case["threshold"]], dealt

    def shared():
        verified = pvss.verify(_dealing(case["dealing"]), around, keys)
        shares = [pvss.make_share(e, j + 1, verified, keys[j]) for j, e in enumerate(secrets)]
        for share in shares:
            pvss.verify_share(share, verified, keys)
        opened = pvss.open_dealing(verified, unhex(case["opening"]))
        return [
            verified[2].hex(),
            [_plain_share(share) for share in shares],
            opened.hex(),
            pvss.recover(shares, keys).hex(),
            pvss.recover(shares[::-1], keys).hex(),
        ]

    yield f"{label}, shares", [case["hash"], case["shares"], case["secret"], case["secret"], case["secret"]], shared


READERS = {
    "hash": _hash_cases,
    "keys": _key_cases,
    "tickets": _ticket_cases,
    "schedule": _schedule_cases,
    "mmr": _mmr_cases,
    "pvss": _pvss_cases,
}
