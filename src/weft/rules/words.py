"""Words: what may be written in a condition, for editors that complete it.

The functions that remember come from their own table; those of one moment stand here, each held
against the checker by a test. Names are those of a device type, or of any key without one.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from weft.model.device import DeviceType, Field
from weft.rules.feeds.base import Function
from weft.rules.feeds.table import FUNCTIONS


class FunctionWord(Struct, frozen=True):
    """A function and how it is called."""

    name: str
    signature: str
    gives: str
    doc: str
    example: str
    remembers: bool  # it looks back over what has come before


class NameWord(Struct, frozen=True):
    """A name that stands for a value."""

    name: str
    source: str  # telemetry, reported, or device
    type: str
    unit: str
    description: str


_PLAIN: Final = (
    ("abs", "abs(number)", "same", "The number without its sign.", "abs(pitch) > 5"),
    ("min", "min(a, b, ...)", "same", "The lowest of several.", "min(left, right) < 2"),
    ("max", "max(a, b, ...)", "same", "The highest of several.", "max(left, right) > 80"),
    ("size", "size(value)", "int", "The length of a text, list or map.", "size(state) > 0"),
    ("int", "int(value)", "int", "A whole number of it.", "int(code) == 7"),
    ("double", "double(value)", "double", "A number of it.", "double(text) > 1.5"),
    ("string", "string(value)", "string", "A text of it.", "string(code) == '7'"),
    ("has", "has(name)", "bool", "Whether the device has ever said it.", "has(temperature)"),
    (
        "startsWith",
        "text.startsWith(text)",
        "bool",
        "Whether a text begins so.",
        "state.startsWith('err')",
    ),
    ("endsWith", "text.endsWith(text)", "bool", "Whether a text ends so.", "state.endsWith('ok')"),
    (
        "contains",
        "text.contains(text)",
        "bool",
        "Whether a text is part of it.",
        "state.contains('a')",
    ),
)

_DEVICE: Final = (
    NameWord("device.id", "device", "string", "", "The id of the device."),
    NameWord("device.type", "device", "string", "", "The name of its type."),
)


def functions() -> list[FunctionWord]:
    """Return all functions by name."""
    plain = [FunctionWord(*row, remembers=False) for row in _PLAIN]
    remembering = [_word(one) for one in FUNCTIONS.values()]
    # A name that does both, as the highest of a window or of several values, is there twice.
    return sorted([*plain, *remembering], key=lambda one: (one.name, one.signature))


def names(kind: DeviceType | None) -> list[NameWord]:
    """Return what a device of a type says, and what is known of every device."""
    if kind is None:
        return list(_DEVICE)
    told = [*_fields("telemetry", "", kind.telemetry)]
    told += _fields("reported", "twin.reported.", kind.properties)
    return [*told, *_DEVICE]


def _fields(source: str, prefix: str, fields: dict[str, Field]) -> Iterator[NameWord]:
    for key, field in sorted(fields.items()):
        name = f"{prefix}{key}" if prefix or key.isidentifier() else f"telemetry['{key}']"
        yield NameWord(name, source, field.type, field.unit, field.description)


def _word(one: Function) -> FunctionWord:
    parts = [f"[{part.name}]" if part.optional else part.name for part in one.parameters]
    return FunctionWord(
        one.name, f"{one.name}({', '.join(parts)})", one.gives, one.doc, one.example, remembers=True
    )
