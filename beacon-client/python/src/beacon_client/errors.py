"""What a call can end in: a refusal with its reason, or one of the endings in which nothing was refused.

Every ending has a `code`, the stable name that the JSON of the command line carries, and an `exit_code`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .chain import Header

REASONS = frozenset(
    # Reasons of the specification that a reader of the chain and of draws can meet.
    "too-long malformed trailing-bytes bad-hex expand-too-long unknown-version wrong-chain wrong-epoch wrong-window "
    "wrong-round wrong-due-time bad-key bad-signature bad-count not-sorted duplicate-key bad-weight bad-total "
    "too-heavy bad-parameter no-quorum bad-bitmap broken-link wrong-committee bad-mmr conflict wrong-output "
    "duplicate-entry mixed-weights no-such-time stale".split()
)
OWN_REASONS = frozenset(
    # Reasons that only a client has: rules about servers and files, not about the chain.
    "old-head future-round not-asked bad-json inconsistent not-a-chain-file bad-chain-file corrupt-state".split()
)


class BeaconError(Exception):
    """The base of everything that a call raises on purpose."""

    code = "error"
    exit_code = 1


class Refused(BeaconError):
    """Something was offered and not believed.

    `code` is the reason's stable name, `what` what was offered, `field` the place that was wrong where it is known,
    `expected` and `found` what stood there, and `source` the server or file that offered it.
    """

    def __init__(
        self, code: str, what: str, field: str | None = None, expected: object = None, found: object = None
    ) -> None:
        assert code in REASONS or code in OWN_REASONS, code
        super().__init__(code, what)
        self.code = code
        self.what = what
        self.field = field
        self.expected = None if expected is None else _text(expected)
        self.found = None if found is None else _text(found)
        self.source: str | None = None

    def by(self, source: str) -> Refused:
        """Names the server or file, unless it is named already."""
        self.source = self.source or source
        return self

    def __str__(self) -> str:
        text = f"{self.code}: {self.what}"
        if self.source is not None:
            text += f" from {self.source}"
        if self.field is not None:
            text += f", field {self.field}"
        if self.expected is not None:
            text += f": expected {self.expected}, found {self.found}"
        return text

    def to_json(self) -> dict[str, str]:
        """The refusal as the command line prints it; what is not known is left out."""
        parts = {
            "code": self.code,
            "what": self.what,
            "from": self.source,
            "field": self.field,
            "expected": self.expected,
            "found": self.found,
        }
        return {name: part for name, part in parts.items() if part is not None}


class Conflict(BeaconError):
    """Two certified headers that exclude each other: an alarm about the chain, not about a server."""

    code = "conflict"

    def __init__(self, trusted: Header, offered: Header, source: str | None = None) -> None:
        super().__init__(trusted, offered)
        self.trusted = trusted
        self.offered = offered
        self.source = source

    def __str__(self) -> str:
        return (
            f"CONFLICT: {self.source or 'an unnamed source'} offers a certified header that excludes the one this "
            f"client trusts.\n"
            f"  chain   {self.trusted.chain.hex()}\n"
            f"  trusted round {self.trusted.round} header {self.trusted.hash().hex()}\n"
            f"  offered round {self.offered.round} header {self.offered.hash().hex()}\n"
            "Either a third of the committee's weight signed twice or old keys were stolen. Nothing was accepted; keep "
            "both headers and tell the operators."
        )


class UsageError(BeaconError):
    """The question makes no sense, or lacks something."""

    code = "usage"
    exit_code = 2


class FileError(BeaconError):
    """A file on this machine could not be read or written."""

    code = "file"
    exit_code = 2

    def __init__(self, path: object, error: object) -> None:
        super().__init__(f"{path}: {error}")


class Unreachable(BeaconError):
    """No server answered usefully; `faults` has each server with its fault."""

    code = "unreachable"
    exit_code = 3

    def __init__(self, faults: list[tuple[str, Fault]]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        if not self.faults:
            return "no server gave a usable answer: none was named"
        lines = "".join(f"\n  {server}: {fault}" for server, fault in self.faults)
        return f"no server gave a usable answer:{lines}"


class NotYet(BeaconError):
    """The round is not certified yet; `due` is its due time in Unix milliseconds where it has one."""

    code = "not-yet"
    exit_code = 4

    def __init__(self, round: int, due: int | None) -> None:
        super().__init__(round, due)
        self.round = round
        self.due = due

    def __str__(self) -> str:
        from .times import format_time

        when = "" if self.due is None else f", it is due at {format_time(self.due)}"
        return f"round {self.round} is not certified yet{when}"


class Fault(Exception):
    """How a server failed to answer. None of these is a lie: a server that lies is refused.

    `kind` is one of connect, timeout, closed, too-long, protocol, redirect, status, not-yet, missing, behind, banned.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def _text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
