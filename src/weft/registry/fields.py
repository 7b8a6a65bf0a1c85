"""Fields: one declared value, from the data schema of a W3C WoT Thing Model.

Only what we check is accepted. A schema word whose meaning we would have to ignore is
refused with its path, so that no device is believed to be checked when it is not.
"""

import difflib
from collections.abc import Iterable
from typing import Any, Final

from weft.errors import Invalid
from weft.model.device import Field

TYPES: Final = ("number", "integer", "boolean", "string", "object", "array")
_NUMBERS: Final = frozenset({"number", "integer"})

# Words that describe and do not constrain; kept in the document, without effect here.
_NOTES: Final = frozenset(
    {
        "title", "titles", "descriptions", "@type", "@context", "default", "examples", "forms",
        "observable", "writeOnly", "uriVariables", "tm:ref", "contentMediaType", "format",
    }
)  # fmt: skip
_READ: Final = frozenset(
    {
        "type", "unit", "minimum", "maximum", "enum", "const", "maxLength", "description",
        "required", "readOnly",
    }
)  # fmt: skip


def read_field(schema: Any, path: str, *, required: bool = False) -> Field:
    """Return the field that a data schema declares."""
    words = require_mapping(schema, path)
    require_known(words, _READ | _NOTES, path)
    kind = words.get("type")
    if kind not in TYPES:
        raise Invalid(
            f"{path}.type is {kind!r}." if "type" in words else f"{path} has no type.",
            remedy=f"Give it one of the types {', '.join(TYPES)}.",
        )
    field = Field(
        type=kind,
        unit=_text(words, "unit", path),
        minimum=_bound(words, "minimum", kind, path),
        maximum=_bound(words, "maximum", kind, path),
        enum=_enum(words, path),
        max_length=_max_length(words, kind, path),
        description=_text(words, "description", path),
        required=required
        or _flag(words, "required", path)
        or _flag(words, "weft:required", path),  # the W3C's word is for members of objects
        read_only=_flag(words, "readOnly", path),
    )
    _require_sound(field, path)
    return field


def require_mapping(value: Any, path: str) -> dict[str, Any]:
    """Return `value` if it is a mapping; an empty place counts as an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Invalid(
            f"{path} is {_kind(value)}, not a mapping.",
            remedy=f"Write names and values below {path}.",
        )
    return value


def require_known(words: Iterable[str], known: Iterable[str], path: str) -> None:
    """Raise `Invalid` at the first word that is not known; prefixed words are annotations."""
    names = sorted(known)
    for word in words:
        if word in names or ":" in word or word.startswith("$"):
            continue
        near = difflib.get_close_matches(word, names, n=1)
        raise Invalid(
            f"{path}.{word} is not a word that Weft reads.",
            remedy=f"Did you mean {near[0]}?"
            if near
            else f"Leave it out; read are: {', '.join(names)}.",
        )


def fits(value: Any, kind: str) -> bool:
    """Whether a JSON value is of a declared type."""
    match kind:
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "object":
            return isinstance(value, dict)
        case _:
            return isinstance(value, list)


def _require_sound(field: Field, path: str) -> None:
    low, high = field.minimum, field.maximum
    if low is not None and high is not None and low > high:
        raise Invalid(
            f"{path}.minimum ({low:g}) is above {path}.maximum ({high:g}).", remedy="Swap the two."
        )
    for index, value in enumerate(field.enum):
        if not fits(value, field.type):
            raise Invalid(
                f"{path}.enum[{index}] is {_kind(value)}; the type is {field.type}.",
                remedy=f"List values of type {field.type} only.",
            )


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    names: dict[type, str] = {str: "a text", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "a mapping")


def _text(words: dict[str, Any], word: str, path: str) -> str:
    value = words.get(word, "")
    if not isinstance(value, str):
        raise Invalid(f"{path}.{word} is {_kind(value)}, not a text.", remedy="Put it in quotes.")
    return value


def _flag(words: dict[str, Any], word: str, path: str) -> bool:
    value = words.get(word, False)
    if not isinstance(value, bool):
        raise Invalid(f"{path}.{word} is {_kind(value)}.", remedy="Write true or false.")
    return value


def _bound(words: dict[str, Any], word: str, kind: str, path: str) -> float | None:
    value = words.get(word)
    if value is None:
        return None
    if kind not in _NUMBERS:
        raise Invalid(
            f"{path}.{word} stands beside the type {kind}.",
            remedy="Only a number or an integer has bounds: change the type or leave it out.",
        )
    if not fits(value, "number"):
        raise Invalid(f"{path}.{word} is {_kind(value)}.", remedy="Write a number, without quotes.")
    return float(value)


def _enum(words: dict[str, Any], path: str) -> tuple[Any, ...]:
    if "const" in words:
        return (words["const"],)
    value = words.get("enum", [])
    if not isinstance(value, list) or ("enum" in words and not value):
        raise Invalid(
            f"{path}.enum is no list of values.", remedy="Write at least one: enum: [idle, running]"
        )
    return tuple(value)


def _max_length(words: dict[str, Any], kind: str, path: str) -> int | None:
    value = words.get("maxLength")
    if value is None:
        return None
    if kind != "string" or not fits(value, "integer") or value < 1:
        raise Invalid(
            f"{path}.maxLength is {value!r} at the type {kind}.",
            remedy="Give a string a whole number of characters, 1 or more.",
        )
    return int(value)
