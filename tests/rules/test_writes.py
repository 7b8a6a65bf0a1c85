"""What rules do inside Weft: what can be said, and which values come of it."""

from typing import Any

import pytest

from weft.backends.memory.records import MemoryRecords
from weft.errors import Invalid
from weft.model.ids import TenantId
from weft.model.twin import Stamp
from weft.rules.model import ActionKind
from weft.rules.writes import CONNECTOR, device_of, filled, read_write, seen_of, written_by
from weft.twins.twins import DESIRED, Desired

VALUES = {"device": "fan-1", "rpm": 900.0, "mode": "slow"}


def test_a_value_in_braces_is_that_value() -> None:
    """A number stays a number; within a text it is written out."""
    action = read_write(
        ActionKind.DESIRE,
        {"properties": {"speed": "{rpm}", "mode": "{mode} at {rpm}", "on": True, "gone": "{none}"}},
    )

    made = filled(action, VALUES)

    assert made["properties"] == {"speed": 900.0, "mode": "slow at 900", "on": True, "gone": None}
    assert (made["device"], action.connector) == ("fan-1", CONNECTOR)
    assert written_by(action, VALUES)[0] == ("fan-1", "speed")


def test_a_command_goes_to_the_device_that_is_named() -> None:
    """It writes no property."""
    action = read_write(
        ActionKind.COMMAND, {"device": "pump-{mode}", "name": "stop", "input": {"in_s": 5}}
    )

    assert device_of(action, VALUES) == "pump-slow"
    assert filled(action, VALUES)["input"] == {"in_s": 5}
    assert written_by(action, VALUES) == []


@pytest.mark.parametrize(
    ("kind", "parameters", "said"),
    [
        (ActionKind.DESIRE, {}, "says no properties"),
        (ActionKind.DESIRE, {"properties": 1}, "says no properties"),
        (ActionKind.DESIRE, {"property": {}}, "'property' is no part of a desire"),
        (ActionKind.COMMAND, {"input": {}}, "cannot be a command name"),
        (ActionKind.COMMAND, {"name": "a", "input": 1}, "says no input"),
        (ActionKind.COMMAND, {"name": "a", "device": 1}, "The device is no text"),
    ],
)
def test_each_mistake_is_refused(kind: ActionKind, parameters: dict[str, Any], said: str) -> None:
    """With what to write instead."""
    with pytest.raises(Invalid, match=said) as refused:
        read_write(kind, parameters)

    assert refused.value.remedy


async def test_what_a_rule_has_seen_is_when_each_property_was_desired() -> None:
    """Of those that it writes, in its own tenant; zero where nobody desires anything."""
    records, main = MemoryRecords(), TenantId("main")
    held = Desired({"speed": 5, "other": 1}, 2, {"speed": Stamp(7, "user:alice")})
    await records.write(lambda writer: writer.put(DESIRED, main, "fan-1", held))
    for tenant, device, seen in (
        (main, "fan-1", {"speed": 7, "mode": 0}),
        (main, "fan-2", {"speed": 0, "mode": 0}),
        (TenantId("foreign"), "fan-1", {"speed": 0, "mode": 0}),
    ):
        found = await records.read(
            lambda r, t=tenant, d=device: seen_of(r, t, d, ("speed", "mode"))
        )
        assert found == seen
