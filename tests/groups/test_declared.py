"""Declared: a filter asks only for what some device can say, and is told what it meant."""

import pytest
from tests.groups.support import Plant
from tests.registry.support import ALICE, MAIN, MALLORY, OTHER

from weft.errors import Invalid
from weft.groups.declared import declared_for
from weft.groups.kinds import GroupPatch, NewGroup
from weft.model.message import Operation
from weft.registry.devices import DevicePatch, NewDevice

PUMP = """
title: Pump
telemetry:
  temperature: {type: number}
  pressure: {type: number}
  running: {type: boolean}
properties:
  mode: {type: string}
"""
DOOR = """
title: Door
telemetry:
  open: {type: boolean}
  pressure: {type: string}
"""


async def plant() -> Plant:
    """Pumps and a door; every device has a type."""
    made = Plant()
    await made.registry.types.save(ALICE, "pump", PUMP)
    await made.registry.types.save(ALICE, "door", DOOR)
    for name, kind in (("pump-1", "pump"), ("pump-2", "pump"), ("door-1", "door")):
        await made.registry.devices.create(ALICE, NewDevice(name, kind))
    made.tell("pump-1", Operation.TELEMETRY, {"temperature": 81})
    made.tell("pump-2", Operation.TELEMETRY, {"temperature": 79})
    return made


@pytest.mark.parametrize(
    ("text", "detail", "remedy"),
    [
        (
            "device.type == 'pump' && telemetry.temprature > 80",
            "Column 35: The device type 'pump' declares no telemetry 'temprature'.",
            "Did you mean 'temperature'?",
        ),
        (
            "'pump' == device.type && (has(reported.mod) && connected)",
            "The device type 'pump' declares no reported property 'mod'.",
            "Did you mean 'mode'?",
        ),
        (
            "device.type == 'door' && telemetry.temperature > 80",
            "The device type 'door' declares no telemetry 'temperature'.",
            "Known: open, pressure.",
        ),
        (
            "device.type == 'door' && reported.mode == 'a'",
            "The device type 'door' declares no reported property 'mode'.",
            "There is none to ask for.",
        ),
        (
            "device.type == 'pmp'",
            "Column 16: There is no device type 'pmp'.",
            "Did you mean 'pump'?",
        ),
        (
            "telemetry.opne || telemetry.temperature > 80",
            "No device type declares telemetry 'opne'.",
            "Did you mean 'open'?",
        ),
        ("telemetry.temperature > 'hot'", "Column 23", "Compare values of one type."),
        ("reported.mode > 3", "Column 15", "Compare values of one type."),
        ("device.type == 'pump' && telemetry.pressure == 'high'", "Column", "Compare values"),
    ],
)
async def test_what_no_device_can_say_is_told_with_what_was_meant(
    text: str, detail: str, remedy: str
) -> None:
    """Against the type that the filter names, else against all of them."""
    made = await plant()
    with pytest.raises(Invalid) as refused:
        made.groups.device_filter(MAIN, text)
    assert detail in refused.value.detail
    assert refused.value.detail.startswith("The filter: ")
    assert refused.value.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("device.type == 'pump' && telemetry.temperature > 80", ["pump-1"]),
        ("telemetry.temperature > 80 || telemetry.open", ["pump-1"]),
        ("telemetry.temperature < 80.5 && attributes.anything != 3", []),
        ("telemetry.pressure == 'high' || telemetry.pressure > 3", []),
        ("device.type == 'pump' && !has(telemetry.running)", ["pump-1", "pump-2"]),
        ("has(attributes.whatever) || device.type != 'pump'", ["door-1"]),
        ("device.type == '' && telemetry.anything > 3", []),
    ],
)
async def test_what_they_can_say_is_found_as_before(text: str, found: list[str]) -> None:
    """Two types that declare a key otherwise leave it open; attributes are the owner's."""
    made = await plant()
    assert await made.matching(text) == found


async def test_a_device_without_a_type_may_say_anything() -> None:
    """One such device, and no key can be called unknown; typed again, it can."""
    made = await plant()
    await made.registry.devices.create(ALICE, NewDevice("free"))
    made.tell("free", Operation.TELEMETRY, {"colour": "red"})
    assert await made.matching("telemetry.colour == 'red'") == ["free"]
    await made.registry.devices.patch(ALICE, "free", DevicePatch(type_name="door"))
    with pytest.raises(Invalid, match="colour"):
        made.groups.device_filter(MAIN, "telemetry.colour == 'red'")
    await made.registry.devices.patch(ALICE, "free", DevicePatch(type_name=None))
    await made.registry.devices.delete(ALICE, "free")
    with pytest.raises(Invalid, match="colour"):
        made.groups.device_filter(MAIN, "telemetry.colour == 'red'")
    assert not (await made.registry.restarted()).devices.any_without_type(MAIN)


async def test_tn_1_another_tenants_types_are_not_known() -> None:
    """Neither accepted nor suggested."""
    made = await plant()
    await made.registry.types.save(MALLORY, "valve", DOOR.replace("open", "position"))
    await made.registry.devices.create(MALLORY, NewDevice("valve-1", "valve"))
    with pytest.raises(Invalid, match="no device type 'valve'") as refused:
        made.groups.device_filter(MAIN, "device.type == 'valve'")
    assert "pump" in refused.value.remedy
    with pytest.raises(Invalid, match="position"):
        made.groups.device_filter(MAIN, "telemetry.position")
    assert made.groups.device_filter(OTHER, "telemetry.position")


async def test_what_devices_of_an_older_version_say_is_known() -> None:
    """They follow it until they are migrated."""
    made = await plant()
    newer = PUMP.replace("  pressure: {type: number}\n", "")
    await made.registry.types.save(ALICE, "pump", newer, allow_breaking=True)
    assert made.groups.device_filter(MAIN, "device.type == 'pump' && telemetry.pressure > 3")


async def test_a_saved_group_goes_on_when_its_type_has_changed() -> None:
    """It was held against the types when it was saved; a change of one does not break it."""
    made = await plant()
    with pytest.raises(Invalid, match="temprature"):
        await made.groups.create(ALICE, NewGroup("hot", expression="telemetry.temprature > 80"))
    group = await made.groups.create(
        ALICE, NewGroup("hot", expression="device.type == 'pump' && telemetry.temperature > 80")
    )
    for name in ("pump-1", "pump-2"):
        await made.registry.devices.patch(ALICE, name, DevicePatch(type_name="door"))
    await made.registry.types.delete(ALICE, "pump")
    assert (await made.groups.devices(group)).items == []
    assert made.groups.rights_of(group) == {"telemetry.read"}
    assert (await made.groups.patch(ALICE, "hot", GroupPatch(label="Hot"))).label == "Hot"
    with pytest.raises(Invalid, match="no device type 'pump'"):
        await made.groups.patch(ALICE, "hot", GroupPatch(expression="device.type == 'pump'"))


async def test_nothing_is_held_against_a_tenant_without_types() -> None:
    """The first filter may be written before the first type."""
    made = Plant()
    registry = made.registry
    assert declared_for("telemetry.x > 1", MAIN, registry.types, registry.devices) is None
