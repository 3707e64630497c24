"""Chapter pvss.md: the dealing, from its equations. Sums and powers instead of closed forms."""

from . import curve, wire
from .curve import L, encode, encode_scalar, equal, linear, multiply, multiply_base, neg, point, scalar
from .hashing import framed, h256, h512, u16, u32, u64
from .plan import threshold
from .rules import bind, cached, need, on


def _scalar_of(tag, *fields):
    return int.from_bytes(h512(tag, *fields), "little") % L


@cached
def base():
    """[pvss-1]"""
    return curve.from_uniform(h512("beacon/1/pvss/e0"))


def proper(encoding, rule):
    decoded = point(encoding)
    need(rule, not equal(decoded, curve.ZERO), "identity-point")
    return decoded


@cached
def ticket_set(keys):
    """E_0 … E_T as bytes and points. [pvss-2]"""
    need("pvss-2 number of keys", 1 <= len(keys) <= 683, "bad-count")
    need("pvss-2 no key twice", len(set(keys)) == len(keys), "duplicate-key")
    points = [base()] + [proper(key, "pvss-2 no identity among the keys") for key in keys]
    return (encode(base()),) + tuple(keys), tuple(points)


def context(chain, epoch, committee, round_, dealer):
    return b"".join(
        (
            bind("pvss-5 chain", chain),
            bind("pvss-5 epoch", u64(epoch)),
            bind("pvss-5 committee", committee),
            bind("pvss-5 round", u64(round_)),
            bind("pvss-5 dealer", u16(dealer)),
        )
    )


def _parameters(tickets):
    degree = threshold(tickets) - 1
    return bind("pvss-5 T", u32(tickets)) + bind("pvss-5 t", u32(max(degree, 0)))


def _statement(keys, around, d, c):
    """[pvss-5]"""
    bound = bind("pvss-5 keys", b"".join(keys)) + around + bind("pvss-5 D", d) + bind("pvss-5 C", b"".join(c))
    return h512("beacon/1/pvss/challenge", _parameters(len(keys) - 1), bound)


@cached
def _dual(tickets):
    """v_j as a product over all other positions."""
    weights = []
    for j in range(tickets + 1):
        product = 1
        for i in range(tickets + 1):
            if i != j:
                product = product * (j - i) % L
        weights.append(pow(product, L - 2, L))
    return weights


def _combiners(tickets, statement):
    """v_j · m(j). [pvss-6]"""
    z = int.from_bytes(statement, "little") % L
    terms = tickets - threshold(tickets) + 1
    combiners = []
    for j, v in enumerate(_dual(tickets)):
        m = sum(pow(z * j, k, L) for k in range(terms)) if on("pvss-6 the polynomial m") else 1
        combiners.append(v * m % L if on("pvss-6 the dual weights") else m % L)
    return combiners


def dealing_hash(around, dealing):
    """[pvss-8]"""
    proof = bind("pvss-8 proof in the hash", dealing["r1"] + dealing["r2"] + dealing["z"])
    return h256("beacon/1/dealing", around, dealing["d"], u32(len(dealing["c"])), b"".join(dealing["c"]), proof)


def verify(dealing, around, keys):
    """Gives D and the C as points and the hash."""
    return _verify(wire.encode(wire.DEALING, dealing), around, tuple(keys))


@cached
def _verify(raw, around, ticket_keys):
    dealing = wire.decode("Dealing", raw, 1 << 20)
    keys, points = ticket_set(ticket_keys)
    need("pvss-7 number of C", len(dealing["c"]) == len(keys), "bad-count")
    d = proper(dealing["d"], "pvss-7 D is not the identity")
    c = [point(each) for each in dealing["c"]]
    r1, r2, s = point(dealing["r1"]), point(dealing["r2"]), scalar(dealing["z"])
    statement = _statement(keys, around, dealing["d"], dealing["c"])
    challenge = _scalar_of("beacon/1/pvss/dleq", bind("pvss-6 h in the challenge", statement), dealing["r1"], dealing["r2"])
    combiners = _combiners(len(keys) - 1, statement)
    u, v = linear(combiners, points), linear(combiners, c)
    first = equal(multiply_base(s), curve.add(r1, multiply(challenge, d)))
    need("pvss-6 first equation", first, "bad-dealing")
    second = equal(multiply(s, u), curve.add(r2, multiply(challenge, v)))
    need("pvss-6 second equation", second, "bad-dealing")
    return d, c, dealing_hash(around, dealing)


