"""Device types: each change is a new version, and none is ever lost."""

import pytest
from msgspec.structs import replace
from tests.registry.support import ALICE, MAIN, MALLORY, OTHER, PUMP, Registry

from weft.errors import AlreadyExists, Conflict, Invalid, NotFound, StaleVersion
from weft.model.device import Device
from weft.registry.device_types import DeviceTypes, TypeChange
from weft.registry.devices import NewDevice
from weft.registry.differences import BreakingChange

FASTER = PUMP.replace("120", "150")
NARROWER = PUMP.replace("120", "100")


async def test_a_changed_document_is_a_new_version_and_the_old_one_stays() -> None:
    """Last month's messages are replayed by last month's type."""
    registry = Registry()
    await registry.types.save(ALICE, "pump", PUMP)
    await registry.types.save(ALICE, "pump", FASTER)

    again = await registry.restarted()
    for types in (registry.types, again.types):
        assert types.get(MAIN, "pump").version == 2
        assert types.get(MAIN, "pump", 1).telemetry["temperature"].maximum == 120
        assert types.get(MAIN, "pump", 2).telemetry["temperature"].maximum == 150
        assert types.versions(MAIN, "pump") == [1, 2]


async def test_saving_the_same_document_changes_nothing() -> None:
    """A deployment that saves all its types each time makes no versions, and no noise."""
    registry = Registry()
    heard: list[TypeChange] = []
    registry.types.on_change(heard.append)
    first = await registry.types.save(ALICE, "pump", PUMP)
    second = await registry.types.save(ALICE, "pump", PUMP)

    assert (first.version, second.version) == (1, 1)
    assert len(heard) == 1
    assert registry.audit.actions() == ["type.save"]


async def test_a_stale_save_is_refused() -> None:
    """Two engineers edit one type; the slower one is told."""
    registry = Registry()
    await registry.types.save(ALICE, "pump", PUMP, version=0)
    await registry.types.save(ALICE, "pump", FASTER, version=1)

    for version in (0, 1, 7):
        with pytest.raises((StaleVersion, AlreadyExists)):
            await registry.types.save(ALICE, "pump", PUMP, version=version)
    assert registry.types.get(MAIN, "pump").version == 2


async def test_a_type_in_use_is_not_deleted() -> None:
    """Its devices would fall back to unchecked JSON without anybody noticing."""
    registry = Registry()
    await registry.types.save(ALICE, "pump", PUMP)
    await registry.devices.create(ALICE, NewDevice("pump-7", type_name="pump"))

    with pytest.raises(Conflict, match=r"1 device\(s\)"):
        await registry.types.delete(ALICE, "pump")

    await registry.devices.delete(ALICE, "pump-7")
    await registry.types.delete(ALICE, "pump")
    assert registry.types.find(MAIN, "pump") is None
    with pytest.raises(NotFound):
        await registry.types.delete(ALICE, "pump")


async def test_versions_go_on_after_a_delete() -> None:
    """Version 1 of a deleted type is never another document (replay reads it by number)."""
    registry = Registry()
    await registry.types.save(ALICE, "pump", PUMP)
    await registry.types.delete(ALICE, "pump")

    again = await registry.restarted()
    made = await again.types.save(ALICE, "pump", FASTER)

    assert made.version == 2
    assert again.types.get(MAIN, "pump", 1).telemetry["temperature"].maximum == 120
    changed = await again.types.save(ALICE, "pump", PUMP, version=2, allow_breaking=True)
    assert changed.version == 3


async def test_listeners_hear_of_old_and_new() -> None:
    """The gate drops its decoders of a type that changed or went."""
    registry = Registry()
    heard: list[TypeChange] = []
    registry.types.on_change(heard.append)
    await registry.types.save(ALICE, "pump", PUMP)
    await registry.types.save(ALICE, "pump", FASTER)
    await registry.types.delete(ALICE, "pump")

    versions = [
        (change.old and change.old.version, change.new and change.new.version) for change in heard
    ]
    assert versions == [(None, 1), (1, 2), (2, None)]


