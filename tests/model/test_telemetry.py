"""Readings: typed or free, read by one function."""

import msgspec
from msgspec import UNSET, UnsetType

from weft.model.telemetry import Reading, items_of

Pump = msgspec.defstruct(
    "Pump", [("temperature", float | UnsetType, UNSET), ("rpm", int | UnsetType, UNSET)]
)


def test_a_field_that_was_not_sent_is_not_there() -> None:
    """It is neither null nor zero."""
    values = msgspec.json.decode(b'{"rpm": 900}', type=Pump)
    assert dict(items_of(values)) == {"rpm": 900}


def test_free_values_are_read_in_the_same_words() -> None:
    """A device without a type is a device."""
    reading = Reading(1, {"temperature": 21.4, "door": "open"})
    assert list(items_of(reading.values)) == [("temperature", 21.4), ("door", "open")]


def test_fields_are_called_what_the_device_calls_them() -> None:
    """A key that is no Python name is renamed inside, and keeps its name outside."""
    renamed = msgspec.defstruct("Odd", [("f0", float)], rename={"f0": "t-1"})
    assert dict(items_of(renamed(1.5))) == {"t-1": 1.5}
