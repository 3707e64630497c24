"""The command line: python -m beacon_client."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import sys
from typing import Any

from .chainfile import verify_file
from .client import DEFAULT_TIMEOUT, DEFAULT_TRUSTING_PERIOD, Client, system_time
from .codec import read_hex, write_number
from .draw import Outcome, read_commitment
from .errors import BeaconError, Conflict, FileError, NotYet, Refused, Unreachable, UsageError
from .state import StateDir
from .times import format_time
from .trust import Verified

_ABOUT = "Verifies a randomness beacon, trusting nothing but its chain hash."
_AFTER = """\
examples:
  python -m beacon_client latest --url http://127.0.0.1:7701 --chain HASH   # verified, and remembered
  python -m beacon_client get 12 --url http://127.0.0.1:7701
  python -m beacon_client verify --all --url http://127.0.0.1:7701          # every link, certificate, MMR root
  python -m beacon_client verify all.chain --chain HASH                     # a file, without any network
  python -m beacon_client draw check draw.result.json --chain HASH          # a draw, without any network

exit codes: 0 verified, 1 refused, 2 usage, 3 no server reachable, 4 not yet.

Trust starts from the chain hash alone: get it from somebody you trust, not from the server. Give it once with --chain;
afterwards the server's address is enough, because the verified head is kept (see --home).
Outputs are public. Never use one as a key."""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; gives the exit code."""
    given = _parser().parse_args(arguments)
    try:
        given.run(given)
        sys.stdout.flush()
        return 0
    except BeaconError as error:
        print(_failure(error, given.json), file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader has gone away: there is nobody to tell, and nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    servers = [url for url in os.environ.get("BEACON_URL", "").split(",") if url]
    common.add_argument(
        "--url", action="append", help="server address; several may be given, the first is asked first [$BEACON_URL]"
    )
    common.add_argument(
        "--chain", type=_digest, default=os.environ.get("BEACON_CHAIN"), metavar="HASH",
        help="chain hash, 64 hexadecimal digits [$BEACON_CHAIN]",
    )  # fmt: skip
    common.add_argument("--json", action="store_true", help="print JSON, one object a line")
    common.add_argument(
        "--timeout", type=_seconds, default=DEFAULT_TIMEOUT, metavar="SECONDS", help="longest wait for one answer [10]"
    )
    common.add_argument(
        "--home", metavar="DIR",
        help="directory of the trusted heads [$BEACON_HOME, else $XDG_STATE_HOME/beacon or ~/.local/state/beacon]",
    )  # fmt: skip
    common.add_argument(
        "--checkpoint", type=_checkpoint, metavar="ROUND:HASH",
        help="a round and its header hash that you vouch for; needed when trust is older than the trusting period",
    )  # fmt: skip
    common.add_argument(
        "--trusting-period", type=_days, default=DEFAULT_TRUSTING_PERIOD // 86_400, metavar="DAYS",
        help="how long trust lasts without a newer head [60]",
    )  # fmt: skip
    common.set_defaults(servers=servers)

    parser = argparse.ArgumentParser(
        prog="python -m beacon_client", description=_ABOUT, epilog=_AFTER,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=[common], help=text, description=text)
        added.set_defaults(run=run)
        return added

    command("latest", _latest, "print the newest round")
    command("get", _get, "print one round").add_argument("round", type=_round, help="round number, from 1")
    verify = command("verify", _verify, "verify rounds of a server, or a file without any network")
    verify.add_argument("what", nargs="?", metavar="ROUND|FILE", help="a round, or a file written by `beacon export`")
    verify.add_argument("--from", dest="first", type=_round, metavar="ROUND", help="first round of a range")
    verify.add_argument("--to", dest="last", type=_round, metavar="ROUND", help="last round [the newest]")
    verify.add_argument("--all", action="store_true", help="every round there is")
    verify.add_argument("--links", action="store_true", help="only certificates that change committees or end answers")

    text = "verify a draw from the chain hash on, without any network"
    draws = commands.add_parser("draw", help=text, description=text)
    check = draws.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "check", parents=[common], help=text, description=text
    )
    check.set_defaults(run=_check_draw)
    check.add_argument("file", help="the result, as `beacon draw run` writes it")
    check.add_argument("--commitment", metavar="FILE", help="a commitment published before, to hold the result against")
    return parser


# Values of options; argparse turns the errors into usage messages.


