"""Servers behind TLS: a certificate that the system trusts for this host, and nothing else."""

import datetime
import ipaddress
import os
import pathlib
import socket
import ssl
import tempfile
import threading
import unittest
from unittest import mock

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from beacon_client import Client, Unreachable

from . import LONG, chain
from .server import TestServer


def certificate(folder, address):
    """The paths of a self-signed certificate for an address and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - day).not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = folder / f"{address}.pem", folder / f"{address}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    return paths


class TlsServer(TestServer):
    """The honest server behind TLS."""

    def __init__(self, chain, pair):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*pair)
        super().__init__(chain)
        self.url = self.url.replace("http:", "https:")

    def _serve(self, sock):
        try:
            super()._serve(self._context.wrap_socket(sock, server_side=True))
        except OSError:
            sock.close()  # the client does not trust this server


class Tls(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def latest(self, server, trusted, timeout=LONG):
        shared = chain(5)
        with mock.patch.dict(os.environ, {"SSL_CERT_FILE": str(trusted), "SSL_CERT_DIR": str(self.folder)}):
            clock = lambda: shared.beacons[-1].header.due  # noqa: E731
            return Client(shared.chain, [server], timeout=timeout, clock=clock).latest()

    def test_only_a_trusted_certificate_for_this_host_will_do(self):
        good, other = certificate(self.folder, "127.0.0.1"), certificate(self.folder, "127.0.0.2")
        with TlsServer(chain(5), good) as server:
            self.assertEqual(self.latest(server.url, good[0]).round, 5)
            with self.assertRaises(Unreachable) as caught:
                self.latest(server.url, other[0])
            self.assertEqual(caught.exception.faults[0][1].kind, "connect")
        with TlsServer(chain(5), other) as server, self.assertRaises(Unreachable) as caught:
            self.latest(server.url, other[0])
        self.assertEqual(caught.exception.faults[0][1].kind, "connect")

    def test_servers_that_do_not_speak_tls(self):
        good = certificate(self.folder, "127.0.0.1")
        with socket.create_server(("127.0.0.1", 0)) as plain, self.assertRaises(Unreachable) as caught:
            def greeting():
                with plain.accept()[0] as sock:
                    sock.sendall(b"220 hello, this is mail\r\n")

            greet = threading.Thread(target=greeting)
            greet.start()
            self.addCleanup(greet.join)
            self.latest(f"https://127.0.0.1:{plain.getsockname()[1]}", good[0])
        self.assertEqual(caught.exception.faults[0][1].kind, "connect")
        with socket.create_server(("127.0.0.1", 0)) as silent, self.assertRaises(Unreachable) as caught:
            self.latest(f"https://127.0.0.1:{silent.getsockname()[1]}", good[0], timeout=0.4)
        self.assertEqual(caught.exception.faults[0][1].kind, "timeout")

    def test_a_name_that_nobody_resolves_in_time(self):
        waiting = threading.Event()
        self.addCleanup(waiting.set)
        with mock.patch("socket.getaddrinfo", lambda *_, **__: waiting.wait()):
            with self.assertRaises(Unreachable) as caught:
                Client(bytes(32), ["http://beacon.invalid"], timeout=0.2).latest()
        self.assertEqual(caught.exception.faults[0][1].kind, "timeout")


if __name__ == "__main__":
    unittest.main()
