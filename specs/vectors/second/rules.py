"""Verdicts, and a switch for each rule: with one rule off, the vectors must no longer come out.

Which rules a judgement asked for is observed. One that never asked for a rule does not depend on it, so whoever turns
the rule off has to judge again only what asked for it, and answers remembered without it stay good.
"""

import functools
import pathlib
import re

OFF = None
# The rules that the judgement going on has asked for so far.
_asked = set()
# Answers of each function that remembers, with the rules they asked for; and those given with the present rule off.
_answers, _answers_without = {}, {}


class Reject(Exception):
    """A refusal with its stable name."""

    def __init__(self, verdict):
        super().__init__(verdict)
        self.verdict = verdict


def on(rule):
    """Whether a rule is in force."""
    _asked.add(rule)
    return rule != OFF


def need(rule, condition, verdict):
    """Refuses with `verdict` unless the condition holds."""
    if not condition and on(rule):
        raise Reject(verdict)


def bind(rule, field):
    """A field that a hash binds."""
    return field if on(rule) else b""


def observed(function, *inputs):
    """What a function gives, or its refusal, and the rules it asked for."""
    global _asked
    outer, _asked = _asked, set()
    try:
        try:
            found = function(*inputs)
        except Reject as reject:
            found = reject
        return found, frozenset(_asked)
    finally:
        outer |= _asked
        _asked = outer


def cached(function):
    """Remembers the answers and refusals of a pure function."""

    @functools.wraps(function)
    def remembered(*inputs):
        place = function, inputs
        answer = _answers.get(place)
        if answer is None or OFF in answer[1]:
            answer = _answers_without.get(place)
        if answer is None:
            answer = observed(function, *inputs)
            (_answers_without if OFF in answer[1] else _answers)[place] = answer
        found, asked = answer
        _asked.update(asked)
        if isinstance(found, Reject):
            raise Reject(found.verdict)
        return found

    return remembered


def switch(rule):
    """Turns one rule off, and all others on."""
    global OFF
    OFF = rule
    _answers_without.clear()


def names():
    """The rules, in the order in which the sources name them."""
    found = {}
    for source in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        if source.name != "rules.py":
            for name in re.findall(r'\b(?:on|need|bind)\(\s*"([^"]+)"', source.read_text()):
                found.setdefault(name, source.name)
    return list(found)
