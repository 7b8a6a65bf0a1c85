"""What a condition may speak of: the inputs that a device type declares, or any key.

Names are the telemetry keys themselves (`temperature`). A key that is no plain name, or
that hides behind a root's name, is `telemetry['the-key']`. Beside them stand
`twin.reported.x`, `device.id`, `device.type` and `device.attributes.x`.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Protocol

from msgspec import Struct

from weft.model.device import DeviceType, Field
from weft.rules.feeds.base import Function
from weft.rules.feeds.table import FUNCTIONS
from weft.rules.language.syntax import Path, Type

ROOTS: Mapping[str, str] = {
    "telemetry": "Write telemetry.temperature or telemetry['air-temp'].",
    "twin": "Write twin.reported.x; desired properties are not read by rules.",
    "device": "Write device.id, device.type or device.attributes.x.",
}

_TYPES = {
    "number": Type.DOUBLE,
    "integer": Type.INT,
    "boolean": Type.BOOL,
    "string": Type.STRING,
    "object": Type.MAP,
    "array": Type.LIST,
}


class Names(Protocol):
    """Which names an expression may use, and what each is."""

    @property
    def remembers(self) -> Mapping[str, Function]:
        """The functions that remember; none where there is one moment only."""
        ...

    def path_of(self, chain: tuple[str, ...]) -> Path | None:
        """Return the input that `a.b.c` is, or None when it is none by itself."""
        ...

    def type_of(self, path: Path) -> Type | None:
        """Return the type of an input, or None when there is no such."""
        ...

    def unit_of(self, path: Path) -> str:
        """Return the UCUM unit of an input; empty when it has none."""
        ...

    def unknown(self, path: Path) -> tuple[str, str]:
        """Say what is wrong with an input that is not there, and what to write."""
        ...

    def example(self, root: str) -> str:
        """Say how a name that is no value by itself is used."""
        ...


class Scope(Struct, frozen=True):
    """Declared inputs by key; None where any key may come, its type checked when it does.

    A number from a device without a type is a double, written 21 or 21.0.
    """

    telemetry: Mapping[str, Type] | None = None
    reported: Mapping[str, Type] | None = None
    units: Mapping[str, str] = {}
    functions: Mapping[str, Function] | None = None  # that remember; None: all, unchecked
    reported_units: Mapping[str, str] = {}

    @property
    def remembers(self) -> Mapping[str, Function]:
        """All functions that remember: a rule follows its device."""
        return FUNCTIONS if self.functions is None else self.functions

    def path_of(self, chain: tuple[str, ...]) -> Path | None:
        """Return the input that `a.b.c` is, or None when it is none by itself."""
        match chain:
            case (name,):
                return None if name in ROOTS else ("telemetry", name)
            case ("telemetry", key):
                return ("telemetry", key)
            case ("device", ("id" | "type") as key):
                return ("device", key)
            case ("twin", "reported", key):
                return ("reported", key)
            case ("device", "attributes", key):
                return ("attribute", key)
            case _:
                return None

    def type_of(self, path: Path) -> Type | None:
        """Return the type of an input, or None when no such input is declared."""
        source, key = path
        if source == "telemetry":
            return Type.DYN if self.telemetry is None else self.telemetry.get(key)
        if source == "reported":
            return Type.DYN if self.reported is None else self.reported.get(key)
        return Type.STRING if source == "device" else Type.DYN

    def unit_of(self, path: Path) -> str:
        """Return the declared unit of an input; empty when none is."""
        source, key = path
        units = {"telemetry": self.units, "reported": self.reported_units}.get(source, {})
        return units.get(key, "")

    def unknown(self, path: Path) -> tuple[str, str]:
        """Say that the device type declares no such input, and which it does."""
        source, key = path
        what = "telemetry key" if source == "telemetry" else "reported property"
        return f"{key!r} is no {what} of the device type.", suggest(key, self.known(source))

    def example(self, root: str) -> str:
        """Say how a name that is no value by itself is used."""
        return ROOTS[root]

    def known(self, source: str) -> tuple[str, ...]:
        """Return the declared keys of a source, for suggestions."""
        declared = self.telemetry if source == "telemetry" else self.reported
        return tuple(sorted(declared or ()))


ANY = Scope()


def _types(fields: Mapping[str, Field]) -> dict[str, Type]:
    return {key: _TYPES.get(field.type, Type.DYN) for key, field in fields.items()}


def scope_of(device_type: DeviceType | None) -> Scope:
    """Return the scope of a device type; of a device without one, any key."""
    if device_type is None:
        return ANY
    return Scope(
        telemetry=_types(device_type.telemetry),
        reported=_types(device_type.properties),
        units=_units(device_type.telemetry),
        reported_units=_units(device_type.properties),
    )


def _units(fields: Mapping[str, Field]) -> dict[str, str]:
    return {key: field.unit for key, field in fields.items() if field.unit}


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which known name was likely meant, or which there are."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    if not names:
        return "The device type declares none."
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"Known: {shown}."