def _digest(text: str) -> bytes:
    try:
        return read_hex(text, 32)
    except Refused:
        raise argparse.ArgumentTypeError("a hash is 64 hexadecimal digits") from None


def _round(text: str) -> int:
    if not re.fullmatch("[0-9]{1,20}", text, re.ASCII) or not 1 <= int(text) < 1 << 64:
        raise argparse.ArgumentTypeError("a round is a whole number from 1 to 2^64 - 1")
    return int(text)


def _checkpoint(text: str) -> tuple[int, bytes]:
    round, _, hashed = text.partition(":")
    try:
        return _round(round), _digest(hashed)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError("a checkpoint is ROUND:HASH, the hash being the round's header hash") from None


def _seconds(text: str) -> float:
    return _within(text, 0.001, 86_400, "a number of seconds from 0.001 to 86400")


def _days(text: str) -> float:
    return _within(text, 0, 36_500, "a number of days from 0 to 36500")


def _within(text: str, low: float, high: float, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not low <= number <= high:
        raise argparse.ArgumentTypeError(what)
    return number


# What the options describe.


def _state(given: argparse.Namespace) -> StateDir | None:
    return StateDir(given.home) if given.home else StateDir.of_user()


def _urls(given: argparse.Namespace) -> list[str]:
    return [url.rstrip("/") for url in given.url or given.servers]


def _chain(given: argparse.Namespace) -> bytes:
    """The chain hash given, or the one under which these servers were verified before. A server is never asked."""
    if given.chain is not None:
        chain: bytes = given.chain
        return chain
    state = _state(given)
    known = set() if state is None else {chain for url in _urls(given) for chain in state.chains_of(url)}
    if len(known) == 1:
        return known.pop()
    if known:
        lines = "".join(f"\n  {chain.hex()}" for chain in sorted(known))
        raise UsageError(f"these servers are known under {len(known)} chains; say which with --chain:{lines}")
    raise UsageError(
        "no chain hash: trust has to start somewhere, and a server's own word is no start.\n"
        "Get the chain hash from somebody you trust (the operators' page, what testnet/up printed) and give it once "
        "with --chain HASH.\nThe verified head is kept, so --chain can be left out for this server afterwards."
    )


def _client(given: argparse.Namespace) -> Client:
    urls = _urls(given)
    if not urls:
        raise UsageError("no server: give --url http://HOST:PORT, several times if you like, or set BEACON_URL")
    return Client(
        _chain(given), urls, timeout=given.timeout, trusting_period=given.trusting_period * 86_400,
        checkpoint=given.checkpoint, state=_state(given),
    )  # fmt: skip


# The commands.


def _latest(given: argparse.Namespace) -> None:
    client = _client(given)
    verified = client.latest()
    behind = client.trust().behind(client.now())
    if behind > 1:
        _say(f"late: {behind} rounds are due beyond this one")
    _show(given, client, verified, behind)


def _get(given: argparse.Namespace) -> None:
    client = _client(given)
    _show(given, client, client.get(given.round), 0)


def _verify(given: argparse.Namespace) -> None:
    ranged = given.all or given.first is not None or given.last is not None
    if given.what is None and not ranged:
        raise UsageError("verify what? A round, a file, --from A --to B, or --all")
    if given.what is not None and ranged:
        raise UsageError("verify either a round or file, or a range")
    if ranged:
        _verify_range(given)
    elif re.fullmatch("[0-9]+", given.what, re.ASCII):
        client = _client(given)
        verified = client.get(int(given.what))
        _tell_bans(client)
        _report(given, {"verified": 1, "round": verified.round, "head_hash": verified.hash.hex()})
    else:
        _verify_file(given)


def _verify_range(given: argparse.Namespace) -> None:
    if given.all and (given.first is not None or given.last is not None):
        raise UsageError("--all is every round there is: leave out --from and --to")
    client = _client(given)
    scan = client.scan(given.first or 1, given.last, certificates=not given.links)
    _tell_bans(client)
    certificates = "every round" if scan.certificates else "committee changes and ends of answers"
    _report(given, {
        "verified": scan.rounds, "from": scan.first, "to": scan.last.round, "certificates": certificates,
        "head_hash": scan.last.hash.hex(),
    })  # fmt: skip


def _verify_file(given: argparse.Namespace) -> None:
    chain, state = _chain(given), _state(given)
    stored = None if state is None else state.load(chain)
    trusted = [] if given.checkpoint is None else [given.checkpoint]
    if stored is not None and stored.trust.head is not None:
        trusted.append((stored.trust.round, stored.trust.head.hash))
    summary = verify_file(given.what, chain, trusted)
    head = summary.head
    covered = any(summary.first <= round <= head.round for round, _ in trusted)
    if not covered and head.due < system_time() - given.trusting_period * 86_400_000:
        _say(
            "this file is older than the trusting period: it proves what the committee of its time signed, if its keys "
            "were erased since; a --checkpoint inside the file proves more"
        )
    _report(given, {
        "verified": head.round - summary.first + 1, "from": summary.first, "to": head.round,
        "certificates": summary.certificates, "due": format_time(head.due), "output": head.output.hex(),
        "head_hash": head.hash.hex(),
    })  # fmt: skip


def _check_draw(given: argparse.Namespace) -> None:
    if given.chain is None:
        raise UsageError(
            "say with --chain which chain hash you trust: the one in the file is the drawer's own word"
        )
    try:
        outcome = Outcome.from_json(_read(given.file))
        outcome.check(given.chain)
        if given.commitment is not None:
            published = read_commitment(_read(given.commitment))
            if published != outcome.commitment:
                expected, found = published.draw_hash, outcome.commitment.draw_hash
                raise Refused("not-asked", "result of another commitment", None, expected, found)
    except Refused as refusal:
        raise refusal.by(given.file)
    if given.json:
        print(json.dumps({"commitment": outcome.commitment.to_json(), "results": outcome.results}))
    else:
        terminal = sys.stdout.isatty()
        print("\n".join(map(_visible, outcome.results) if terminal else outcome.results))


def _read(path: str) -> bytes:
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise FileError(path, error.strerror or error) from error


# What is printed.


#: What does something to the text around it instead of being seen: control characters but line ends and tabs, what
#: turns lines around, and what hides. Joiners are letters of some scripts.
_HIDDEN = re.compile(
    "[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb"
    "\\U000e0000-\\U000e007f]"
)


def _visible(text: str) -> str:
    """Text that others chose, made safe for a terminal: `[U+202E]` stands for what would not be seen as it is."""
    return _HIDDEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def _say(text: str) -> None:
    print(f"beacon: {_visible(text)}", file=sys.stderr)


def _tell_bans(client: Client) -> None:
    for refusal in client.bans():
        _say(f"server refused: {refusal}")


def _report(given: argparse.Namespace, rows: dict[str, object]) -> None:
    if given.json:
        print(json.dumps(rows))
        return
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:{width}}  {_visible(str(value))}")


