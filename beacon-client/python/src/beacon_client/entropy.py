"""Private randomness of this machine, from a running node or from the program beacon-node.

    from beacon_client.entropy import EntropyPool

    with EntropyPool.auto() as pool:
        key = pool.get_random_bytes(32)
        noise = pool.get_raw_bytes(1000, source="sleep")
        rng = pool.generator()                  # a numpy Generator; needs numpy
        print(rng.normal(size=3))

The pool itself is the node's: workers, health tests and the generator are in `node/entropy`, and here is only the way to
them. What comes from it is private and fit for keys. The beacon's output, which the rest of this package is about, is
public and never is.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import threading
import urllib.parse
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import BeaconError

if TYPE_CHECKING:
    from .numpy_generator import PoolGenerator

#: Where a node's local listener is unless its configuration says otherwise.
LOCAL_URL = "http://127.0.0.1:8081"
#: How bytes of single sources are treated.
CONDITIONING = ("raw", "von-neumann", "sha256", "sha3")
#: Bytes that the hash methods of `condition` take for each 32 bytes they give.
BLOCK = 64

_TIMEOUT = 30.0
#: The node gives at most so many values of so many bytes in one answer.
_MOST = 1024
_ANSWER_MAX = 8 << 20


class PoolError(BeaconError):
    """The pool cannot be reached, or refuses."""

    code = "entropy"


@dataclass(frozen=True)
class Source:
    """A source of the machine: what it is, and how many bits one sample counts for."""

    name: str
    description: str
    physics: str
    category: str
    available: bool
    #: Why it is not available.
    reason: str | None
    credit_bits: float
    #: noise, generator (credited by policy) or none (mixed in all the same).
    credited_as: str


class EntropyPool:
    """A node's pool of entropy, or one that the program beacon-node runs for this process.

    `url` is the node's local listener, `token` what it asks for, if anything; `program` is the path of beacon-node.
    Exactly one of `url` and `program` is given; `auto` finds one. Use it in a `with` block, or call `close`.
    """

    def __init__(
        self, url: str | None = None, *, token: str | None = None, program: str | os.PathLike[str] | None = None
    ) -> None:
        if (url is None) == (program is None):
            raise ValueError("name either the url of a node's local listener or the program beacon-node")
        self._way: _Node | _Program = _Node(url, token) if url is not None else _Program(_path(program))

    @classmethod
    def auto(cls, token: str | None = None) -> EntropyPool:
        """The pool of the node at $BEACON_LOCAL_URL, else of one at its usual address, else of the program $BEACON_NODE
        or beacon-node on the path. `origin` says which it is."""
        named = os.environ.get("BEACON_LOCAL_URL")
        if named:
            return cls(named, token=token)
        try:
            usual = cls(LOCAL_URL, token=token)
            usual.health_report()
            return usual
        except PoolError as error:
            program = _find_program()
            if program is None:
                raise PoolError(
                    f"{error}; and there is no program beacon-node: start a node, or name the program in $BEACON_NODE"
                ) from None
            return cls(program=program)

    @property
    def origin(self) -> str:
        """Where the bytes come from: an address, or the path of a program."""
        return self._way.origin

    def get_random_bytes(self, count: int) -> bytes:
        """So many bytes of the pool's generator."""
        return self._way.random(_count(count))

    def get_bytes(self, count: int, source: str, conditioning: str = "sha3") -> bytes:
        """So many bytes of one source by itself, behind its health tests: raw, von-neumann, sha256 or sha3."""
        if conditioning not in CONDITIONING:
            raise ValueError(f"conditioning is one of {', '.join(CONDITIONING)}, not {conditioning!r}")
        return self._way.of_source(_count(count), source, conditioning)

    def get_raw_bytes(self, count: int, source: str | None = None) -> bytes:
        """So many unconditioned samples, one byte each, of a source or, in turn, of the pool's own noise sources.

        Such bytes are no key. A node gives them only if its configuration says services.raw = true.
        """
        if source is not None:
            return self.get_bytes(count, source, "raw")
        own = [name for name, state in self._noise() if state in ("healthy", "start_up", "new")]
        if not own:
            raise PoolError("the pool has no healthy noise source: name one, see `sources`")
        share, more = divmod(_count(count), len(own))
        lengths = [share + (place < more) for place in range(len(own))]
        return b"".join(self.get_bytes(length, name, "raw") for name, length in zip(own, lengths))

    @property
    def sources(self) -> list[Source]:
        """Every source there is, available or not."""
        return [_source(found) for found in self._way.scan()["sources"]]

    def source_names(self) -> list[str]:
        """The names of those that are available."""
        return [source.name for source in self.sources if source.available]

    def health_report(self) -> dict[str, Any]:
        """Workers, credit, alarms and warnings of the pool, and each source's state and statistics."""
        status = self._way.status()
        kept = (
            "workers_running", "sources_healthy", "sources_muted", "sources_total", "contributions", "noise_bits",
            "generator_bits", "warnings",
        )  # fmt: skip
        report = {name: status[name] for name in kept}
        report["workers"] = len(status["workers"])
        report["healthy"] = not status["warnings"]
        report["sources"] = [
            {"worker": worker["index"], **source} for worker in status["workers"] for source in worker["sources"]
        ]
        return report

    def generator(self) -> PoolGenerator:
        """A numpy Generator each of whose bits is drawn from this pool. It needs numpy, and this pool to stay open."""
        from .numpy_generator import PoolGenerator

        return PoolGenerator(self)

    def close(self) -> None:
        """Ends the program, if there is one."""
        self._way.close()

    def __enter__(self) -> EntropyPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"EntropyPool({self.origin!r})"

    def _noise(self) -> list[tuple[str, str]]:
        """The names and states of the pool's noise sources."""
        found = {
            source["name"]: source["state"]
            for worker in self._way.status()["workers"]
            for source in worker["sources"]
            if source["credit"]["class"] == "noise"
        }
        return sorted(found.items())


