"""Readings become columns by class and by keys, and nothing is lost on the way."""

from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from weft.history.scalars import is_absent
from weft.history.shapes import Gathered, to_rows
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Operation, Route
from weft.model.telemetry import Reading, items_of

PumpValues = msgspec.defstruct(
    "PumpValues", [("t", float | msgspec.UnsetType, UNSET), ("rpm", int | msgspec.UnsetType, UNSET)]
)


def route(device: str) -> Route:
    return Route(TenantId("main"), "device", device, "", Operation.TELEMETRY, DeviceId(device))


def gather(readings: list[Reading]) -> dict[type, Gathered]:
    by_class: dict[type, Gathered] = {}
    for index, reading in enumerate(readings):
        gathered = by_class.setdefault(type(reading.values), Gathered())
        gathered.readings.append(reading)
        gathered.routes.append(route(f"d{index % 3}"))
        gathered.positions.append(index + 1)
    return by_class


TYPED = st.builds(
    lambda t, rpm: PumpValues(t=t, rpm=rpm),
    st.floats(allow_nan=False) | st.just(UNSET),
    st.integers() | st.just(UNSET),
)
FREE: st.SearchStrategy[Mapping[str, Any]] = st.dictionaries(
    st.sampled_from("abc"), st.integers() | st.text(max_size=2)
)


@given(st.lists(st.builds(Reading, st.integers(0, 9), TYPED | FREE)))
@settings(deadline=None)  # a busy machine is no fault
def test_every_value_arrives_once(readings: list[Reading]) -> None:
    """Typed and free devices in one batch, fields left out, empty readings."""
    arrived = [
        (part.positions[row], part.devices[row], part.at[row], key, column[row])
        for part in to_rows(gather(readings).items())
        for key, column in zip(part.keys, part.columns, strict=True)
        for row in range(len(part.at))
        if not is_absent(column[row])
    ]
    sent = [
        (index + 1, f"d{index % 3}", reading.at, key, value)
        for index, reading in enumerate(readings)
        for key, value in items_of(reading.values)
    ]
    assert sorted(arrived, key=repr) == sorted(sent, key=repr)


def test_readings_of_one_type_are_one_part() -> None:
    """A column is one field of all of them."""
    readings = [Reading(1, PumpValues(t=1.0)), Reading(2, PumpValues(rpm=5))]
    (part,) = to_rows(gather(readings).items())
    assert part.keys == ("t", "rpm")
    assert part.columns == ([1.0, UNSET], [UNSET, 5])


def test_free_readings_are_parted_by_their_keys() -> None:
    """A thousand devices with keys of their own make no wide and empty table."""
    readings = [Reading(1, {"a": 1}), Reading(1, {"b": 1}), Reading(2, {"a": 2})]
    parts = to_rows(gather(readings).items())
    assert [(part.keys, len(part.at)) for part in parts] == [(("a",), 2), (("b",), 1)]


def test_what_failed_is_put_before_what_came_since() -> None:
    """Order is kept when a flush is tried again."""
    old, new = Gathered(), Gathered()
    old.positions, new.positions = [1, 2], [3]
    old.join(new)
    assert old.positions == [1, 2, 3]
