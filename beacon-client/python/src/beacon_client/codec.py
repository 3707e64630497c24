"""The wire format [codec-1], [codec-2], the JSON of numbers and bytes [codec-3], and tagged hashing [hash-1]."""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any, TypeVar

from .errors import Refused

T = TypeVar("T")

U64_END = 1 << 64
_EXACT = 1 << 53
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*\Z", re.ASCII)
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,19})\Z", re.ASCII)
_TAG_BLOCK = 136
MAX_EXPANSION = 8160


class Reader:
    """A cursor over bytes; each method takes one field and refuses input that ends before it does."""

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._at = 0
        self._what = what

    def take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._data):
            raise self.malformed()
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def u64(self) -> int:
        return self.number(8)

    def digest(self) -> bytes:
        return self.take(32)

    def flag(self) -> bool:
        """A bool, or what says whether an option has a value."""
        byte = self.number(1)
        if byte > 1:
            raise self.malformed()
        return byte == 1

    def blob(self) -> bytes:
        """A counted sequence of bytes."""
        return self.take(self.u64())

    def text(self) -> str:
        try:
            return self.blob().decode("utf-8")
        except UnicodeDecodeError:
            raise self.malformed() from None

    def sequence(self, entry: Callable[[Reader], T], width: int) -> list[T]:
        """A counted sequence of entries of `width` bytes at least; a count that the rest cannot hold is refused."""
        count = self.u64()
        if count * width > len(self._data) - self._at:
            raise self.malformed()
        return [entry(self) for _ in range(count)]

    def malformed(self) -> Refused:
        return Refused("malformed", self._what)

    def left(self) -> int:
        return len(self._data) - self._at


def decode(data: bytes, limit: int, read: Callable[[Reader], T], what: str) -> T:
    """Decodes exactly one value from all of `data`. [codec-2]"""
    if len(data) > limit:
        raise Refused("too-long", what)
    reader = Reader(data, what)
    value = read(reader)
    if reader.left():
        raise Refused("trailing-bytes", what)
    return value


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


def framed(data: bytes) -> bytes:
    """A field of any width, after its length."""
    return u32(len(data)) + data


def counted(data: bytes) -> bytes:
    """Bytes or text on the wire."""
    return u64(len(data)) + data


@functools.lru_cache(maxsize=64)
def _tag_block(tag: str) -> Any:
    return hashlib.sha3_256(tag.encode("ascii").ljust(_TAG_BLOCK, b"\0"))


def tagged(tag: str, *fields: bytes) -> bytes:
    """SHA3-256 over the tag, padded to one block, and the fields. [hash-1]"""
    sponge = _tag_block(tag).copy()
    for field in fields:
        sponge.update(field)
    digest: bytes = sponge.digest()
    return digest


def tree_root(level: list[bytes]) -> bytes:
    """The root over a list of digests. [hash-2]"""
    if not level:
        return bytes(32)
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2])
        odd = level[-1:] if len(level) % 2 else []
        level = [tagged("beacon/1/tree-node", left, right) for left, right in pairs] + odd
    return level[0]


def hkdf_expand(key: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand with HMAC over SHA3-256: at most 8160 bytes. [hash-3]"""
    if length > MAX_EXPANSION:
        raise Refused("expand-too-long", "expansion", None, f"at most {MAX_EXPANSION} bytes", length)
    out, block = b"", b""
    for counter in range(1, (length + 31) // 32 + 1):
        block = hmac.new(key, block + info + bytes([counter]), hashlib.sha3_256).digest()
        out += block
    return out[:length]


def expand(output: bytes, label: bytes, length: int) -> bytes:
    """More bytes from an output, bound to the user's label. [mix-3]"""
    return hkdf_expand(output, b"beacon/1/expand" + label, length)


def read_hex(text: object, length: int | None = None) -> bytes:
    """Hexadecimal in either case, of `length` bytes exactly if that is given. [codec-3]"""
    if not isinstance(text, str) or not _HEX.match(text) or length not in (None, len(text) // 2):
        digits = "of whole bytes" if length is None else f"of {2 * length} digits"
        raise Refused("bad-hex", f"hexadecimal {digits}")
    return bytes.fromhex(text)


def read_number(value: object) -> int:
    """A u64 in JSON: a number, or a canonical decimal string. Anything else is a `ValueError`. [codec-3]"""
    if isinstance(value, str) and _DECIMAL.match(value):
        value = int(value)
    # A bool is an int in Python, and none in JSON.
    if type(value) is not int or not 0 <= value < U64_END:
        raise ValueError("not a whole number from 0 to 2^64 - 1")
    return value


def write_number(value: int) -> int | str:
    """A u64 for JSON: a number up to 2^53, a decimal string beyond. [codec-3]"""
    return value if value <= _EXACT else str(value)
