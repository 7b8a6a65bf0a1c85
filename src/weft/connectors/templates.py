"""Templates of requests: `{key}` in an address, header or body that settings describe.

A template can name, and nothing else. What is put in cannot break out (SS-3): in a path it
is percent-encoded and never a dot folder, in a query and a form it is encoded, in a header
only what headers carry is let through, and JSON is built as values and written by the
serializer. A text that is a name alone keeps that value's type.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from weft.errors import ConnectorError, Invalid
from weft.rules.language.scope import suggest

Values = Mapping[str, Any]

DEPTH_MAX = 16
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_ALONE = re.compile(r"\{([^{}]+)\}")
_PATH = re.compile(r"/[!$&'()*+,;=:@~A-Za-z0-9._/%{}-]*")


def names_in(template: Any) -> Iterator[str]:
    """Yield the names that a template, or any text within lists and tables, speaks of."""
    if isinstance(template, str):
        yield from (found[1] for found in _PART.finditer(template) if found[1] is not None)
    elif isinstance(template, Mapping):
        for one in template.values():
            yield from names_in(one)
    elif isinstance(template, list | tuple):
        for one in template:
            yield from names_in(one)


def require_template(template: Any, known: tuple[str, ...], depth: int = 0) -> None:
    """Raise `Invalid` unless every name is known and no brace stands alone."""
    if depth > DEPTH_MAX:
        raise Invalid("The template is nested too deep.", remedy=f"At most {DEPTH_MAX} levels.")
    if isinstance(template, Mapping):
        for one in template.values():
            require_template(one, known, depth + 1)
    elif isinstance(template, list | tuple):
        for one in template:
            require_template(one, known, depth + 1)
    elif isinstance(template, str):
        for found in _PART.finditer(template):
            if found[1] is None and found[0] in "{}":
                raise Invalid(
                    f"A single {found[0]!r} stands at column {found.start() + 1} of {template!r}.",
                    remedy="Write {{ and }} for braces, {key} for a value.",
                )
            if found[1] is not None and found[1] not in known:
                raise Invalid(
                    f"{found[0]} at column {found.start() + 1} of {template!r} names nothing.",
                    remedy=suggest(found[1], sorted(known)),
                )


def require_path(template: str, known: tuple[str, ...]) -> None:
    """Raise `Invalid` unless it is the template of an absolute path, without a query."""
    require_template(template, known)
    folders = template.split("/")
    if not _PATH.fullmatch(template) or {".", ".."} & set(folders):
        raise Invalid(
            f"{template!r} cannot be a path.",
            remedy="Begin with /, percent-encode what is special, and put ?… into query.",
        )


def fill_path(template: str, values: Values) -> str:
    """Return a path; a value that is empty or a dot folder is refused (permanently)."""

    def encode(text: str) -> str:
        if not text or text in {".", ".."}:
            raise ConnectorError(
                "A value of the request's path is empty or a folder's name.",
                permanent=True,
                remedy="The far side's id cannot be used in an address.",
            )
        return quote(text, safe="")

    return fill_text(template, values, encode)


def fill_text(template: str, values: Values, encode: Callable[[str], str] = str) -> str:
    """Return a text with its names filled; what has no value is empty."""

    def one(found: re.Match[str]) -> str:
        if found[1] is None:
            return found[0][0]
        return encode(_shown(values.get(found[1])))

    return _PART.sub(one, template)


def fill_value(template: Any, values: Values) -> Any:
    """Return a value for JSON; a text that is one name alone is that name's value."""
    if isinstance(template, str):
        alone = _ALONE.fullmatch(template)
        return values.get(alone[1]) if alone else fill_text(template, values)
    if isinstance(template, Mapping):
        return {key: fill_value(one, values) for key, one in template.items()}
    if isinstance(template, list | tuple):
        return [fill_value(one, values) for one in template]
    return template


def fill_query(template: Mapping[str, Any], values: Values) -> dict[str, str]:
    """Return a query's parameters; a list or table becomes the text of its JSON."""
    return {
        name: fill_text(one, values)
        if isinstance(one, str)
        else msgspec.json.encode(fill_value(one, values)).decode()
        for name, one in template.items()
    }


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
