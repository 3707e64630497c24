"""A node's public HTTP interface, believed in nothing: bytes of bounded length in bounded time, or a `Fault`.

Each request has one time limit over finding, connecting, sending and reading all of the answer, and a connection of its
own. Redirects, cookies, proxies and compression do not exist.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any, cast

from .chain import Beacon
from .errors import Fault, Refused, UsageError
from .jsons import read_json

#: A subscription without a byte for so many seconds is given up: servers send a heartbeat every 10 s.
SILENCE = 25.0
#: The longest error body that is read.
_ERROR_BYTES = 4 << 10
#: The longest line of an event stream: a beacon of 512 members takes about 50 kB.
_MAX_LINE = 128 << 10
_AGENT = "beacon-client-python/0.1.0"


class _Deadline(io.RawIOBase):
    """A socket as a raw stream of which every read ends by one point in time, however little comes at a time."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self.deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._sock.recv_into(buffer)


class _Handed:
    """What `http.client` takes for a socket."""

    def __init__(self, raw: _Deadline) -> None:
        self._raw = raw

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(self._raw, 16 << 10)


class Connection:
    """One request and its answer; a context, which closes it."""

    def __init__(self, sock: socket.socket, raw: _Deadline, response: http.client.HTTPResponse) -> None:
        self._sock = sock
        self.raw = raw
        self.response = response

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.response.close()
        self._sock.close()

    def abort(self) -> None:
        """Ends a read that is going on in another thread."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended already


class Server:
    """A server, by the base of its address, with what this run learnt of it."""

    def __init__(self, url: str, timeout: float) -> None:
        """Reads `http://host[:port][/prefix]` or `https://…`; `UsageError` for anything else."""
        self.name = url.rstrip("/")
        self._timeout = timeout
        #: Why it is not asked any more.
        self.ban: Refused | None = None
        #: Whether it failed or was too slow when it was last asked: then others are asked first.
        self.lagging = False
        if not url.isascii() or any(character <= " " for character in url):
            raise UsageError(f"{url!r} is no server address: it has characters that addresses do not have")
        try:
            parts = urllib.parse.urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise UsageError(f"{url} is no server address: it does not read as a URL") from None
        if parts.scheme not in ("http", "https"):
            raise UsageError(f"{url} is no server address: it must begin with http:// or https://")
        if not host or "@" in parts.netloc or parts.query or parts.fragment:
            raise UsageError(f"{url} is no server address: a host, a port and a path, without a password or query")
        self._tls = parts.scheme == "https"
        self._host = host
        self._port = port or (443 if self._tls else 80)
        self._authority = parts.netloc
        self._prefix = parts.path.rstrip("/")

    def get(self, path: str, limit: int) -> bytes:
        """The answer below `/beacon/`, in the binary form; a `Fault` if it has more than `limit` bytes."""
        try:
            with self._request(path, "application/octet-stream", time.monotonic() + self._timeout) as connection:
                return _body(connection.response, limit)
        except Exception as error:
            raise _fault(error) from None

    def open_stream(self, start: int) -> Connection:
        """Subscribes to rounds from `start` on; what comes is read with `beacons`."""
        try:
            return self._request(f"stream?from={start}", "text/event-stream", time.monotonic() + self._timeout)
        except Exception as error:
            raise _fault(error) from None

    def _request(self, path: str, accept: str, deadline: float) -> Connection:
        """Sends a request and reads the head of an answer that is status 200."""
        sock = self._connect(deadline)
        try:
            request = (
                f"GET {self._prefix}/beacon/{path} HTTP/1.1\r\nHost: {self._authority}\r\nAccept: {accept}\r\n"
                f"User-Agent: {_AGENT}\r\nConnection: close\r\n\r\n"
            )
            sock.settimeout(_left(deadline))
            sock.sendall(request.encode("ascii"))
            raw = _Deadline(sock, deadline)
            response = http.client.HTTPResponse(cast(Any, _Handed(raw)), method="GET")
            response.begin()
            _check_status(response)
        except BaseException:
            sock.close()
            raise
        return Connection(sock, raw, response)

    def _connect(self, deadline: float) -> socket.socket:
        failure: OSError = OSError("the host has no address")
        addresses = _resolve(self._host, self._port, deadline)
        for place, (family, kind, protocol, _, address) in enumerate(addresses):
            sock = socket.socket(family, kind, protocol)
            try:
                # An address that does not answer leaves time for the others.
                sock.settimeout(_left(deadline) / (len(addresses) - place))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if not self._tls:
                    return sock
                sock.settimeout(_left(deadline))
                return ssl.create_default_context().wrap_socket(sock, server_hostname=self._host)
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
        if isinstance(failure, TimeoutError):
            raise failure
        raise Fault("connect", f"no connection: {failure.strerror or failure}")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _resolve(host: str, port: int, deadline: float) -> list[Any]:
    """The addresses of a host. The system's look-up has no time limit, so another thread waits for it."""
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(_left(deadline))
    if not found:
        raise TimeoutError
    if isinstance(found[0], Exception):
        raise Fault("connect", f"no connection: {found[0]}")
    return cast("list[Any]", found[0])


