"""A light client of a randomness beacon: it trusts a chain hash and nothing else.

    from beacon_client import Client
    client = Client(CHAIN_HASH, ["https://beacon.example.org"])
    newest = client.latest()
    print(newest.round, newest.output.hex())

Outputs are public randomness: never use one, or bytes expanded from one, as a key.
"""

from .chain import Beacon, Certificate, Header
from .chainfile import Summary, verify_file, verify_stream
from .client import Client, Scan
from .codec import expand
from .draw import Commitment, DrawList, Outcome, Rules
from .errors import BeaconError, Conflict, Fault, FileError, NotYet, Refused, Unreachable, UsageError
from .follow import Banned, Late, Trouble
from .schedule import Schedule
from .state import StateDir
from .trust import Trust, Verified

__all__ = [
    "Banned", "Beacon", "BeaconError", "Certificate", "Client", "Commitment", "Conflict", "DrawList", "Fault",
    "FileError", "Header", "Late", "NotYet", "Outcome", "Refused", "Rules", "Scan", "Schedule", "StateDir", "Summary",
    "Trouble", "Trust", "Unreachable", "UsageError", "Verified", "expand", "verify_file", "verify_stream",
]  # fmt: skip
