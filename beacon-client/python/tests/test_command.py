"""The command line: what it prints, and its exit codes."""

import contextlib
import io
import json
import os
import pathlib
import tempfile
import unittest
from unittest import mock

from beacon_client.__main__ import main
from beacon_client.draw import Commitment, DrawList, Rules, Stream

from . import chain
from .fabricate import Chain, chain_file
from .server import Status, TestServer, twisted


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Commands(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        environment = mock.patch.dict(os.environ, {"BEACON_HOME": str(self.folder / "home")})
        environment.start()
        self.addCleanup(environment.stop)
        for name in ("BEACON_URL", "BEACON_CHAIN"):
            os.environ.pop(name, None)
        # The command goes by the system's clock: rounds of the past, a trusting period that reaches there.
        self.chain = chain(9, windows=4)
        self.period = ("--trusting-period", "36500")

    def run_(self, *arguments):
        """(exit code, standard output, standard error)"""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(list(arguments))
            except SystemExit as ended:
                code = ended.code
        return code, out.getvalue(), err.getvalue()

    def test_rounds(self):
        newest = self.chain.beacons[-1].header
        with TestServer(self.chain) as server:
            given = ("--url", server.url, *self.period)
            code, out, err = self.run_("latest", *given)
            self.assertEqual((code, out), (2, ""))
            self.assertIn("no chain hash", err)
            code, out, err = self.run_("latest", *given, "--chain", self.chain.chain.hex())
            self.assertEqual((code, out), (0, f"9 {newest.output.hex()}\n"), err)
            self.assertIn("late:", err)
            # The chain hash is remembered.
            code, out, _ = self.run_("get", "2", *given, "--json")
            shown = json.loads(out)
            self.assertEqual((code, shown["round"], shown["verified"]), (0, 2, {"by": "mmr-proof", "head": 9}))
            self.assertEqual(shown["hash"], self.chain.beacons[1].header.hash().hex())
            code, _, err = self.run_("get", "1000000000", *given, "--json")
            self.assertEqual((code, json.loads(err)["code"]), (4, "not-yet"))
            self.assertEqual(self.run_("get", "0", *given)[0], 2)
            self.assertEqual(self.run_("get", "x", *given)[0], 2)

    def test_verify(self):
        with TestServer(self.chain) as server:
            given = ("--url", server.url, "--chain", self.chain.chain.hex(), *self.period)
            all_, some, links, one = ["--all"], ["--from", "3", "--to", "7"], ["--all", "--links"], ["4"]
            for what, count in ((all_, 9), (some, 5), (links, 9), (one, 1)):
                code, out, err = self.run_("verify", *what, *given, "--json")
                self.assertEqual((code, json.loads(out)["verified"]), (0, count), err)
            for what in ([], ["4", "--all"], ["--all", "--to", "3"], ["--from", "9", "--to", "8"]):
                self.assertEqual(self.run_("verify", *what, *given)[0], 2, what)

    def test_files(self):
        path = self.folder / "all.chain"
        data = chain_file(self.chain)
        path.write_bytes(data)
        given = ("--chain", self.chain.chain.hex())
        code, out, err = self.run_("verify", str(path), *given, "--json")
        self.assertEqual((code, json.loads(out)["verified"]), (0, 9), err)
        self.assertIn("trusting period", err)
        hashed = self.chain.beacons[3].header.hash().hex()
        code, _, err = self.run_("verify", str(path), *given, "--checkpoint", f"4:{hashed}")
        self.assertEqual((code, err), (0, ""))
        code, _, err = self.run_("verify", str(path), *given, "--checkpoint", f"4:{'00' * 32}", "--json")
        self.assertEqual((code, json.loads(err)["code"]), (1, "conflict"))
        path.write_bytes(data[:-1])
        code, out, err = self.run_("verify", str(path), *given, "--json")
        refusal = json.loads(err)["refusal"]
        self.assertEqual((code, out, refusal["code"], refusal["from"]), (1, "", "bad-chain-file", str(path)))
        self.assertEqual(self.run_("verify", str(self.folder / "none"), *given)[0], 2)

    def test_failures(self):
        given = ("--chain", self.chain.chain.hex(), *self.period, "--json")
        with twisted(self.chain, "latest", lambda _: b"") as liar, TestServer(self.chain) as good:
            code, out, err = self.run_("latest", "--url", liar.url, *given)
            self.assertEqual((code, out, json.loads(err)["refusal"]["from"]), (1, "", liar.url))
            code, out, err = self.run_("latest", "--url", liar.url, "--url", good.url, *given)
            self.assertEqual(code, 0)
            self.assertIn(f"server refused: malformed: newest beacon from {liar.url}", err)
        with twisted(self.chain, "", lambda _: Status(503, b"", b'{"code":"stopped"}')) as down:
            code, out, err = self.run_("latest", "--url", down.url, *given)
            fault = {"server": down.url, "fault": "status 503 (stopped)"}
            self.assertEqual((code, json.loads(err)["code"], json.loads(err)["servers"]), (3, "unreachable", [fault]))
        with TestServer(self.chain) as server:
            fresh = ("--url", server.url, "--home", str(self.folder / "fresh"))
            code, _, err = self.run_("latest", *fresh, "--chain", self.chain.chain.hex(), "--json")
            self.assertEqual((code, json.loads(err)["code"]), (1, "stale"))
        with TestServer(Chain(0)) as server:
            code, _, err = self.run_("latest", "--url", server.url, "--chain", Chain(0).chain.hex(), *self.period)
            self.assertEqual(code, 4, err)

    def test_usage(self):
        for arguments in (
            [], ["roll"], ["latest", "--chain", "00"], ["latest", "--timeout", "0"], ["latest", "--timeout", "nan"],
            ["latest", "--checkpoint", "0:00"], ["latest", "--url", "x", "--chain", "00" * 32], ["draw"],
            ["latest", "--chain", "00" * 32],
        ):  # fmt: skip
            self.assertEqual(self.run_(*arguments)[0], 2, arguments)
        for arguments in (["--help"], ["latest", "--help"], ["draw", "check", "--help"]):
            code, out, _ = self.run_(*arguments)
            self.assertEqual(code, 0)
            self.assertIn("usage", out)

    def outcome(self, names, rules):
        """The outcome of a draw in JSON, its list and its commitment."""
        listed, header = DrawList.parse(names), self.chain.beacons[-1].header
        commitment = Commitment.make(self.chain.chain, 9, header.due, rules, listed)
        results = Rules.parse(rules).draw(listed, Stream(header.output, commitment.draw_hash))
        return {
            "commitment": commitment.to_json(), "list": listed.to_text(), "output": header.output.hex(),
            "results": results, "proof": chain_file(self.chain, first=9).hex(),
        }  # fmt: skip

    def test_names_do_nothing_to_a_terminal(self):
        result = self.folder / "draw.result.json"
        result.write_text(json.dumps(self.outcome("\x1b[2J\u202eAda\n".encode(), "shuffle")))
        given = ("draw", "check", str(result), "--chain", self.chain.chain.hex())
        self.assertEqual(self.run_(*given), (0, "\x1b[2J\u202eAda\n", ""), "a pipe has the bytes of the list")
        with mock.patch("io.StringIO", Terminal):
            self.assertEqual(self.run_(*given), (0, "[U+001B][2J[U+202E]Ada\n", ""))
        self.assertEqual(self.run_("draw", "check", "\x1b]0;x\x07", *given[3:])[2][:25], "beacon: [U+001B]]0;x[U+00")

    def test_a_draw(self):
        outcome = self.outcome(b"Ada\nBengt\nDora\n", "pick 2")
        results = outcome["results"]
        result, published = self.folder / "draw.result.json", self.folder / "draw.json"
        result.write_text(json.dumps(outcome))
        published.write_text(json.dumps(outcome["commitment"]))
        given = ("draw", "check", str(result), "--chain", self.chain.chain.hex())
        self.assertEqual(self.run_(*given), (0, "\n".join(results) + "\n", ""))
        self.assertEqual(self.run_(*given, "--commitment", str(published))[0], 0)
        self.assertEqual(self.run_("draw", "check", str(result))[0], 2)
        published.write_text(json.dumps({**outcome["commitment"], "round": 8}))
        code, _, err = self.run_(*given, "--commitment", str(published), "--json")
        self.assertEqual((code, json.loads(err)["code"]), (1, "not-asked"))
        result.write_text(json.dumps({**outcome, "results": results[::-1]}))
        code, out, err = self.run_(*given, "--json")
        self.assertEqual((code, out, json.loads(err)["code"]), (1, "", "inconsistent"))


if __name__ == "__main__":
    unittest.main()
