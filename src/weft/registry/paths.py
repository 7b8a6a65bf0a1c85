"""Paths: how a mapping names a place inside a payload.

temperature                 a name
sensor.values[0].t          names, and places in lists
rxInfo["gateway id"]        a name with other characters
$                           the payload itself; `$.x` begins there, wherever one is
"""

import re
from typing import Any, Final

from weft.errors import Invalid
from weft.model.mapping import Path

STEPS_MAX: Final = 16
PATH_MAX_CHARACTERS: Final = 256
INDEX_MAX: Final = 100_000

_STEP = re.compile(r'\.?([A-Za-z0-9_@:/+-]+)|\[(\d{1,6})\]|\["([^"\x00-\x1f]{1,128})"\]')
_REMEDY: Final = 'Write a path such as sensor.values[0].t, or ["a name"] for other characters.'


def read_path(text: Any, place: str) -> tuple[Path, bool]:
    """Return the steps of a path, and whether it begins at `$`; raise `Invalid` with the place."""
    if not isinstance(text, str) or not text or len(text) > PATH_MAX_CHARACTERS:
        raise Invalid(f"{place} is no path.", remedy=_REMEDY)
    rooted = text == "$" or text.startswith(("$.", "$["))
    at = 1 if rooted else 0
    steps: list[str | int] = []
    while at < len(text):
        found = _STEP.match(text, at)
        dotted = text[at] == "."
        needs_dot = found is not None and found[1] is not None and (bool(steps) or rooted)
        if found is None or (dotted != needs_dot):
            raise Invalid(
                f"{place} is {text!r}, which is no path from character {at + 1} on.", remedy=_REMEDY
            )
        steps.append(int(found[2]) if found[2] is not None else found[1] or found[3])
        at = found.end()
    if len(steps) > STEPS_MAX:
        raise Invalid(f"{place} has {len(steps)} steps; at most {STEPS_MAX}.", remedy=_REMEDY)
    return tuple(steps), rooted
