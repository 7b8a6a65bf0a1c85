"""Membership: who belongs to the group or the asset of a rule, and who cannot be asked for."""

import pytest
from tests.groups.support import Plant
from tests.registry.support import ALICE, MAIN

from weft.errors import Invalid, NotFound
from weft.groups.kinds import GroupPatch, NewGroup
from weft.groups.membership import Membership
from weft.model.alarm import Subject, SubjectKind
from weft.registry.devices import DevicePatch
from weft.rules.model import RuleScope

CRITICAL = NewGroup("critical", "'critical' in device.tags", label="What must not stop")


async def built() -> tuple[Plant, Membership]:
    plant = await Plant().built()
    await plant.groups.create(ALICE, CRITICAL)
    await plant.groups.create(ALICE, NewGroup("two", members=("pump-1", "pump-3")))
    return plant, Membership(plant.groups, plant.around)


def names(members: Membership, scope: RuleScope) -> list[str]:
    return sorted({one.device_id for one in members.members_of(scope, MAIN)})


async def test_a_group_has_the_members_that_its_expression_or_list_says() -> None:
    """Both ways round they agree: of the group, and of the device."""
    plant, members = await built()

    for name, wanted in (("critical", ["pump-1", "pump-2"]), ("two", ["pump-1", "pump-3"])):
        scope = RuleScope(group=name)
        assert names(members, scope) == wanted
        for device in ("pump-1", "pump-2", "pump-3"):
            found = members.subjects_of(scope, plant.registry.devices.get(MAIN, device))
            assert found == ([Subject(SubjectKind.GROUP, name)] if device in wanted else [])


async def test_an_asset_has_what_is_attached_to_it_and_below_it() -> None:
    """A path says which is meant; a kind means each of them apart."""
    plant, members = await built()
    pump = plant.registry.devices.get(MAIN, "pump-1")

    assert {"pump-1", "pump-2"} <= set(names(members, RuleScope(asset="north")))
    (hall,) = members.subjects_of(RuleScope(asset="north/hall-1"), pump)
    assert hall == Subject(SubjectKind.ASSET, "hall-1")
    assert members.subjects_of(RuleScope(asset="hall-2"), pump) == []
    (line,) = members.subjects_of(RuleScope(each_asset="line"), pump)
    assert line == Subject(SubjectKind.ASSET, "line-1")


async def test_a_changed_group_has_other_members_at_once() -> None:
    """The compiled expression is of the group as it is."""
    plant, members = await built()
    scope = RuleScope(group="critical")
    assert names(members, scope) == ["pump-1", "pump-2"]

    await plant.groups.patch(ALICE, "critical", GroupPatch(expression="'old' in device.tags"))
    assert names(members, scope) == ["pump-2"]
    await plant.registry.devices.patch(ALICE, "pump-3", DevicePatch(tags=("old",)))
    assert names(members, scope) == ["pump-2", "pump-3"]
    await plant.groups.delete(ALICE, "critical")
    assert names(members, scope) == []


async def test_what_devices_say_makes_nobody_a_member_of_a_rules_group() -> None:
    """Membership would change with every message, and a replay would find others."""
    plant, members = await built()
    await plant.groups.create(ALICE, NewGroup("hot", "telemetry.temperature > 50"))

    with pytest.raises(Invalid, match="changes with what devices send"):
        members.require(MAIN, RuleScope(group="hot"))
    assert names(members, RuleScope(group="hot")) == []


async def test_a_group_or_an_asset_that_is_not_there_is_refused() -> None:
    """On save, with its name."""
    _plant, members = await built()

    members.require(MAIN, RuleScope(group="two"))
    members.require(MAIN, RuleScope(asset="north/hall-1/line-1"))
    members.require(MAIN, RuleScope(each_asset="robot"))  # none yet; there may be some
    for scope in (RuleScope(group="none"), RuleScope(asset="hall-2/line-1")):
        with pytest.raises(NotFound, match="there is no"):
            members.require(MAIN, scope)


async def test_a_subject_is_called_as_people_call_it() -> None:
    """By its label, else by its name."""
    _plant, members = await built()

    assert members.label_of(MAIN, Subject(SubjectKind.GROUP, "critical")) == "What must not stop"
    assert members.label_of(MAIN, Subject(SubjectKind.ASSET, "line-1")) == "line-1"


async def test_groups_are_known_again_after_a_restart() -> None:
    """Rules ask before anybody else does."""
    plant, _members = await built()
    again = Plant()
    again.groups = type(plant.groups)(
        plant.registry.records, plant.registry.audit, plant.registry.clock, plant.around
    )
    assert again.groups.find(MAIN, "critical") is None

    await again.groups.load()

    assert again.groups.find(MAIN, "critical") == plant.groups.find(MAIN, "critical")
