#!/usr/bin/env python3
"""Checks every vector in this folder with a second implementation, which needs nothing but Python's standard library.

    check.py                  every case of every file
    check.py chain transcript only these files
    check.py --mutate         turns off one rule after the other; each time some case must come out otherwise
    check.py --rules          the rules that can be turned off

The last line says how much was checked. The exit code is 0 if all is as it should be.
"""

import argparse
import pathlib
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))

from second import rules  # noqa: E402
from second.cases import FILES, cases  # noqa: E402

# The files in which a rule's own cases are, which are therefore tried first.
NEAREST = {
    "agree": "message", "bundle": "bundle", "certify": "certificate", "chain": "chain", "codec": "formats",
    "commit": "message", "committee": "committee", "consensus": "consensus", "deal": "message", "draw": "draw",
    "genesis": "genesis", "hash": "hash", "keys": "keys", "mix": "mix", "mmr": "mmr", "open": "message",
    "pvss": "pvss", "registry": "registry", "schedule": "schedule", "tickets": "tickets", "trust": "chain",
}  # fmt: skip


def mistakes(files, stop=False):
    """The cases that do not come out as they are recorded, and how many were looked at."""
    wrong, count = [], 0
    for name in files:
        for label, expected, judge in cases(name):
            count += 1
            try:
                found = judge()
            except rules.Reject as reject:
                found = {"verdict": reject.verdict}
            except Exception as error:  # a rule that is off may leave anything behind
                found = f"{type(error).__name__}: {error}"
            if found != expected:
                wrong.append(f"{name}: {label}: found {str(found)[:300]}, expected {str(expected)[:300]}")
                if stop:
                    return wrong, count
    return wrong, count


def mutate(chosen):
    """Turns off each rule; gives the ones that nothing notices."""
    survivors = []
    for rule in chosen:
        rules.switch(rule)
        first = NEAREST[rule.split("-")[0]]
        wrong, _ = mistakes([first] + [name for name in FILES if name != first], stop=True)
        if not wrong:
            survivors.append(rule)
            print(f"nothing notices that this rule is off: {rule}")
    rules.switch(None)
    return survivors


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", help="vector files without .json; all if none is given")
    parser.add_argument("--mutate", action="store_true", help="turn off one rule after the other")
    parser.add_argument("--rules", action="store_true", help="list the rules")
    arguments = parser.parse_args()
    if arguments.rules:
        print("\n".join(rules.names()))
        return 0
    started = time.monotonic()
    if arguments.mutate:
        named = [rule for rule in rules.names() if not arguments.files or rule.split("-")[0] in arguments.files]
        survivors = mutate(named)
        print(f"check.py --mutate: {len(named)} rules, {len(survivors)} not noticed, {time.monotonic() - started:.1f} s")
        return 1 if survivors or not named else 0
    wrong, count = mistakes(arguments.files or FILES)
    print("\n".join(wrong), end="\n" if wrong else "")
    print(f"check.py: {count} cases, {len(wrong)} wrong, {time.monotonic() - started:.1f} s")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
