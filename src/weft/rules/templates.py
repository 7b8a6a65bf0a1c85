"""Messages and titles with `{device}` and `{temperature}` in them: names only, no code.

A template can name, and nothing else: no attribute, index, conversion or format. A value
that is not there is written as `?`, so a message never fails for want of a number.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from weft.errors import Invalid
from weft.observability.log import escape_controls
from weft.rules.language.scope import suggest

MAX_CHARACTERS = 1_000
BUILT_IN = ("device", "label", "rule", "severity")

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def require_template(text: str, known: Iterable[str] | None) -> str:
    """Return a template if it can be filled; `known` None lets any name pass."""
    if len(text) > MAX_CHARACTERS:
        raise Invalid(
            f"The text has {len(text)} characters; at most {MAX_CHARACTERS} fit.",
            remedy="Write a shorter one.",
        )
    names = None if known is None else {*known, *BUILT_IN}
    for match in _PART.finditer(text):
        name = match.group(1)
        if name is None:
            if match.group() in "{}":
                raise Invalid(
                    f"A single {match.group()!r} stands at column {match.start() + 1}.",
                    remedy="Write {{ and }} for braces, {device} for a value.",
                )
        elif names is not None and name not in names:
            raise Invalid(
                f"{{{name}}} at column {match.start() + 1} names nothing that is known here.",
                remedy=suggest(name, sorted(names)),
            )
    return text


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Put values into a template; one printable line, at most MAX_CHARACTERS."""

    def one(match: re.Match[str]) -> str:
        if match.group(1) is None:
            return match.group()[0]
        return _shown(values.get(match.group(1)))

    return escape_controls(_PART.sub(one, text))[:MAX_CHARACTERS]


def fill_all(parameters: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Fill every text of an action's parameters, one level deep."""
    return {
        key: fill(value, values) if isinstance(value, str) else value
        for key, value in parameters.items()
    }


def _shown(value: Any) -> str:
    if value is None:
        return "?"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)[:200]
