"""Verdicts, and a switch for each rule: with one rule off, the vectors must no longer come out."""

import functools
import pathlib
import re

OFF = None
_CACHES = []


class Reject(Exception):
    """A refusal with its stable name."""

    def __init__(self, verdict):
        super().__init__(verdict)
        self.verdict = verdict


def on(rule):
    """Whether a rule is in force."""
    return rule != OFF


def need(rule, condition, verdict):
    """Refuses with `verdict` unless the condition holds."""
    if not condition and on(rule):
        raise Reject(verdict)


def bind(rule, field):
    """A field that a hash binds."""
    return field if on(rule) else b""


def cached(function):
    """Remembers the answers of a pure function until another rule is switched."""
    remembered = functools.lru_cache(maxsize=None)(function)
    _CACHES.append(remembered)
    return remembered


def switch(rule):
    """Turns one rule off, and all others on."""
    global OFF
    OFF = rule
    for remembered in _CACHES:
        remembered.cache_clear()


def names():
    """The rules, in the order in which the sources name them."""
    found = {}
    for source in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        if source.name != "rules.py":
            for name in re.findall(r'\b(?:on|need|bind)\(\s*"([^"]+)"', source.read_text()):
                found.setdefault(name, source.name)
    return list(found)
