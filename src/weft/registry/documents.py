"""Documents that people write: YAML or JSON text to plain values, without surprises.

YAML 1.1 reads `on` as true, `12:30` as 750 and lets a few lines swell to gigabytes through
aliases. Here a document means what JSON would mean: only true and false are booleans, a
key stands once, a moment is text, and there are no aliases, tags or numbers without an end.
"""

import json
import math
import re
from typing import Any, NoReturn

import yaml
from yaml.events import AliasEvent
from yaml.nodes import MappingNode, Node

from weft.errors import Invalid, TooLarge

DOCUMENT_MAX_CHARACTERS = 256 * 1024  # the largest Thing Model of the W3C's own is 20 KiB
DEPTH_MAX = 32

_REMEDY = "Write it as YAML or JSON; docs/reference shows each kind of document."


def read_document(text: str, what: str) -> dict[str, Any]:
    """Return the mapping that a text holds; `what` names the document in errors."""
    if len(text) > DOCUMENT_MAX_CHARACTERS:
        raise TooLarge(
            f"The {what} has {len(text)} characters; at most {DOCUMENT_MAX_CHARACTERS} are read.",
            remedy="Split it, or leave out descriptions.",
        )
    value = _read_json(text, what) if text.lstrip().startswith("{") else None
    if value is None:
        value = _read_yaml(text, what)
    if not isinstance(value, dict):
        raise Invalid(f"The {what} is no mapping of names to values.", remedy=_REMEDY)
    require_plain(value, what)
    return value


def _read_json(text: str, what: str) -> Any:
    """Return what JSON text holds; None for text that may still be YAML's `{a: 1}`."""
    try:
        return json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError:
        return None
    except (_Twice, ValueError, RecursionError) as error:
        raise Invalid(f"The {what} cannot be read: {error}.", remedy=_REMEDY) from error


class _Twice(Exception):
    """A key stands twice in one JSON object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Twice(f"the key {twice!r} stands twice")
    return made


def _read_yaml(text: str, what: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  derived from SafeLoader below
    except yaml.MarkedYAMLError as error:
        raise Invalid(
            f"The {what} cannot be read: {error.problem or error.context}{_place(error)}.",
            remedy=_REMEDY,
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Invalid(f"The {what} cannot be read: {error}.", remedy=_REMEDY) from error


def require_plain(value: Any, path: str, depth: int = 0) -> None:
    """Raise `Invalid` unless JSON could hold the value, at most 32 levels deep."""
    if depth > DEPTH_MAX:
        raise Invalid(f"{path} is nested deeper than {DEPTH_MAX} levels.", remedy="Flatten it.")
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str) or not _is_unicode(key):
                raise Invalid(
                    f"{path} has the key {key!r}, which is no text.", remedy="Put it in quotes."
                )
            require_plain(inner, f"{path}.{key}", depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            require_plain(inner, f"{path}[{index}]", depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise Invalid(f"{path} is {value}.", remedy="Write a finite number, or leave it out.")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise Invalid(f"{path} does not fit in 64 bits.", remedy="Write it as text in quotes.")
    elif isinstance(value, str) and not _is_unicode(value):
        raise Invalid(f"{path} holds half a character.", remedy="Write the text as UTF-8.")
    elif value is not None and not isinstance(value, str | int | float | bool):
        raise Invalid(
            f"{path} is a {type(value).__name__}, which JSON cannot hold.",
            remedy="Write it as text in quotes.",
        )


def _is_unicode(text: str) -> bool:
    """Whether UTF-8 can hold the text: JSON's escapes can write a lone surrogate."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _place(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""


def _fail(node: Node, problem: str) -> NoReturn:
    raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


class _Loader(yaml.SafeLoader):
    """JSON's values in YAML's clothes."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  yaml's own name

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        if self.check_event(AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]  # stubs leave it out
            raise yaml.MarkedYAMLError(
                problem="an alias (*name) is not read here: write the value out",
                problem_mark=event.start_mark,
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  yaml's signature
        seen: set[str] = set()
        for key, _value in node.value:
            name = str(key.value)
            if name in seen:
                _fail(key, f"the key {name!r} stands twice")
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:null|~|)$"), ["n", "~", ""]
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]*)$"), list("-0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"),
    list("-0123456789"),
)
