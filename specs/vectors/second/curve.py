"""edwards25519 and ristretto255 (RFC 8032, RFC 9496), in extended coordinates. Not in constant time: all is public."""

import hashlib

from .rules import Reject, cached, need, on

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
ZERO = (0, 1, 1, 0)


def add(a, b):
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    s = (y1 - x1) * (y2 - x2) % P
    u = (y1 + x1) * (y2 + x2) % P
    v = 2 * t1 * t2 * D % P
    w = 2 * z1 * z2 % P
    e, f, g, h = u - s, w - v, w + v, u + s
    return e * f % P, g * h % P, f * g % P, e * h % P


def double(a):
    x, y, z, _ = a
    xx, yy, zz = x * x % P, y * y % P, 2 * z * z % P
    h = xx + yy
    e = h - (x + y) * (x + y) % P
    g = xx - yy
    f = zz + g
    return e * f % P, g * h % P, f * g % P, e * h % P


def neg(a):
    return -a[0] % P, a[1], a[2], -a[3] % P


def multiply(k, a):
    """k times a point, four bits at a time."""
    table = [ZERO, a]
    while len(table) < 16:
        table.append(add(table[-1], a))
    result = ZERO
    for digit in "%x" % k:
        result = double(double(double(double(result))))
        result = add(result, table[int(digit, 16)])
    return result


def _base_point():
    y = 4 * pow(5, P - 2, P) % P
    x = root((y * y - 1) * pow(D * y * y + 1, P - 2, P) % P)
    x = P - x if x & 1 else x
    return x, y, 1, x * y % P


def root(square):
    """A square root, or None."""
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * SQRT_M1 % P
    return x if x * x % P == square else None


BASE = _base_point()


def _base_table():
    """All multiples of 16^i times the base by a digit."""
    rows, point = [], BASE
    for _ in range(64):
        row = [ZERO]
        for _ in range(15):
            row.append(add(row[-1], point))
        rows.append(row)
        point = add(row[-1], point)
    return rows


_ROWS = _base_table()


def multiply_base(k):
    result = ZERO
    for row in _ROWS:
        if k & 15:
            result = add(result, row[k & 15])
        k >>= 4
    return result


def linear(scalars, points):
    result = ZERO
    for k, point in zip(scalars, points):
        result = add(result, multiply(k % L, point))
    return result


# Ed25519


def _decode(encoding):
    """A point and whether its encoding is canonical; None if it is no point."""
    number = int.from_bytes(encoding, "little")
    sign, raw = number >> 255, number & (2**255 - 1)
    y = raw % P
    x = root((y * y - 1) * pow(D * y * y + 1, P - 2, P) % P)
    if x is None:
        return None
    canonical = raw < P and not (x == 0 and sign)
    x = P - x if x & 1 != sign else x
    return (x % P, y, 1, x * y % P), canonical


def _same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def _small(point):
    return _same(double(double(double(point))), ZERO)


