"""Cells: one value in words, short enough for a table and never misleading.

Moments are local and short; the exact instant is what --json is for. What devices sent is
escaped, so that it cannot steer the terminal of whoever lists it.
"""

import json
import re
from datetime import datetime
from typing import Any

from weft.observability.log import escape_controls

EMPTY = "-"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_EXACT_BELOW = 1_000_000  # beyond it six digits would hide whole units


def is_empty(value: Any) -> bool:
    """Whether there is nothing to show."""
    return value is None or value == "" or (isinstance(value, dict | list) and not value)


def is_plain(value: Any) -> bool:
    """Whether a value is one word or number, or a list of such."""
    if isinstance(value, list):
        return not any(isinstance(item, dict | list) for item in value)
    return not isinstance(value, dict) or not value


def text_of(name: str, value: Any) -> str:
    """Write the value of a field in one line."""
    if is_empty(value):
        return EMPTY
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, str):
        return short_moment(name, value) if _is_moment(name, value) else _one_line(value)
    if isinstance(value, list) and is_plain(value):
        return ", ".join(text_of("", item) for item in value)
    if isinstance(value, dict) and all(map(is_plain, value.values())):
        return ", ".join(f"{_one_line(key)}={text_of(key, item)}" for key, item in value.items())
    return _one_line(json.dumps(value, ensure_ascii=False))


def number_text(value: float) -> str:
    """Write a number with the digits that a person reads."""
    if abs(value) >= _EXACT_BELOW:
        return f"{value:.1f}"
    return str(int(value)) if value == int(value) else f"{value:.6g}"


def short_moment(name: str, text: str) -> str:
    """Write a moment in local time: the time of a day if it is today's.

    A sample's moment keeps its milliseconds; what people do needs none.
    """
    moment = datetime.fromisoformat(text).astimezone()
    today = moment.date() == datetime.now(moment.tzinfo).date()
    if name == "at":
        parts = f".{moment.microsecond // 1000:03d}" if moment.microsecond else ""
        clock = f"{moment:%H:%M:%S}{parts}"
        return clock if today else f"{moment:%Y-%m-%d} {clock}"
    return f"{moment:%H:%M:%S}" if today else f"{moment:%Y-%m-%d %H:%M}"


def _is_moment(name: str, value: str) -> bool:
    return (name in {"at", "since"} or name.endswith("_at")) and bool(_MOMENT.fullmatch(value))


def _one_line(text: str) -> str:
    return " ".join(escape_controls(line) for line in text.splitlines())
