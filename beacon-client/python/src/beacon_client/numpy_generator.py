"""A numpy Generator whose bits are drawn from a pool of entropy, each of them once.

It is no generator seeded from the pool: every 64 bits that numpy asks for are 64 bits of the pool. That costs a call into
Python each time, about a microsecond; who needs a stream to compute with seeds numpy's own generators instead.
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
import weakref
from typing import TYPE_CHECKING, Any

import numpy

if TYPE_CHECKING:
    from .entropy import EntropyPool

#: Words of 64 bits that are drawn at once.
_WORDS = 2048

_Next64 = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)
_Next32 = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p)
_NextDouble = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_void_p)


class _Interface(ctypes.Structure):
    """What numpy's distributions call: `bitgen_t` of numpy/random/bitgen.h."""

    _fields_ = [
        ("state", ctypes.c_void_p),
        ("next_uint64", _Next64),
        ("next_uint32", _Next32),
        ("next_double", _NextDouble),
        ("next_raw", _Next64),
    ]


_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = (ctypes.py_object, ctypes.c_char_p)


class PoolBitGenerator(numpy.random.BitGenerator):
    """The bits of a `PoolGenerator`.

    It gives its capsule to no other Generator: numpy's C code cannot be told that the pool has failed, so somebody has
    to look after each call, and `PoolGenerator` does.
    """

    def __init__(self, pool: EntropyPool) -> None:
        super().__init__(0)
        self._pool = pool
        self._words: list[int] = []
        self._failure: Exception | None = None
        self._guarded = False
        # Kept as long as this object, since numpy holds pointers to them.
        self._calls = (_Next64(self._next64), _Next32(self._next32), _NextDouble(self._next_double))
        interface = _Interface.from_address(_pointer_of(super().capsule, b"BitGenerator"))
        interface.next_uint64, interface.next_uint32, interface.next_double = self._calls
        interface.next_raw = self._calls[0]
        # A forked child must not have the words that its parent has.
        words = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _forget(words()))

    @property
    def capsule(self) -> Any:
        if not self._guarded:
            raise TypeError("numpy cannot tell when this pool fails: use EntropyPool.generator()")
        return super().capsule

    def random_raw(self, size: Any = None, output: bool = True) -> Any:
        drawn = super().random_raw(size, output)
        self.check()
        return drawn

    @property
    def state(self) -> Any:
        raise TypeError("a pool has no state that could be given away")

    @property
    def ctypes(self) -> Any:
        raise TypeError("numpy cannot tell when this pool fails: use EntropyPool.generator()")

    cffi = ctypes

    def spawn(self, n_children: int) -> Any:
        raise TypeError("a pool has no children: make another generator of it")

    def __reduce__(self) -> Any:
        raise TypeError("a pool cannot be copied")

    def check(self) -> None:
        """Raises what the pool failed with, if it did."""
        failure, self._failure = self._failure, None
        if failure is not None:
            self._words.clear()
            raise failure

    def _next64(self, _: object) -> int:
        if not self._words:
            self._refill()
        return self._words.pop()

    def _next32(self, state: object) -> int:
        return self._next64(state) & 0xFFFFFFFF

    def _next_double(self, state: object) -> float:
        return (self._next64(state) >> 11) * 2.0**-53

    def _refill(self) -> None:
        data = b""
        if self._failure is None:
            try:
                data = self._pool.get_random_bytes(8 * _WORDS)
            except Exception as error:
                self._failure = error
        if self._failure is not None:
            # Nothing can be raised through numpy's C code. It is let run to its end, which with equal words it might
            # never reach, and what it made is thrown away by `check`.
            data = os.urandom(8 * _WORDS)
        self._words.extend(struct.unpack(f"<{_WORDS}Q", data))


def _forget(bits: PoolBitGenerator | None) -> None:
    if bits is not None:
        bits._words.clear()


class PoolGenerator(numpy.random.Generator):
    """A numpy Generator over a pool; `EntropyPool.generator` makes it. A call during which the pool fails raises its
    error, and gives nothing."""

    def __init__(self, pool: EntropyPool) -> None:
        bits = PoolBitGenerator(pool)
        bits._guarded = True
        try:
            super().__init__(bits)
        finally:
            bits._guarded = False

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found):
            return found

        @functools.wraps(found)
        def checked(*arguments: Any, **options: Any) -> Any:
            bits: Any = self.bit_generator
            try:
                return found(*arguments, **options)
            finally:
                bits.check()

        return checked

    def __reduce__(self) -> Any:
        raise TypeError("a pool cannot be copied")
