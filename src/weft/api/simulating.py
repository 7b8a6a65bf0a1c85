"""Simulating: what a device of a type might say, made up from what its type declares.

Pure over the moment and the device's number: numbers wander within their bounds, words go through
those that are declared, positions go around a town. What has no words to choose from is left out,
unless the type requires it.
"""

import math
import zlib
from collections.abc import Mapping
from typing import Any, Final

from weft.model.device import Field

PERIOD_S: Final = 600.0
_TOWN: Final = (51.34, 12.38)  # degrees; around it, some kilometres
_AROUND: Final = 0.05
_HOLDS_S: Final = 60.0  # a word, or a truth


def values_of(fields: Mapping[str, Field], number: int, at_s: float) -> dict[str, Any]:
    """Return what the device of a number says at a moment (seconds)."""
    made = {key: _value(key, field, number, at_s) for key, field in fields.items()}
    return {key: value for key, value in made.items() if value is not None}


def _value(key: str, field: Field, number: int, at_s: float) -> Any:
    turn = at_s / PERIOD_S + _phase(key) + number * 0.37
    chosen = int(at_s / _HOLDS_S + number + 100 * _phase(key))
    if field.enum:
        return field.enum[chosen % len(field.enum)]
    if field.type in {"number", "integer"}:
        value = _number(key, field, turn)
        return math.floor(value) if field.type == "integer" else round(value, 6)
    if field.type == "boolean":
        return chosen % 10 == 0
    if field.type == "string" and field.required:
        return "simulated"[: field.max_length]
    return None


def _number(key: str, field: Field, turn: float) -> float:
    if field.unit == "deg" and key in {"latitude", "lat"}:
        return _TOWN[0] + _AROUND * math.sin(2 * math.pi * (turn - _phase(key)))
    if field.unit == "deg" and key in {"longitude", "lon", "lng"}:
        return _TOWN[1] + _AROUND * math.cos(2 * math.pi * (turn - _phase(key)))
    low = 0.0 if field.minimum is None else field.minimum
    high = low + 100.0 if field.maximum is None else field.maximum
    if field.minimum is None and field.maximum is not None:
        low = min(low, high - 1.0)
    # Two waves that do not meet: the middle half of what is allowed, now and then more.
    wave = 0.6 * math.sin(2 * math.pi * turn) + 0.3 * math.sin(2 * math.pi * turn * 3.7)
    return low + (high - low) * (0.5 + 0.5 * wave)


def _phase(key: str) -> float:
    return zlib.crc32(key.encode()) / 2**32
