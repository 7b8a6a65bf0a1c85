"""Checks: a device type becomes a Struct, so that converting a value is checking it.

A complaint names the key, the type and what to do. What nothing behind the journal could
keep is refused here too: once admitted, a message must never fail.
"""

import difflib
import keyword
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from weft.errors import Invalid, PayloadInvalid
from weft.model.device import DeviceType, Field
from weft.registry.differences import STRING_MAX_CHARACTERS

KEYS_MAX = 256  # of one free message
SHOWN_MAX = 128  # characters of a key that nobody declared
DEPTH_MAX = 32  # of nested values: twins, rules and answers go down them step by step

_INT64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_KEY = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
FREE = Annotated[
    dict[_KEY, bool | _INT64 | float | str | dict[str, Any] | list[Any]],
    Meta(max_length=KEYS_MAX),
]
_PLAIN_TYPES: dict[str, Any] = {
    "boolean": bool,
    "object": dict[str, Any],
    "array": list[Any],
}

NESTED = frozenset({"object", "array"})
_INT64_RANGE = range(-(2**63), 2**63)
_TO_CHECK = frozenset({int, dict, list})

MALFORMED = (ValueError, RecursionError)  # msgspec's, UnicodeDecodeError, and nesting bombs


def values_struct(device_type: DeviceType) -> type[Struct]:
    """Make the Struct of a type's telemetry: decoding into it checks type, range and key."""
    return struct_of(f"{device_type.name}_telemetry", device_type.telemetry)


def struct_of(name: str, fields: Mapping[str, Field], *, nullable: bool = False) -> type[Struct]:
    """Make a Struct that holds `fields`; `nullable` lets null stand for removal (merge patch)."""
    members: list[Any] = []
    rename: dict[str, str] = {}
    for number, (key, declared) in enumerate(fields.items()):
        attribute = key if _is_attribute(key) else f"field_{number}"
        if attribute != key:
            rename[attribute] = key
        annotation = annotation_of(declared)
        if nullable:
            annotation = annotation | None
        if declared.required and not nullable:
            members.insert(0, (attribute, annotation))
        else:
            members.append((attribute, annotation | UnsetType, UNSET))
    members.sort(key=len)  # those without a default come first
    safe_name = re.sub(r"\W", "_", name)
    return msgspec.defstruct(
        safe_name, members, rename=rename, forbid_unknown_fields=True, gc=False, eq=False
    )


def _is_attribute(key: str) -> bool:
    return key.isidentifier() and not keyword.iskeyword(key) and not key.startswith("_")


def annotation_of(declared: Field) -> Any:
    """Return the annotation that checks a declared field."""
    if declared.enum:
        return _enumeration(declared)
    if declared.type == "number":
        return Annotated[float, _bounds(declared, float)]
    if declared.type == "integer":
        bounds = Meta(ge=-(2**63), le=2**63 - 1)
        both = _bounds(declared, int)
        return Annotated[
            int,
            Meta(
                ge=both.ge if both.ge is not None else bounds.ge,
                le=both.le if both.le is not None else bounds.le,
            ),
        ]
    if declared.type == "string":
        return Annotated[str, Meta(max_length=declared.max_length or STRING_MAX_CHARACTERS)]
    return _PLAIN_TYPES[declared.type]


def _enumeration(declared: Field) -> Any:
    if not all(isinstance(value, int | str) for value in declared.enum):
        raise Invalid(
            "An enumeration can hold integers and strings only.",
            remedy="Say minimum and maximum for fractions.",
        )
    return Literal[tuple(declared.enum)]


def _bounds(declared: Field, kind: type[float] | type[int]) -> Meta:
    return Meta(
        ge=None if declared.minimum is None else kind(declared.minimum),
        le=None if declared.maximum is None else kind(declared.maximum),
    )


class Describe:
    """Puts a decoder's complaint into words that name the key, the type and the remedy."""

    def __init__(self, what: str, label: str, known: Iterable[str]) -> None:
        self._what = what
        self._label = label
        self._known = list(known)

    def refusal(self, error: Exception, where: str = "") -> PayloadInvalid:
        """Return the refusal for what msgspec (or the UTF-8 decoder) raised."""
        if isinstance(error, RecursionError):
            return PayloadInvalid(
                f"{where}The JSON is nested too deeply.", remedy="Send flat values."
            )
        if not isinstance(error, msgspec.ValidationError):
            return PayloadInvalid(
                f"{where}The payload is not JSON: {error}.",
                remedy='Send JSON text in UTF-8, as {"temperature": 21.4}.',
            )
        text = str(error)
        unknown = re.search(r"unknown field `([^`]*)`", text)
        if unknown:
            return self._unknown(unknown[1], where)
        field = text.rpartition(" - at `$.")[2].rstrip("`") if " - at `$." in text else ""
        if self._known:
            declared = (
                f"Send {field or 'it'} as type {self._label} declares it, or change the type."
            )
        else:
            declared = "Send an object of numbers, booleans, strings, objects or lists; not null."
        return PayloadInvalid(f"{where}{text.replace('`', '')}.", remedy=declared)

    def _unknown(self, key: str, where: str) -> PayloadInvalid:
        key = key if len(key) <= SHOWN_MAX else f"{key[:SHOWN_MAX]}..."
        hint = did_you_mean(key, self._known)
        return PayloadInvalid(
            f"{where}Type {self._label} declares no {self._what} {key!r}.",
            remedy=hint
            or f"Declare it in the device type, or send only: {', '.join(self._known)}.",
        )


def did_you_mean(key: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that is near, or an empty text."""
    if len(key) > SHOWN_MAX:
        return ""  # comparing costs as much as the key is long
    close = difflib.get_close_matches(key, list(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else ""


def require_storable(value: Any, depth: int = DEPTH_MAX) -> None:
    """Raise `PayloadInvalid` for what is JSON and yet nothing behind the journal can keep.

    Once admitted, a message must never fail: it would meet the same failure at every start.
    """
    if type(value) is int:
        if value not in _INT64_RANGE:
            raise PayloadInvalid(
                "A whole number does not fit into 64 bits.",
                remedy="Send it as a text, or with a decimal point.",
            )
        return
    inner = value.values() if type(value) is dict else value if type(value) is list else ()
    if inner and not depth:
        raise PayloadInvalid(
            f"The values are nested more than {DEPTH_MAX} deep.", remedy="Send flat values."
        )
    for one in inner:
        if type(one) in _TO_CHECK:
            require_storable(one, depth - 1)
