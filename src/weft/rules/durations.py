"""Durations as people write them: 30s, 5m, 1h30m; never a bare number without its unit."""

import re

from weft.errors import Invalid

_PART = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d)", re.ASCII)
_NS = {
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
MAX_NS = 30 * _NS["d"]  # a condition that must hold for longer belongs in a report


def read_duration(text: str) -> int:
    """Return nanoseconds; raise `Invalid` for anything but numbers with units."""
    total, place, shown = 0.0, 0, text[:40]
    for match in _PART.finditer(text):
        if match.start() != place:
            break
        total += float(match.group(1)) * _NS[match.group(2)]
        place = match.end()
    if not text or place != len(text):
        raise Invalid(f"{shown!r} is no duration.", remedy="Write 30s, 5m, 1h30m or 250ms.")
    if total > MAX_NS:
        raise Invalid(f"{shown!r} is longer than 30 days.", remedy="Choose a shorter duration.")
    return round(total)
