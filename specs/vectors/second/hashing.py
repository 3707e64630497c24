"""Chapter encoding.md: tagged hashes, trees, key derivation."""

import hashlib
import hmac

from .rules import bind, need, on


def u16(value):
    return value.to_bytes(2, "big")


def u32(value):
    return value.to_bytes(4, "big")


def u64(value):
    return value.to_bytes(8, "big")


def framed(field):
    return bind("hash-1 length before a framed field", u32(len(field))) + field


def _block(tag, rate):
    tag = bind("hash-1 tag", tag.encode("ascii"))
    return tag.ljust(rate, b"\0") if on("hash-1 tag filled to a block") else tag


def h256(tag, *fields):
    return hashlib.sha3_256(_block(tag, 136) + b"".join(fields)).digest()


def h512(tag, *fields):
    return hashlib.sha3_512(_block(tag, 72) + b"".join(fields)).digest()


def tree_root(level):
    if not level:
        return bytes(32)
    while len(level) > 1:
        above = []
        for i in range(0, len(level), 2):
            if i + 1 < len(level):
                above.append(h256("beacon/1/tree-node", level[i], level[i + 1]))
            elif on("hash-2 a last one goes up as it is"):
                above.append(level[i])
            else:
                above.append(h256("beacon/1/tree-node", level[i], level[i]))
        level = above
    return level[0]


def _hmac(key, message):
    return hmac.new(key, message, hashlib.sha3_256).digest()


def hkdf_expand(key, info, length):
    need("hash-3 length", length <= 255 * 32, "expand-too-long")
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = _hmac(key, block + info + bytes([counter & 0xFF]))
        out += block
        counter += 1
    return out[:length]


def hkdf(salt, ikm, info, length):
    return hkdf_expand(_hmac(salt, ikm) if on("hash-3 extract") else ikm[:32], info, length)
