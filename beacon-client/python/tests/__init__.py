"""Tests of the Python client: python -m unittest discover -t . -s tests"""

import functools

from beacon_client import Client

from .fabricate import Chain

#: A time limit that no test reaches, however busy the machine is, and one for what has to run into it.
LONG, SHORT = 20.0, 0.4


@functools.lru_cache(maxsize=None)
def chain(rounds, **plan):
    """A chain that tests may share, since none changes it."""
    return Chain(rounds, **plan)


def client(chain, servers, **options):
    """A client whose clock stands just after the chain's newest round."""
    options = {"timeout": LONG, "clock": lambda: chain.beacons[-1].header.due + 100, **options}
    return Client(chain.chain, [server.url for server in servers], **options)
