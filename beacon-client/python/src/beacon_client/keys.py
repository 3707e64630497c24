"""Ed25519 verification with one verdict: strict keys [keys-2] and cofactorless signatures [keys-3].

OpenSSL verifies the equation. What it leaves open is judged here: whether a public key is the canonical encoding of a
point of the prime-order subgroup, whether s is reduced, and whether R is of small order.
"""

from __future__ import annotations

import functools

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .errors import Refused

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)
_IDENTITY = bytes([1]) + bytes(31)

# A point in extended coordinates: (X, Y, Z, T) with x = X/Z, y = Y/Z, x·y = T/Z.
_Point = tuple[int, int, int, int]


def _decompress(data: bytes) -> _Point | None:
    """The point that these 32 bytes are the canonical encoding of; none if there is no such point."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= _P:
        return None
    square = y * y % _P
    u, v = (square - 1) % _P, (_D * square + 1) % _P
    # A candidate for the root of u/v, for p = 5 mod 8; v is never zero, since -d is no square.
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P != u:
        x = x * _ROOT_OF_MINUS_ONE % _P
        if v * x * x % _P != u:
            return None
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _add(one: _Point, other: _Point) -> _Point:
    """The complete addition of twisted Edwards curves with a = -1, which also doubles."""
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _is_torsion_free(point: _Point) -> bool:
    """Whether the group order times the point is the identity."""
    total: _Point = (0, 1, 1, 0)
    for bit in bin(_ORDER)[2:]:
        total = _add(total, total)
        if bit == "1":
            total = _add(total, point)
    return total[0] % _P == 0 and (total[1] - total[2]) % _P == 0


@functools.lru_cache(maxsize=4096)
def _judge(data: bytes) -> Ed25519PublicKey | None:
    """A good key; nothing for any other. Multiplying takes milliseconds, so each key is judged once."""
    point = _decompress(data) if len(data) == 32 and data != _IDENTITY else None
    if point is None or not _is_torsion_free(point):
        return None
    return Ed25519PublicKey.from_public_bytes(data)


class Verifier:
    """A public key that was judged good."""

    __slots__ = ("_key",)

    def __init__(self, data: bytes) -> None:
        """Refuses, `bad-key`, what is no canonical point, of small order, or outside the prime-order subgroup."""
        key = _judge(data)
        if key is None:
            raise Refused("bad-key", "public key", None, "a canonical point of prime order", data)
        self._key = key

    def accepts(self, digest: bytes, signature: bytes) -> bool:
        """Whether R ‖ s is a signature over the digest. [keys-3]"""
        if len(signature) != 64 or int.from_bytes(signature[32:], "little") >= _ORDER:
            return False
        # With a key of prime order the equation leaves no other R of small order than the identity, and OpenSSL
        # compares R as bytes with the canonical encoding of s·G - k·A.
        if signature[:32] == _IDENTITY:
            return False
        try:
            self._key.verify(signature, digest)
        except InvalidSignature:
            return False
        return True
