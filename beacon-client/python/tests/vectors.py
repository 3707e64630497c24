"""The shared vectors: where they are, and how their inputs are written."""

from __future__ import annotations

import functools
import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[3]
FOLDER = ROOT / "specs" / "vectors"


@functools.lru_cache(maxsize=None)
def load(name):
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def unhex(text):
    """Hexadecimal, in which `(00)*5;` stands for five zero bytes."""
    plain = re.sub(r"\(([0-9a-f]*)\)\*(\d+);", lambda found: found[1] * int(found[2]), text)
    return bytes.fromhex(plain)


class Inputs:
    """The inputs of a case by name, shared values put in."""

    def __init__(self, case, shared):
        self.values = {
            name: shared[value[1:]] if isinstance(value, str) and value.startswith("@") else value
            for name, value in case["in"].items()
        }

    def __getitem__(self, name):
        return self.values[name]

    def hex(self, name):
        return unhex(self.values[name])

    def number(self, name):
        return int(self.values[name])


def cases(name, *kinds):
    """(kind, name, inputs, expected outcome) of the cases of some kinds."""
    file = load(name)
    for case in file["cases"]:
        if case["kind"] in kinds:
            yield case["kind"], case["name"], Inputs(case, file["shared"]), case["out"]


def kinds(name):
    return {case["kind"] for case in load(name)["cases"]}
