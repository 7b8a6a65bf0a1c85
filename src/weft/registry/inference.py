"""Inference: a device type proposed from what a device has sent so far.

A handful of messages shows names and kinds, rarely the bounds: what was seen is said in each
field's description and becomes no limit, so that no later message is refused because the
first ones were mild. A unit is proposed where the name of a key leaves little doubt. What no
type can say (a key of two kinds, a name that conditions cannot hold) is left out and noted.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from weft.errors import Invalid
from weft.registry.thing_models import FIELDS_MAX, require_key

TEXTS_MAX: Final = 5  # different texts of a key that are shown
TEXT_MAX_CHARACTERS: Final = 40
NOTES_MAX: Final = 50
_SECTIONS: Final = ("telemetry", "properties", "events")

# Last words of a key that say a unit by themselves (UCUM).
_SUFFIXES: Final[dict[str, str]] = {
    "celsius": "Cel", "degc": "Cel", "fahrenheit": "[degF]", "kelvin": "K", "percent": "%",
    "pct": "%", "volts": "V", "mv": "mV", "amps": "A", "ma": "mA", "watts": "W", "kw": "kW",
    "kwh": "kW.h", "wh": "W.h", "hz": "Hz", "hpa": "hPa", "kpa": "kPa", "bar": "bar",
    "psi": "[psi]", "mm": "mm", "cm": "cm", "km": "km", "meters": "m", "kg": "kg", "lux": "lx",
    "ppm": "[ppm]", "db": "dB", "dbm": "dB[mW]", "rpm": "{rev}/min", "ms": "ms", "seconds": "s",
    "minutes": "min",
}  # fmt: skip

# Words of a key that name a quantity, the unit most devices send it in, and between which
# values it must lie to be believed to be that (fraction or percent, pascal or hectopascal).
_QUANTITIES: Final[tuple[tuple[frozenset[str], str, float, float], ...]] = (
    (frozenset({"temperature", "temp"}), "Cel", -90, 1_500),
    (frozenset({"humidity", "rh"}), "%", 1, 100),
    (frozenset({"battery", "soc"}), "%", 1, 100),
    (frozenset({"pressure"}), "hPa", 850, 1_100),
    (frozenset({"pressure"}), "Pa", 85_000, 110_000),
    (frozenset({"voltage"}), "V", -2_000, 2_000),
    (frozenset({"current"}), "A", -10_000, 10_000),
    (frozenset({"power"}), "W", -1e9, 1e9),
    (frozenset({"frequency"}), "Hz", 0, 1e12),
    (frozenset({"illuminance"}), "lx", 0, 200_000),
    (frozenset({"co2"}), "[ppm]", 200, 100_000),
    (frozenset({"rssi"}), "dB[mW]", -200, 20),
    (frozenset({"snr"}), "dB", -50, 100),
    (frozenset({"latitude", "lat"}), "deg", -90, 90),
    (frozenset({"longitude", "lon", "lng"}), "deg", -180, 180),
    (frozenset({"altitude"}), "m", -500, 100_000),
)
_WORDS: Final = re.compile(r"[A-Z]?[a-z]+\d*|[A-Z]+(?![a-z])\d*|\d+")


class Sample(Struct, frozen=True):
    """What one message said: in which section of a type it belongs, and the event's name."""

    section: str  # telemetry, properties or events
    values: dict[str, Any]
    name: str = ""


class Proposal(Struct, frozen=True):
    """A type document that its owner may edit, and what it could not say."""

    document: dict[str, Any]
    notes: tuple[str, ...]
    samples: int


class _Seen:
    """What was seen of one key."""

    __slots__ = ("count", "high", "kinds", "low", "texts")

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.low: float = 0
        self.high: float = 0
        self.texts: dict[str, None] = {}
        self.count = 0

    def add(self, value: Any) -> None:
        kind = _kind_of(value)
        if kind in ("integer", "number"):
            first = not self.kinds & {"integer", "number"}
            self.low = value if first else min(self.low, value)
            self.high = value if first else max(self.high, value)
        elif kind == "string" and len(self.texts) <= TEXTS_MAX:
            self.texts[value[:TEXT_MAX_CHARACTERS]] = None
        self.kinds.add(kind)
        self.count += 1


def infer(samples: Iterable[Sample]) -> Proposal:
    """Return the type that all samples follow, in the short form of a type document."""
    seen: dict[tuple[str, str], dict[str, _Seen]] = {}
    count = 0
    for sample in samples:
        if sample.section not in _SECTIONS:
            raise ValueError(sample.section)
        count += 1
        fields = seen.setdefault((sample.section, sample.name), {})
        for key, value in sample.values.items():
            if value is not None:  # of a property: it is gone
                fields.setdefault(key, _Seen()).add(value)
    notes: list[str] = []
    document: dict[str, Any] = {}
    for (section, name), fields in sorted(seen.items(), key=lambda one: one[0]):
        path = f"{section}.{name}" if name else section
        read = _fields(fields, path, notes)
        if section == "events":
            document.setdefault(section, {})[name] = read
        elif read:
            document[section] = read
    return Proposal(document, tuple(notes[:NOTES_MAX]), count)


def unit_of(key: str, low: float, high: float) -> str:
    """Return the unit that a key's name and values make likely; empty where they do not."""
    words = [word.lower() for word in _WORDS.findall(key)]
    if words and words[-1] in _SUFFIXES:
        return _SUFFIXES[words[-1]]
    for word in reversed(words):  # a battery_voltage is a voltage
        units = [one for one in _QUANTITIES if word in one[0]]
        if units:
            return next(
                (
                    unit
                    for _, unit, least, most in units
                    if least <= high <= most and low >= min(least, 0)
                ),
                "",
            )
    return ""


def _fields(fields: dict[str, _Seen], path: str, notes: list[str]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, seen in fields.items():
        try:
            require_key(key, path)
        except Invalid as error:
            notes.append(f"{error.detail} It is left out.")
            continue
        kind = _one_kind(seen.kinds)
        if not kind:
            kinds = " and ".join(sorted(seen.kinds))
            notes.append(f"{path}.{key} came as {kinds}, which no type can say; it is left out.")
        elif len(read) >= FIELDS_MAX:
            notes.append(f"{path} has more than {FIELDS_MAX} keys; {key} is left out.")
        else:
            read[key] = _field(key, kind, seen)
            if kind in ("object", "array"):
                notes.append(
                    f"{path}.{key} is nested ({kind}): what is inside is not checked. "
                    "Flatten it on the device, or pick its values in the type."
                )
    return read


def _field(key: str, kind: str, seen: _Seen) -> dict[str, Any]:
    field: dict[str, Any] = {"type": kind}
    about = ""
    if kind in ("integer", "number"):
        unit = unit_of(key, seen.low, seen.high)
        if unit:
            field["unit"] = unit
            field["type"] = "number"  # a measure that was whole so far will not stay so
        about = f", {seen.low} to {seen.high}"
    elif kind == "string" and len(seen.texts) <= TEXTS_MAX:
        about = f": {', '.join(seen.texts)}"
    field["description"] = f"Seen {seen.count} time{'s' if seen.count != 1 else ''}{about}."
    return field


def _kind_of(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case dict():
            return "object"
        case _:
            return "array"


def _one_kind(kinds: set[str]) -> str:
    """Return the kind that holds all of these; empty where there is none."""
    if kinds == {"integer", "number"}:
        return "number"
    return next(iter(kinds)) if len(kinds) == 1 else ""
