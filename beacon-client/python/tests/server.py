"""A server for tests: HTTP/1.1 by hand over a fabricated chain, so that it can misbehave byte by byte."""

from __future__ import annotations

import json
import socket
import threading
import urllib.parse

from .fabricate import sequence


class Raw(bytes):
    """These bytes and then the end of the connection, whatever they are."""


class Status:
    """Another status than 200, with extra header lines."""

    def __init__(self, status, extra=b"", body=b""):
        self.status, self.extra, self.body = status, extra, body


#: Nothing at all, the connection staying open.
SILENCE = object()
#: A body that never ends.
ENDLESS = object()


class Drip(bytes):
    """The answer one byte at a time, slower than anybody waits."""


def honest(path, body):
    return Status(425, b"Retry-After: 1\r\n", b'{"error":"not yet","code":"not-yet"}') if body is None else body


class TestServer:
    """Serves a chain up to `tip`; `twist(path, body)` makes of an honest answer, none for 404 or 425, what is sent."""

    def __init__(self, chain, twist=honest):
        self.chain, self.twist = chain, twist
        self.tip = len(chain.beacons)
        self.asked = []
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._sockets = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        except OSError:
            pass
        self._listener.close()
        for sock in list(self._sockets):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def raise_tip(self, tip):
        with self._changed:
            self.tip = tip
            self._changed.notify_all()

    def hits(self, part):
        return sum(part in path for path in self.asked)

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            with sock:
                path = self._request(sock)
                if path is None:
                    return
                self.asked.append(path)
                if path.startswith("/beacon/stream"):
                    self._push(sock, path)
                else:
                    self._reply(sock, self.twist(path, answer(self.chain, self.tip, path)))
        except OSError:
            pass  # the client has gone
        finally:
            self._sockets.discard(sock)

    def _request(self, sock):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = sock.recv(4096)
            if not piece:
                return None
            head += piece
        return head.split(b" ")[1].decode()

    def _reply(self, sock, reply):
        if reply is SILENCE:
            self._stopped.wait()
        elif reply is ENDLESS:
            sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while not self._stopped.is_set():
                sock.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
        elif isinstance(reply, Raw):
            sock.sendall(reply)
        elif isinstance(reply, Drip):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(reply))
            for byte in reply:
                if self._stopped.wait(0.05):
                    return
                sock.sendall(bytes([byte]))
        else:
            status = reply if isinstance(reply, Status) else Status(200, b"", reply)
            head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n" % (status.status, len(status.body), status.extra)
            sock.sendall(head + status.body)

    def _push(self, sock, path):
        """Pushes rounds up to the tip, and on as it rises. The twist sees the text of each event; anything but bytes
        ends the stream with what it says."""
        following = parameter(path, "from")
        started = False
        while not self._stopped.is_set():
            while following <= self.tip:
                reply = self.twist(path, event(self.chain.beacons[following - 1]))
                if type(reply) is not bytes:
                    self._reply(sock, reply)
                    return
                if not started:
                    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
                    started = True
                sock.sendall(reply)
                following += 1
            if not started:
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
                started = True
            sock.sendall(b": alive\n\n")
            with self._changed:
                self._changed.wait_for(lambda: self._stopped.is_set() or following <= self.tip)


def twisted(chain, part, twist):
    """A server that twists the answers to paths that contain `part`, and is honest otherwise."""
    return TestServer(chain, lambda path, body: twist(body) if part in path else honest(path, body))


def event(beacon):
    """The text of one pushed event."""
    return f"event: beacon\nid: {beacon.header.round}\ndata: {json.dumps(beacon.to_json())}\n\n".encode()


def parameter(path, name):
    return int(urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)[name][0])


def answer(chain, tip, path):
    """What an honest server answers; nothing for rounds beyond the tip."""
    place = urllib.parse.urlsplit(path).path.removeprefix("/beacon/").split("/")
    known = chain.beacons[:tip]
    if place == ["info"]:
        return chain.genesis.encode()
    if place == ["committee"]:
        epoch = parameter(path, "epoch")
        return chain.committees[epoch - 1].encode() if epoch <= len(chain.committees) else None
    if place == ["rounds"]:
        first, last = parameter(path, "from"), min(parameter(path, "to"), tip)
        return sequence(beacon.encode() for beacon in known[first - 1 : min(last, first + 999)])
    if place == ["rounds", "latest"]:
        return known[-1].encode() if known else None
    round = int(place[1])
    if not 1 <= round <= tip:
        return None
    if place[2:] == ["proof"]:
        head = parameter(path, "head")
        return sequence(chain.proof(round, head)) if round < head <= tip else None
    return known[round - 1].encode()
