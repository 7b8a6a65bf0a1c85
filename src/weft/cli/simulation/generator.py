"""Values for declared fields: what the gate takes, and what a person finds plausible.

Ranges that a type leaves open are chosen by the unit; what it bounds is kept to exactly.
"""

import math
import random
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from weft.model.device import Field, Output

DEFAULT_RANGE: Final = (0.0, 100.0)
DECIMALS: Final = 3
_WORDS: Final = ("ok", "warm", "idle", "running", "cold", "standby")

# Of a unit (UCUM), what its values usually are.
UNIT_RANGES: Final[dict[str, tuple[float, float]]] = {
    "%": (0.0, 100.0),
    "Cel": (10.0, 60.0),
    "K": (283.0, 333.0),
    "[degF]": (50.0, 140.0),
    "bar": (0.0, 10.0),
    "kPa": (0.0, 1000.0),
    "hPa": (950.0, 1050.0),
    "V": (0.0, 240.0),
    "mV": (0.0, 5000.0),
    "A": (0.0, 16.0),
    "W": (0.0, 2000.0),
    "kW": (0.0, 20.0),
    "kW.h": (0.0, 1000.0),
    "Hz": (49.9, 50.1),
    "/min": (0.0, 3000.0),
    "mm/s": (0.0, 12.0),
    "[g]": (0.0, 4.0),
    "m/s": (0.0, 30.0),
    "km/h": (0.0, 120.0),
    "dB": (30.0, 90.0),
    "dB[mW]": (-110.0, -50.0),
    "lx": (0.0, 1000.0),
    "deg": (0.0, 360.0),
    "[ppm]": (400.0, 1500.0),
}


class Model(Struct, frozen=True):
    """What a device type declares, as far as a device that plays it needs to know."""

    telemetry: dict[str, Field]
    properties: dict[str, Field] = {}
    commands: dict[str, dict[str, Field]] = {}
    events: dict[str, dict[str, Field]] = {}
    outputs: dict[str, Output] = {}  # of commands


def range_of(declared: Field) -> tuple[float, float]:
    """Return the range of a number; what a field leaves open is chosen around the rest."""
    low, high = UNIT_RANGES.get(declared.unit, DEFAULT_RANGE)
    if declared.minimum is not None and declared.maximum is not None:
        return declared.minimum, declared.maximum
    if declared.minimum is not None:
        return declared.minimum, max(high, declared.minimum + 1)
    if declared.maximum is not None:
        return min(low, declared.maximum - 1), declared.maximum
    return low, high


def rounded(value: float, low: float, high: float, *, whole: bool) -> float | int:
    """Write a number as a device would, still inside its range."""
    if whole:
        return min(max(round(value), math.ceil(low)), math.floor(high))
    return min(max(round(value, DECIMALS), low), high)


def sample(declared: Field, chance: random.Random) -> Any:
    """Return one value that a field allows."""
    if declared.enum:
        return chance.choice(declared.enum)
    match declared.type:
        case "number" | "integer":
            low, high = range_of(declared)
            value = chance.uniform(low, high)
            return rounded(value, low, high, whole=declared.type == "integer")
        case "boolean":
            return chance.random() < 0.5
        case "string":
            return chance.choice(_WORDS)[: declared.max_length]
        case "array":
            return []
        case _:
            return {}


def sample_all(fields: Mapping[str, Field], chance: random.Random) -> dict[str, Any]:
    """Return a value for each field."""
    return {key: sample(declared, chance) for key, declared in fields.items()}


def sample_output(output: Output, chance: random.Random) -> Any:
    """Return what a command that declares an output may give back."""
    if output.value is not None:
        return sample(output.value, chance)
    return sample_all(output.fields, chance)
