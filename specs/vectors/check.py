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
import re
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))

from second import rules  # noqa: E402
from second.cases import FILES, cases  # noqa: E402

FOLDER = pathlib.Path(__file__).parent
# Rules of the specification that have vectors and yet no switch.
UNSWITCHED = {
    "chain-1": "says where the fields of a header come from; each is held by the rule it comes from",
    "open-1": "is pvss-10 for the dealing of a round",
    "recover-1": "is a format, and compared with its bytes",
    "tickets-4": "is a theorem about the result",
}


def gaps():
    """Vector files that nothing reads, and rules with vectors that nothing turns off."""
    unread = sorted({path.stem for path in FOLDER.glob("*.json")} - set(FILES))
    found = [f"{name}.json: nothing here reads this file" for name in unread]
    switched = {rule.split(" ")[0] for rule in rules.names()} | set(UNSWITCHED)
    rows = re.findall(r"^\| ([a-z]+-[0-9]+) [^|]*\|[^|]*\|([^|]*)\|", (FOLDER.parent / "README.md").read_text(), re.M)
    if not rows:
        found.append("../README.md: there is no table of rules")
    for rule, vectors in rows:
        if ".json" in vectors and rule not in switched:
            found.append(f"{rule}: it has vectors, and no rule of the second implementation bears its name")
    return found


def outcome(judge):
    try:
        return judge()
    except rules.Reject as reject:
        return {"verdict": reject.verdict}
    except Exception as error:  # a rule that is off may leave anything behind
        return f"{type(error).__name__}: {error}"


def mistakes(files):
    """The cases that do not come out as they are recorded or share a name, and how many were looked at."""
    wrong, count = [], 0
    for name in files:
        seen = set()
        for label, expected, judge in cases(name):
            count += 1
            if label in seen:
                wrong.append(f"{name}: two cases are called {label}")
            seen.add(label)
            found = outcome(judge)
            if found != expected:
                wrong.append(f"{name}: {label}: found {str(found)[:300]}, expected {str(expected)[:300]}")
    return wrong, count


def askers(files):
    """For each rule the cases that ask for it, the cheapest first."""
    found = {}
    for name in files:
        for _, expected, judge in cases(name):
            started = time.perf_counter()
            _, asked = rules.observed(outcome, judge)
            cost = time.perf_counter() - started
            for rule in asked:
                found.setdefault(rule, []).append((cost, expected, judge))
    return {rule: sorted(each, key=lambda case: case[0]) for rule, each in found.items()}


def mutate(chosen):
    """Turns off each rule; gives the ones that nothing notices. A case that does not ask for a rule cannot."""
    survivors, known = [], askers(FILES)
    for rule in chosen:
        rules.switch(rule)
        if all(outcome(judge) == expected for _, expected, judge in known.get(rule, [])):
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
    wrong += [] if arguments.files else gaps()
    print("\n".join(wrong), end="\n" if wrong else "")
    print(f"check.py: {count} cases, {len(wrong)} wrong, {time.monotonic() - started:.1f} s")
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
