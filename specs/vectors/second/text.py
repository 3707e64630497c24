"""Bytes and shares as the vector files write them."""

import re


def unhex(text):
    """Hexadecimal, in which (00)*5; stands for 0000000000."""
    return bytes.fromhex(re.sub(r"\(([0-9a-f]*)\)\*(\d+);", lambda m: m[1] * int(m[2]), text))


def read_share(given):
    return {name: value if name == "position" else unhex(value) for name, value in given.items()}