def encode_edwards(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


@cached
def public_key(encoding):
    """[keys-2]"""
    decoded = _decode(encoding)
    if decoded is None or not decoded[1]:
        raise Reject("bad-key")
    point = decoded[0]
    need("keys-2 not of small order", not _small(point), "bad-key")
    need("keys-2 prime order", _same(multiply(L, point), ZERO) or _small(point), "bad-key")
    return point


@cached
def verify(key, digest, signature):
    """[keys-3]"""
    point = public_key(key)
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    need("keys-3 s below the order", s < L, "bad-signature")
    decoded = _decode(r)
    if decoded is None or not decoded[1]:
        raise Reject("bad-signature")
    need("keys-3 R not of small order", not _small(decoded[0]), "bad-signature")
    k = int.from_bytes(hashlib.sha512(r + key + digest).digest(), "little") % L
    right = add(decoded[0], multiply(k, point))
    left = multiply_base(s % L)
    if not on("keys-3 without the cofactor"):
        left, right = (double(double(double(side))) for side in (left, right))
    need("keys-3 equation", _same(left, right), "bad-signature")


def sign(seed, digest):
    """[keys-1]"""
    wide = hashlib.sha512(seed).digest()
    a = (int.from_bytes(wide[:32], "little") & (2**254 - 8)) | 2**254
    key = encode_edwards(multiply_base(a))
    prefix = wide[32:] if on("keys-1 the second half makes the nonce") else wide[:32]
    n = int.from_bytes(hashlib.sha512(prefix + digest).digest(), "little") % L
    r = encode_edwards(multiply_base(n))
    k = int.from_bytes(hashlib.sha512(r + key + digest).digest(), "little") % L
    return key, r + ((n + k * a) % L).to_bytes(32, "little")


# ristretto255


def _sqrt_ratio(u, v):
    """(whether u/v is a square, the root of it or of i·u/v that is not negative)."""
    r = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    check = v * r * r % P
    good, flipped, flipped_i = check == u % P, check == -u % P, check == -u * SQRT_M1 % P
    if flipped or flipped_i:
        r = r * SQRT_M1 % P
    return good or flipped, P - r if r & 1 else r


INVSQRT_A_MINUS_D = _sqrt_ratio(1, (-1 - D) % P)[1]
ONE_MINUS_D_SQ = (1 - D * D) % P
D_MINUS_ONE_SQ = (D - 1) ** 2 % P
SQRT_AD_MINUS_ONE = 25063068953384623474111414158702152701244531502492656460079210482610430750235


@cached
def point(encoding):
    """Decodes; the identity is a point. RFC 9496, section 4.3.1. [pvss-7]"""
    s = int.from_bytes(encoding, "little")
    need("pvss-7 point canonical", s < P, "bad-point")
    s %= P
    need("pvss-7 point not negative", s & 1 == 0, "bad-point")
    ss = s * s % P
    u1, u2 = (1 - ss) % P, (1 + ss) % P
    v = (-D * u1 * u1 - u2 * u2) % P
    square, inverse = _sqrt_ratio(1, v * u2 * u2 % P)
    need("pvss-7 point a square", square, "bad-point")
    dx = inverse * u2 % P
    dy = inverse * dx * v % P
    x = 2 * s * dx % P
    x = P - x if x & 1 else x
    y = u1 * dy % P
    t = x * y % P
    need("pvss-7 point product not negative", t & 1 == 0, "bad-point")
    need("pvss-7 point y not zero", y != 0, "bad-point")
    return x, y, 1, t


def encode(a):
    """RFC 9496, section 4.3.2."""
    x0, y0, z0, t0 = a
    u1 = (z0 + y0) * (z0 - y0) % P
    u2 = x0 * y0 % P
    inverse = _sqrt_ratio(1, u1 * u2 * u2 % P)[1]
    d1, d2 = inverse * u1 % P, inverse * u2 % P
    zi = d1 * d2 * t0 % P
    if t0 * zi % P & 1:
        x, y, d = y0 * SQRT_M1 % P, x0 * SQRT_M1 % P, d1 * INVSQRT_A_MINUS_D % P
    else:
        x, y, d = x0, y0, d2
    if x * zi % P & 1:
        y = -y % P
    s = d * (z0 - y) % P
    return (P - s if s & 1 else s).to_bytes(32, "little")


def equal(a, b):
    """RFC 9496, section 4.3.3."""
    return (a[0] * b[1] - a[1] * b[0]) % P == 0 or (a[1] * b[1] - a[0] * b[0]) % P == 0


def _map(t):
    r = SQRT_M1 * t * t % P
    u = (r + 1) * ONE_MINUS_D_SQ % P
    v = (-1 - r * D) * (r + D) % P
    square, s = _sqrt_ratio(u, v)
    c = -1
    if not square:
        s = s * t % P
        s, c = (s if s & 1 else P - s) % P, r
    n = (c * (r - 1) * D_MINUS_ONE_SQ - v) % P
    w0, w1, w2, w3 = 2 * s * v, n * SQRT_AD_MINUS_ONE, 1 - s * s, 1 + s * s
    return w0 * w3 % P, w2 * w1 % P, w1 * w3 % P, w0 * w2 % P


def from_uniform(wide):
    """RFC 9496, section 4.3.4. [pvss-1]"""
    halves = (int.from_bytes(wide[i : i + 32], "little") % 2**255 for i in ((0, 32) if on("pvss-1 both halves") else (0, 0)))
    return add(*(_map(half % P) for half in halves))


def scalar(encoding):
    """[pvss-7]"""
    value = int.from_bytes(encoding, "little")
    need("pvss-7 scalar below the order", value < L, "bad-scalar")
    return value % L


def encode_scalar(value):
    return (value % L).to_bytes(32, "little")