async def test_types_are_listed_by_name_in_pages_and_by_tenant() -> None:
    """Another tenant's types are not there at all."""
    registry = Registry()
    for name in ("pump", "fan", "door"):
        await registry.types.save(ALICE, name, PUMP)
    await registry.types.save(MALLORY, "tap", PUMP)

    assert [t.name for t in registry.types.list(MAIN, limit=2)] == ["door", "fan"]
    assert [t.name for t in registry.types.list(MAIN, after="fan")] == ["pump"]
    assert registry.types.find(OTHER, "pump") is None
    with pytest.raises(NotFound, match="'tap'"):
        registry.types.get(MAIN, "tap")
    with pytest.raises(NotFound, match="version 9"):
        registry.types.get(MAIN, "pump", 9)


async def test_values_are_checked_like_text() -> None:
    """The API hands over what it decoded; the rules are the same."""
    registry = Registry()
    made = await registry.types.save(ALICE, "fan", {"telemetry": {"rpm": {"type": "integer"}}})
    assert list(made.telemetry) == ["rpm"]
    with pytest.raises(Invalid):
        await registry.types.save(ALICE, "fan", {"telemetry": {"rpm": {"type": object()}}})


async def test_a_breaking_change_is_saved_only_when_it_is_asked_for() -> None:
    """A typing mistake in a range must not refuse a whole fleet's messages."""
    registry = Registry()
    await registry.types.save(ALICE, "pump", PUMP)
    checked = registry.types.check(MAIN, "pump", NARROWER)
    assert [(one.place, one.breaking) for one in checked.differences] == [
        ("telemetry.temperature.maximum", True)
    ]
    with pytest.raises(BreakingChange, match=r"telemetry\.temperature\.maximum"):
        await registry.types.save(ALICE, "pump", NARROWER)
    assert registry.types.versions(MAIN, "pump") == [1]

    made = await registry.types.save(ALICE, "pump", NARROWER, allow_breaking=True)
    assert (made.version, made.breaking) == (2, True)


async def test_a_device_follows_what_is_compatible_and_nothing_that_breaks() -> None:
    """Pumps of the old kind stay where they are; new ones begin at the newest version."""
    registry = Registry()
    await registry.types.save(ALICE, "pump", PUMP)
    old = await registry.devices.create(ALICE, NewDevice("old", type_name="pump"))
    await registry.types.save(ALICE, "pump", FASTER)
    await registry.types.save(ALICE, "pump", NARROWER, allow_breaking=True)
    new = await registry.devices.create(ALICE, NewDevice("new", type_name="pump"))
    await registry.types.save(ALICE, "pump", FASTER)  # wider again than version 3

    again = await registry.restarted()
    for types in (registry.types, again.types):
        assert [_followed(types, one) for one in (old, new)] == [2, 4]


async def test_a_device_from_before_there_were_breaks_follows_the_first_versions() -> None:
    """A record of an earlier release does not say where its device began."""
    registry = Registry()
    await registry.types.save(ALICE, "pump", PUMP)
    device = await registry.devices.create(ALICE, NewDevice("old", type_name="pump"))
    earlier = replace(device, type_version=None)
    await registry.types.save(ALICE, "pump", FASTER)
    assert _followed(registry.types, earlier) == 2
    await registry.types.save(ALICE, "pump", NARROWER, allow_breaking=True)
    assert _followed(registry.types, earlier) == 2
    assert registry.types.followed_by(replace(device, type_name=None)) is None


async def test_a_stale_save_is_told_so_before_its_change_is_judged() -> None:
    """Who has not seen the latest version cannot know what it breaks."""
    registry = Registry()
    await registry.types.save(ALICE, "pump", PUMP)
    with pytest.raises(StaleVersion):
        await registry.types.save(ALICE, "pump", NARROWER, version=7)


def _followed(types: DeviceTypes, device: Device) -> int | None:
    found = types.followed_by(device)
    return found.version if found else None