def _check_status(response: http.client.HTTPResponse) -> None:
    """Turns every status but 200 into a fault, with the code from the JSON body where there is one."""
    status = response.status
    if status == 200:
        return
    if 300 <= status < 400:
        raise Fault("redirect", f"a redirect (status {status}), which is not followed")
    if status == 425:
        raise Fault("not-yet", "not certified yet")
    code = ""
    try:
        given = json.loads(_body(response, _ERROR_BYTES))["code"]
        code = f" ({''.join(c for c in given if '!' <= c <= '~')[:40]})"
    except Exception:  # whatever the body is, the status is the answer
        pass
    raise Fault("missing", f"not there{code}") if status == 404 else Fault("status", f"status {status}{code}")


def _body(response: http.client.HTTPResponse, limit: int) -> bytes:
    too_long = Fault("too-long", f"an answer of more than {limit} bytes")
    expected = response.length
    if expected is not None and expected > limit:
        raise too_long
    data = bytearray()
    # Piece by piece, so that no buffer is made for what only might come.
    while len(data) != expected:
        piece = response.read1(64 << 10)
        if not piece:
            break
        data += piece
        if len(data) > limit:
            raise too_long
    if expected is not None and len(data) != expected:
        raise http.client.IncompleteRead(b"")
    return bytes(data)


def _fault(error: Exception) -> Exception:
    """What an exception on the way means; one that is not about the way is given back."""
    if isinstance(error, TimeoutError):
        return Fault("timeout", "no answer in time")
    if isinstance(error, (ConnectionError, http.client.IncompleteRead)):
        return Fault("closed", "the connection closed before the answer was complete")
    if isinstance(error, (http.client.HTTPException, ssl.SSLError, ValueError)):
        return Fault("protocol", f"not the protocol expected: {str(error)[:80]}")
    if isinstance(error, OSError):
        return Fault("connect", f"no connection: {error.strerror or error}")
    return error


class EventParser:
    """Cuts bytes into server-sent events (WHATWG HTML, section 9.2), in bounded memory."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._name = b""
        self._data: bytes | None = None
        self._after_cr = False

    def push(self, piece: bytes) -> Iterator[tuple[bytes, bytes] | None]:
        """The events that these bytes complete, as (name, data); none for a comment, which is a sign of life."""
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
            self._after_cr = False
        if not piece:
            return
        self._after_cr = piece.endswith(b"\r")
        *ended, rest = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in ended:
            yield from self._end_line(bytes(self._line) + line)
            self._line.clear()
        self._line += rest
        if len(self._line) > _MAX_LINE:
            raise _too_long()

    def _end_line(self, line: bytes) -> Iterator[tuple[bytes, bytes] | None]:
        if len(line) > _MAX_LINE:
            raise _too_long()
        if not line:
            name, data = self._name, self._data
            self._name, self._data = b"", None
            if data is not None:
                yield name, data
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not field:
            yield None
        elif field == b"event":
            self._name = value
        elif field == b"data":
            self._data = value if self._data is None else self._data + b"\n" + value
            if len(self._data) > _MAX_LINE:
                raise _too_long()


def _too_long() -> Refused:
    return Refused("too-long", "line of an event stream")


def beacons(connection: Connection) -> Iterator[Beacon | None]:
    """What a subscription brings, not judged yet: beacons, and none for signs of life. It ends with a `Fault`, or with
    a refusal of what is no beacon."""
    parser = EventParser()
    try:
        while True:
            connection.raw.deadline = time.monotonic() + SILENCE
            piece = connection.response.read1(16 << 10)
            if not piece:
                raise Fault("closed", "the subscription ended")
            for event in parser.push(piece):
                if event is None or event[0] != b"beacon":
                    yield None
                    continue
                what = "pushed beacon"
                yield read_json(event[1], lambda value: Beacon.from_json(value, what), what)
    except (Refused, Fault):
        raise
    except Exception as error:
        raise _fault(error) from None