def _show(given: argparse.Namespace, client: Client, verified: Verified, behind: int) -> None:
    """One round: JSON, a table on a terminal, or `ROUND OUTPUT` in a pipe."""
    _tell_bans(client)
    under = verified.proven_under
    if given.json:
        by: dict[str, object] = {"by": "certificate"}
        if under is not None:
            by = {"by": "mmr-proof", "head": write_number(under)}
        print(json.dumps({**verified.beacon.to_json(), "verified": by, "behind": behind}))
        return
    if not sys.stdout.isatty():
        print(verified.round, verified.output.hex())
        return
    certificate = f"certificate of {len(verified.certificate.signatures)} members"
    draft = client.trust().genesis.draft
    _report(given, {
        "round": verified.round,
        "due": format_time(verified.due),
        "output": verified.output.hex(),
        "header": verified.hash.hex(),
        "verified": f"{certificate}, more than 2/3 of the weight" if under is None
        else f"MMR proof under round {under}, and {certificate}",
        "chain": f"{client.chain.hex()} ({draft.name})",
    })  # fmt: skip


def _failure(error: BeaconError, as_json: bool) -> str:
    if not as_json:
        return f"beacon: {_visible(str(error))}"
    parts: dict[str, object] = {"error": str(error), "code": error.code}
    if isinstance(error, Refused):
        parts["refusal"] = error.to_json()
    elif isinstance(error, Conflict):
        parts |= {"trusted": error.trusted.to_json(), "offered": error.offered.to_json()}
    elif isinstance(error, NotYet):
        parts |= {"round": error.round, "due": error.due}
    elif isinstance(error, Unreachable):
        parts["servers"] = [{"server": server, "fault": str(fault)} for server, fault in error.faults]
    return json.dumps(parts)


if __name__ == "__main__":
    sys.exit(main())
