"""Times as people read them."""

from __future__ import annotations

from datetime import datetime, timezone

#: The first millisecond of the year 10000, which has no RFC 3339 form.
_END = 253_402_300_800_000


def format_time(millis: int) -> str:
    """Unix milliseconds as RFC 3339 in UTC, with milliseconds only where there are any."""
    if millis >= _END:
        return str(millis)
    text = datetime.fromtimestamp(millis // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{millis % 1000:03}Z" if millis % 1000 else f"{text}Z"


def format_span(millis: int) -> str:
    """A duration: `2 d 3 h`, `4 min 5 s`, `6.7 s`, `80 ms`."""
    seconds = millis // 1000
    if millis < 1000:
        return f"{millis} ms"
    if millis < 60_000:
        return f"{seconds}.{millis // 100 % 10} s"
    if millis < 3_600_000:
        return f"{seconds // 60} min {seconds % 60} s"
    if millis < 86_400_000:
        return f"{seconds // 3600} h {seconds // 60 % 60} min"
    return f"{seconds // 86_400} d {seconds // 3600 % 24} h"