def deal(seed, around, ticket_keys):
    """The dealing of a seed and its opening. [pvss-4]"""
    keys, points = ticket_set(tuple(ticket_keys))
    tickets = len(keys) - 1
    need_shares = threshold(tickets)
    keyed = h512("beacon/1/pvss/challenge", _parameters(tickets), b"".join(keys))[:32]
    root = h512("beacon/1/pvss/secret", bind("pvss-4 a label for each use", framed(b"dealing")), seed, around, keyed)
    d = _scalar_of("beacon/1/pvss/secret", framed(b"d"), root, u32(0))
    known = [_scalar_of("beacon/1/pvss/secret", framed(b"p"), root, u32(i)) for i in range(need_shares)]
    values = known + [_at(known, j) for j in range(need_shares, tickets + 1)]
    c = [encode(curve.add(multiply(d, e), multiply_base(value))) for e, value in zip(points, values)]
    big_d = encode(multiply_base(d))
    statement = _statement(keys, around, big_d, c)
    n = _scalar_of("beacon/1/pvss/nonce", framed(b"dealing"), root, statement)
    u = linear(_combiners(tickets, statement), points)
    r1, r2 = encode(multiply_base(n)), encode(multiply(n, u))
    z = n + _scalar_of("beacon/1/pvss/dleq", statement, r1, r2) * d
    return {"d": big_d, "c": c, "r1": r1, "r2": r2, "z": encode_scalar(z)}, encode_scalar(d)


def _lagrange(positions, at):
    """Coefficients that carry values at the positions to the value at `at`."""
    coefficients = []
    for j in positions:
        up = down = 1
        for i in positions:
            if i != j:
                up, down = up * (i - at) % L, down * (i - j) % L
        coefficients.append(up * pow(down, L - 2, L) % L)
    return coefficients


def _at(known, position):
    return sum(a * b for a, b in zip(_lagrange(range(len(known)), position), known)) % L


def open_dealing(verified, opening):
    """[pvss-10]"""
    d, c, _ = verified
    k = scalar(opening)
    need("pvss-10 d opens D", equal(multiply_base(k), d), "bad-opening")
    mask = multiply(k, base()) if on("pvss-13 C_0 without its mask") else curve.ZERO
    return encode(curve.add(c[0], neg(mask)))


def _share_challenge(hash_, position, key, a, r, r_):
    return _scalar_of(
        "beacon/1/pvss/share",
        bind("pvss-11 dealing in the challenge", hash_),
        bind("pvss-11 position in the challenge", u16(position)),
        bind("pvss-11 key in the challenge", key),
        bind("pvss-11 A in the challenge", a),
        r + r_,
    )


def verify_share(share, verified, ticket_keys):
    """[pvss-11]"""
    d, c, hash_ = verified
    keys, points = ticket_set(tuple(ticket_keys))
    j = share["position"]
    need("pvss-11 position", 1 <= j < len(keys), "bad-position")
    j = min(j, len(keys) - 1)
    a, k, s = point(share["a"]), scalar(share["challenge"]), scalar(share["response"])
    r = curve.add(multiply_base(s), neg(multiply(k, points[j])))
    masked = curve.add(c[j], neg(a))
    r_ = curve.add(multiply(s, d), neg(multiply(k, masked)))
    found = _share_challenge(hash_, share["position"], keys[j], share["a"], encode(r), encode(r_))
    need("pvss-11 challenge", found == k, "bad-share")


def make_share(e, position, verified, key):
    d, c, hash_ = verified
    n = _scalar_of("beacon/1/pvss/nonce", framed(b"share"), encode_scalar(e), hash_, u16(position))
    a = encode(curve.add(c[position], neg(multiply(e, d))))
    k = _share_challenge(hash_, position, key, a, encode(multiply_base(n)), encode(multiply(n, d)))
    return {"position": position, "a": a, "challenge": encode_scalar(k), "response": encode_scalar(n + k * e)}


def recover(shares, ticket_keys):
    """[pvss-12]"""
    tickets = len(ticket_keys)
    need_shares = threshold(tickets)
    need("pvss-12 enough shares", len(shares) >= need_shares, "too-few-shares")
    used = shares[:need_shares] if on("pvss-12 surplus shares are left alone") else shares
    positions = [share["position"] for share in used]
    need("pvss-12 no position twice", len(set(positions)) == len(positions), "bad-position")
    need("pvss-12 positions in range", all(1 <= j <= tickets for j in positions), "bad-position")
    coefficients = _lagrange(positions, 0) if on("pvss-12 interpolation") else [1] * len(positions)
    return encode(linear(coefficients, [point(share["a"]) for share in used]))


def ticket_secret(seed):
    return _scalar_of("beacon/1/pvss/secret", framed(b"ticket key"), seed)


def possession_challenge(around, k, key, r):
    return _scalar_of(
        "beacon/1/ticket-key-proof",
        bind("pvss-3 context", around),
        bind("pvss-3 place in the bundle", u16(k)),
        bind("pvss-3 key", key),
        r,
    )


@cached
def verify_possession(key, around, k, challenge, response):
    """[pvss-3]"""
    e = proper(key, "pvss-3 no identity")
    c, s = scalar(challenge), scalar(response)
    r = curve.add(multiply_base(s), neg(multiply(c, e)))
    need("pvss-3 challenge", possession_challenge(around, k, key, encode(r)) == c, "bad-possession")