def detect_available_sources(program: str | os.PathLike[str] | None = None) -> list[Source]:
    """What this machine has, as the program beacon-node finds it; no node need run."""
    return [source for source in map(_source, _Program(_path(program)).scan()["sources"]) if source.available]


def run_all_tests(data: bytes, program: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """The battery of 31 statistical tests, as `beacon-node entropy report` runs it.

    Gives `lines` (category, name, p, grade; p is None for a test that needs more data), `run`, `failed` and `quality`.
    They say how uniform bytes look, and nothing of how unpredictable they are.
    """
    battery: dict[str, Any] = _report(data, program)["battery"]
    return battery


def min_entropy_estimate(data: bytes, program: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """NIST SP 800-90B's estimators over samples of 8 bits; `min_entropy` is in bits a byte.

    Perfect bytes are assessed at about 7.1 to 7.2. Fewer than 6,012 samples, or equal ones, are a `ValueError`.
    """
    assessment: dict[str, Any] | None = _report(data, program)["assessment"]
    if assessment is None:
        raise ValueError(f"{len(data)} samples cannot be assessed: they are fewer than 6012, or all the same")
    return assessment


def condition(data: bytes, count: int | None = None, method: str = "sha3", block: int = BLOCK) -> bytes:
    """Conditions samples of one byte as the node does: raw, von-neumann, sha256 or sha3.

    The hash methods give 32 bytes for each whole `block`, so that output never exceeds input; von Neumann's takes pairs
    of bits, 01 for 0 and 10 for 1, and drops the others. All that the data yields, or its first `count` bytes; data that
    yields less is a `ValueError`.
    """
    if block < 32:
        raise ValueError(f"a block of {block} bytes holds less than the 32 it would give")
    if method == "raw":
        out = bytes(data)
    elif method == "von-neumann":
        out = _von_neumann(data)
    elif method in ("sha256", "sha3"):
        digest = hashlib.sha256 if method == "sha256" else hashlib.sha3_256
        starts = range(0, len(data) - block + 1, block)
        out = b"".join(digest(data[start : start + block]).digest() for start in starts)
    else:
        raise ValueError(f"method is one of {', '.join(CONDITIONING)}, not {method!r}")
    if count is None:
        return out
    if _count(count) > len(out):
        raise ValueError(f"{len(data)} bytes yield {len(out)} by {method}, not {count}")
    return out[:count]


def quick_shannon(data: bytes) -> float:
    """Shannon's entropy of the bytes' frequencies, in bits a byte: how uniform they are, not how unpredictable."""
    return max(0.0, -sum(n / len(data) * math.log2(n / len(data)) for n in Counter(data).values())) if data else 0.0


def quick_min_entropy(data: bytes) -> float:
    """Min-entropy of the most common byte, with its 99 % bound (SP 800-90B, 6.3.1); an upper bound of the assessment."""
    if len(data) < 2:
        return 0.0
    p = Counter(data).most_common(1)[0][1] / len(data)
    return max(0.0, -math.log2(min(1.0, p + 2.5758293035489004 * math.sqrt(p * (1 - p) / (len(data) - 1)))))


def quick_quality(data: bytes) -> dict[str, Any]:
    """A first look, without any program: entropies, compressibility, and the chance `p` that uniform bytes are as uneven
    as these, with its grade (A from 0.05, B from 0.01, C from 0.001, D from 0.000001, else F)."""
    expected = len(data) / 256
    counts = Counter(data)
    p = None
    # Below five of each byte the law does not hold.
    if expected >= 5:
        chi = sum((counts.get(byte, 0) - expected) ** 2 for byte in range(256)) / expected
        # Wilson and Hilferty: the cube root of χ² over its degrees of freedom is nearly normal.
        spread = 2 / (9 * 255)
        p = statistics.NormalDist(1 - spread, math.sqrt(spread)).cdf((chi / 255) ** (1 / 3))
        p = 1 - p
    grades = ((0.05, "A"), (0.01, "B"), (0.001, "C"), (1e-6, "D"))
    return {
        "bytes": len(data),
        "unique_values": len(counts),
        "shannon": quick_shannon(data),
        "min_entropy": quick_min_entropy(data),
        "compression_ratio": len(zlib.compress(data, 9)) / len(data) if data else 0.0,
        "p": p,
        "grade": None if p is None else next((grade for least, grade in grades if p >= least), "F"),
    }


# The two ways to a pool.


class _Node:
    """A running node, over its local listener."""

    def __init__(self, url: str, token: str | None) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError(f"{url} is no local listener: write {LOCAL_URL}")
        self.origin = url
        self._host, self._port = parts.hostname, parts.port or 80
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def random(self, count: int) -> bytes:
        return self._drawn(count, {})

    def of_source(self, count: int, source: str, conditioning: str) -> bytes:
        return self._drawn(count, {"source": source, "conditioning": conditioning})

    def status(self) -> dict[str, Any]:
        return self._object("/pool/status", "workers")

    def scan(self) -> dict[str, Any]:
        return self._object("/sources", "sources")

    def close(self) -> None:
        pass

    def _drawn(self, count: int, query: dict[str, str]) -> bytes:
        out = bytearray()
        while len(out) < count:
            left = count - len(out)
            # Whole values of 1024 bytes first, then what is left in one.
            size, length = (_MOST, min(left // _MOST, _MOST)) if left >= _MOST else (left, 1)
            asked = {"type": "hex16", "size": str(size), "length": str(length), **query}
            values = self._get("/api/v1/random", asked)["data"]
            piece = b"".join(bytes.fromhex(value) for value in values)
            if len(piece) != size * length:
                raise PoolError(f"{self.origin} gave {len(piece)} of {size * length} bytes")
            out += piece
        return bytes(out)

    def _object(self, path: str, part: str) -> dict[str, Any]:
        answer = self._get(path, {})
        if not isinstance(answer, dict) or part not in answer:
            raise PoolError(f"{self.origin} is no local listener of a node: its {path} has no {part}")
        return answer

    def _get(self, path: str, query: dict[str, str]) -> Any:
        target = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT)
        try:
            connection.request("GET", target, headers=self._headers)
            response = connection.getresponse()
            answer = json.loads(response.read(_ANSWER_MAX))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PoolError(f"no answer from {self.origin}{path}: {error}") from None
        finally:
            connection.close()
        if response.status != 200:
            reason = answer.get("error") if isinstance(answer, dict) else None
            raise PoolError(f"{self.origin} refuses {path} (status {response.status}): {reason}")
        return answer


class _Program:
    """The program beacon-node: one process that streams the generator's bytes, and a short one for all else."""

    def __init__(self, program: str) -> None:
        self.origin = program
        self._lock = threading.Lock()
        self._stream: subprocess.Popen[bytes] | None = None
        self._pid = os.getpid()

    def random(self, count: int) -> bytes:
        with self._lock:
            if self._pid != os.getpid():
                self._forget()
            if self._stream is None:
                self._stream = self._start("stream", "--format", "raw")
            assert self._stream.stdout is not None
            data = self._stream.stdout.read(count)
            if len(data) == count:
                return data
            error = self._ended(self._stream)
            self._stream = None
            raise error

    def of_source(self, count: int, source: str, conditioning: str) -> bytes:
        if count == 0:
            return b""
        data = self._run(
            "stream", "--sources", source, "--conditioning", conditioning, "--bytes", str(count), "--format", "raw"
        )
        if len(data) != count:
            raise PoolError(f"{self.origin} gave {len(data)} of {count} bytes of {source}")
        return data

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self._run("pool", "--json"))["pool"]
        return status

    def scan(self) -> dict[str, Any]:
        scan: dict[str, Any] = json.loads(self._run("scan", "--json"))
        return scan

    def report(self, data: bytes) -> dict[str, Any]:
        if not data:
            raise ValueError("there is nothing to test")
        given = ("report", "--file", "/dev/stdin", "--bytes", str(len(data)), "--json")
        report: dict[str, Any] = json.loads(self._run(*given, data=data))
        return report

    def close(self) -> None:
        with self._lock:
            stream, self._stream = self._stream, None
            if stream is not None and self._pid == os.getpid():
                stream.kill()
                stream.communicate()

    def _forget(self) -> None:
        """A forked child shares no bytes with its parent, whose process the stream is to wait for."""
        stream, self._stream, self._pid = self._stream, None, os.getpid()
        if stream is not None and stream.stdout is not None and stream.stderr is not None:
            stream.stdout.close()
            stream.stderr.close()
            stream.returncode = 0

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [self.origin, "entropy", *arguments]
        try:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise PoolError(f"{self.origin} cannot be started: {error.strerror or error}") from None

    def _ended(self, process: subprocess.Popen[bytes]) -> PoolError:
        _, said = process.communicate()
        return PoolError(f"{self.origin} ended: {said.decode(errors='replace').strip()}")

    def _run(self, *arguments: str, data: bytes | None = None) -> bytes:
        command = [self.origin, "entropy", *arguments]
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
        try:
            done = subprocess.run(command, capture_output=True, check=False, **given)
        except OSError as error:
            raise PoolError(f"{self.origin} cannot be started: {error.strerror or error}") from None
        if done.returncode != 0:
            raise PoolError(f"{self.origin}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout


def _find_program() -> str | None:
    return os.environ.get("BEACON_NODE") or shutil.which("beacon-node")


def _path(program: str | os.PathLike[str] | None) -> str:
    found = _find_program() if program is None else str(pathlib.Path(program))
    if found is None:
        raise PoolError("there is no program beacon-node: put it on the path, or name it in $BEACON_NODE")
    return found


def _report(data: bytes, program: str | os.PathLike[str] | None) -> dict[str, Any]:
    return _Program(_path(program)).report(bytes(data))


def _count(count: int) -> int:
    if count < 0:
        raise ValueError(f"{count} bytes cannot be given")
    return count


def _source(found: dict[str, Any]) -> Source:
    availability, credit = found["availability"], found["credit"]
    return Source(
        name=found["name"],
        description=found["description"],
        physics=found["physics"],
        category=found["category"],
        available=availability["state"] == "available",
        reason=availability.get("reason"),
        credit_bits=credit["millibits"] / 1000,
        credited_as=credit["class"],
    )


def _von_neumann(data: bytes) -> bytes:
    bits = [
        pair >> 1 for byte in data for pair in (byte >> 6 & 3, byte >> 4 & 3, byte >> 2 & 3, byte & 3) if pair in (1, 2)
    ]
    whole = range(0, len(bits) - 7, 8)
    return bytes(sum(bit << (7 - place) for place, bit in enumerate(bits[start : start + 8])) for start in whole)
