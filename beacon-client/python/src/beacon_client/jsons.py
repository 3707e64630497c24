"""JSON from outside: read whole or refused, whatever is in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from .errors import Refused

T = TypeVar("T")


def read_json(data: bytes, read: Callable[[Any], T], what: str) -> T:
    """Gives what `read` makes of the JSON; `bad-json` for text that is none, for a name that stands twice, and for
    what `read` cannot use."""
    try:
        return read(json.loads(data.decode("utf-8"), object_pairs_hook=_object))
    except (ValueError, LookupError, TypeError, RecursionError):
        raise Refused("bad-json", what) from None
    except Refused as refusal:
        # Hexadecimal inside is part of the form; any other reason is graver news than that.
        if refusal.code == "bad-hex":
            raise Refused("bad-json", what) from None
        raise


def read_text(value: object) -> str:
    """Text that has a UTF-8 form, which halves of surrogate pairs have not; a `ValueError` for anything else."""
    if not isinstance(value, str):
        raise ValueError("not a text")
    value.encode("utf-8")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice")
    return made
