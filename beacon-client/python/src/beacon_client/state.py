"""The trusted head on disk: one small JSON file a chain, replaced atomically.

It holds nothing secret, but whoever can write it decides what this client trusts, so it lives in the user's state
directory: `$BEACON_HOME`, else `$XDG_STATE_HOME/beacon`, else `~/.local/state/beacon`.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

from .chain import Beacon
from .codec import decode, framed, read_hex, read_number, tagged
from .committee import MAX_SIGNERS_BYTES, SignerList, Signers
from .errors import Conflict, FileError, Refused
from .jsons import read_json, read_text
from .trust import Trust, Verified

_FORMAT = "beacon-client-state/1"
_TAG = "beacon-client/1/python-state"
#: Addresses kept for a chain; the oldest goes first.
_MAX_SERVERS = 64


@dataclass(frozen=True)
class Stored:
    """What is stored of a chain."""

    trust: Trust
    #: The client's clock when the head was accepted, Unix milliseconds.
    accepted: int
    #: Servers that verified as this chain's, so that they can be named without the chain hash.
    servers: tuple[str, ...]


class StateDir:
    """The directory of stored states."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = pathlib.Path(path)

    @staticmethod
    def of_user() -> StateDir | None:
        """The user's directory; none where the environment does not say where that is."""
        if home := os.environ.get("BEACON_HOME"):
            return StateDir(home)
        if base := os.environ.get("XDG_STATE_HOME"):
            return StateDir(pathlib.Path(base) / "beacon")
        if home := os.environ.get("HOME"):
            return StateDir(pathlib.Path(home) / ".local/state/beacon")
        return None

    def path(self, chain: bytes) -> pathlib.Path:
        return self._path / f"{chain.hex()}.json"

    def load(self, chain: bytes) -> Stored | None:
        """The state of a chain, verified again; none if there is none."""
        path = self.path(chain)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FileError(path, error.strerror or error) from error
        try:
            return read_json(data, lambda json: _restore(json, chain), "stored state")
        except Refused as refusal:
            what = f"stored state ({refusal}); move the file away to start again from the chain hash or a checkpoint"
            raise Refused("corrupt-state", what).by(str(path)) from None

    def save(self, trust: Trust, now: int, server: str) -> None:
        """Stores a head with the server it came from. A newer head stored meanwhile by another process stays; one of
        the same round that differs is a conflict."""
        if trust.head is None:
            return
        with self._locked():
            self._save(trust, trust.head, now, server)

    def _save(self, trust: Trust, head: Verified, now: int, server: str) -> None:
        before = self.load(trust.chain)
        stored = Stored(trust, now, () if before is None else before.servers)
        if before is not None and before.trust.head is not None and trust.round <= before.trust.round:
            if trust.round == before.trust.round and head.hash != before.trust.head.hash:
                raise Conflict(before.trust.head.header, head.header, server)
            if server in before.servers:
                return
            stored = before
        servers = (server, *(known for known in stored.servers if known != server))
        self._replace(replace(stored, servers=servers[:_MAX_SERVERS]))

    def chains_of(self, server: str) -> list[bytes]:
        """The chains under which a server is known."""
        try:
            names = sorted(self._path.glob("*.json"))
        except OSError as error:
            raise FileError(self._path, error.strerror or error) from error
        chains = []
        for path in names:
            try:
                chain = read_hex(path.stem, 32)
            except Refused:
                continue
            stored = self.load(chain)
            if stored is not None and server in stored.servers:
                chains.append(chain)
        return chains

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Of two processes one reads what the other has written; where the system has no locks, the later one wins."""
        if fcntl is None:
            yield
            return
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            directory = os.open(self._path, os.O_RDONLY)
        except OSError as error:
            raise FileError(self._path, error.strerror or error) from error
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield
        finally:
            os.close(directory)

    def _replace(self, stored: Stored) -> None:
        """Writes beside, syncs, renames, syncs the directory: a power cut leaves the old file or the new one."""
        path = self.path(stored.trust.chain)
        beside = path.with_suffix(f".new.{os.getpid()}")
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            with open(beside, "wb") as file:
                file.write(_encode(stored))
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
            directory = os.open(self._path, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise FileError(path, error.strerror or error) from error


def _checksum(parts: dict[str, Any]) -> str:
    return tagged(_TAG, framed(json.dumps(parts, sort_keys=True).encode())).hex()


def _encode(stored: Stored) -> bytes:
    assert stored.trust.head is not None
    parts = {
        "format": _FORMAT,
        "genesis": stored.trust.genesis.encode().hex(),
        "signers": stored.trust.signers.list.encode().hex(),
        "head": stored.trust.head.beacon.encode().hex(),
        "accepted": stored.accepted,
        "servers": list(stored.servers),
    }
    return json.dumps({**parts, "checksum": _checksum(parts)}, indent=1).encode() + b"\n"


def _restore(parts: Any, chain: bytes) -> Stored:
    """Takes up again where an earlier run stopped. The signer list is one that that run had verified; everything
    that can be judged again is."""
    checksum = parts.pop("checksum")
    if parts["format"] != _FORMAT or checksum != _checksum(parts):
        raise ValueError("another format, or damaged")
    trust = Trust.start(read_hex(parts["genesis"]), chain)
    listed = decode(read_hex(parts["signers"]), MAX_SIGNERS_BYTES, SignerList.read, "stored signer list")
    trust = replace(trust, signers=Signers(listed))
    head = trust.certified(Beacon.decode(read_hex(parts["head"]), "stored head"))
    servers = tuple(map(read_text, parts["servers"]))
    return Stored(replace(trust, head=head), read_number(parts["accepted"]), servers)
