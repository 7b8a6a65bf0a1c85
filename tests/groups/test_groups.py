"""Groups: an expression or a list, sound when saved, and as things are when asked."""

import pytest
from tests.groups.support import Plant
from tests.registry.support import ALICE, MAIN, MALLORY, OTHER

from weft.errors import (
    AlreadyExists,
    Invalid,
    NotFound,
    QuotaExceeded,
    StaleVersion,
    TooLarge,
)
from weft.groups.groups import MEMBERS_MAX
from weft.groups.kinds import GroupPatch, NewGroup
from weft.registry.devices import DevicePatch, NewDevice
from weft.registry.tenants import Quotas

CRITICAL = NewGroup("critical", "'critical' in device.tags", label="What must not stop")


async def members(plant: Plant, name: str) -> list[str]:
    return [str(one) for one in await plant.groups.device_ids(MAIN, name)]


async def test_a_dynamic_group_is_as_things_are_when_it_is_asked() -> None:
    """A pump is tagged and belongs; the tag is taken away and it does not."""
    plant = await Plant().built()
    await plant.groups.create(ALICE, CRITICAL)
    assert await members(plant, "critical") == ["pump-1", "pump-2"]
    await plant.registry.devices.patch(ALICE, "pump-3", DevicePatch(tags=("critical",)))
    await plant.registry.devices.patch(ALICE, "pump-1", DevicePatch(tags=()))
    assert await members(plant, "critical") == ["pump-2", "pump-3"]


async def test_a_listed_group_holds_those_devices_and_no_namesakes() -> None:
    """A deleted member is gone, though its name comes back."""
    plant = await Plant().built()
    await plant.groups.create(ALICE, NewGroup("two", members=("pump-3", "pump-1", "pump-3")))
    assert await members(plant, "two") == ["pump-1", "pump-3"]
    await plant.registry.devices.delete(ALICE, "pump-3")
    await plant.registry.devices.create(ALICE, NewDevice("pump-3"))
    assert await members(plant, "two") == ["pump-1"]


async def test_the_devices_of_a_listed_group_come_by_page() -> None:
    """In the order of their ids."""
    plant = await Plant().built()
    group = await plant.groups.create(
        ALICE, NewGroup("all", members=("pump-3", "pump-1", "pump-2"))
    )
    page = await plant.groups.devices(group, limit=2)
    assert [one.device_id for one in page.items] == ["pump-1", "pump-2"]
    rest = await plant.groups.devices(group, after=page.after or "", limit=2)
    assert ([one.device_id for one in rest.items], rest.after) == (["pump-3"], None)


async def test_a_group_that_cannot_be_is_not_saved() -> None:
    """Neither expression nor members, both, a wrong one, or a device that is not there."""
    plant = await Plant().built()
    for new in (
        NewGroup("g"),
        NewGroup("g", "true", ("pump-1",)),
        NewGroup("g", "device.nme == 'x'"),
        NewGroup("a/b", "true"),
    ):
        with pytest.raises(Invalid):
            await plant.groups.create(ALICE, new)
    with pytest.raises(NotFound):
        await plant.groups.create(ALICE, NewGroup("g", members=("pump-9",)))
    with pytest.raises(TooLarge):
        await plant.groups.create(ALICE, NewGroup("g", members=("pump-1",) * (MEMBERS_MAX + 1)))
    assert await plant.groups.list(MAIN) == []


async def test_a_group_is_changed_and_deleted_on_record() -> None:
    """From an expression to members needs both said; a stale change is refused."""
    plant = await Plant().built()
    await plant.groups.create(ALICE, CRITICAL)
    with pytest.raises(AlreadyExists):
        await plant.groups.create(ALICE, CRITICAL)
    with pytest.raises(Invalid, match="either"):
        await plant.groups.patch(ALICE, "critical", GroupPatch(members=("pump-3",)))
    changed = await plant.groups.patch(
        ALICE, "critical", GroupPatch(expression="", members=("pump-3",), label="x"), version=1
    )
    assert (changed.version, changed.label, changed.expression) == (2, "x", "")
    assert await members(plant, "critical") == ["pump-3"]
    with pytest.raises(StaleVersion):
        await plant.groups.patch(ALICE, "critical", GroupPatch(label="y"), version=1)
    with pytest.raises(StaleVersion):
        await plant.groups.delete(ALICE, "critical", version=1)
    await plant.groups.delete(ALICE, "critical", version=2)
    with pytest.raises(NotFound):
        await plant.groups.get(MAIN, "critical")
    actions = [one for one in plant.registry.audit.actions() if one.startswith("group.")]
    assert actions == ["group.create", "group.update", "group.delete"]


async def test_tn_3_a_tenant_has_as_many_groups_as_its_quota() -> None:
    """One more is refused."""
    plant = await Plant().built()
    await plant.registry.tenants.create(ALICE, "main", quotas=Quotas(groups=1))
    await plant.groups.create(ALICE, CRITICAL)
    with pytest.raises(QuotaExceeded):
        await plant.groups.create(ALICE, NewGroup("second", "true"))


async def test_tn_1_another_tenants_group_is_not_there() -> None:
    """Nor can its devices be listed in mine."""
    plant = await Plant().built()
    await plant.groups.create(ALICE, CRITICAL)
    for refused in (
        plant.groups.get(OTHER, "critical"),
        plant.groups.patch(MALLORY, "critical", GroupPatch(label="mine")),
        plant.groups.delete(MALLORY, "critical"),
        plant.groups.create(MALLORY, NewGroup("mine", members=("pump-1",))),
        plant.groups.device_ids(OTHER, "critical"),
    ):
        with pytest.raises(NotFound):
            await refused
    assert await plant.groups.list(OTHER) == []


async def test_one_device_is_asked_for_without_the_others() -> None:
    """By expression and by list; in a group that is not there, nobody is."""
    plant = await Plant().built()
    await plant.groups.create(ALICE, CRITICAL)
    await plant.groups.create(ALICE, NewGroup("two", members=("pump-3", "pump-1")))
    asked = [("critical", "pump-1"), ("critical", "pump-3"), ("two", "pump-3"), ("two", "pump-2")]
    assert [await plant.groups.holds(MAIN, *one) for one in asked] == [True, False, True, False]
    assert not await plant.groups.holds(MAIN, "nothing", "pump-1")
    assert not await plant.groups.holds(MAIN, "two", "ghost")
    assert not await plant.groups.holds(OTHER, "two", "pump-1")
