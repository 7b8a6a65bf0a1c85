"""Extraction: where in an answer the id and the state stand, as in `result[0].sys_id`.

A path names keys and places, and nothing else: it has no wildcard, filter or function, so it
costs what it is long. What it finds is untrusted: an id is a short printable text or a
number, a state is cut and printed as one line.
"""

import re
from typing import Any

from msgspec import UNSET

from weft.connectors.fields import cut
from weft.errors import Invalid
from weft.observability.log import escape_controls

Steps = tuple[str | int, ...]

ID_CHARACTERS = 200
STATE_CHARACTERS = 80
_KEY = r"([A-Za-z_@$][A-Za-z0-9_@$-]*)"
_BRACKETS = r"\[(\d{1,4})\]|\['([^']{1,100})'\]"
_FIRST = re.compile(f"{_KEY}|{_BRACKETS}")
_STEP = re.compile(rf"\.{_KEY}|{_BRACKETS}")


def read_path(text: str) -> Steps:
    """Return the steps of a path; raise `Invalid` with the column. The empty one is the whole."""
    steps: list[str | int] = []
    place = 0
    while place < len(text):
        found = (_STEP if place else _FIRST).match(text, place)
        if found is None:
            raise Invalid(
                f"Column {place + 1} of {text!r}: this is no step of a path.",
                remedy="Write names, .names, [0] and ['a key'], as in result[0].sys_id.",
            )
        key, number, quoted = found.groups()
        steps.append(int(number) if number is not None else key or quoted)
        place = found.end()
    return tuple(steps)


def find_at(value: Any, steps: Steps) -> Any:
    """Return what stands there, or UNSET."""
    for step in steps:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return UNSET
            value = value[step]
        else:
            if not isinstance(value, dict) or step not in value:
                return UNSET
            value = value[step]
    return value


def find_id(value: Any, steps: Steps) -> str:
    """Return the id that stands there, or "" for what is none."""
    found = find_at(value, steps)
    if type(found) is int:
        return str(found)
    if isinstance(found, str) and found.isprintable() and len(found) <= ID_CHARACTERS:
        return found
    return ""


def find_state(value: Any, steps: Steps) -> str:
    """Return the state that stands there as one short line, or ""."""
    found = find_at(value, steps)
    if found is UNSET or found is None or isinstance(found, dict | list):
        return ""
    text = str(found).lower() if isinstance(found, bool) else str(found)
    return cut(escape_controls(text), STATE_CHARACTERS)
