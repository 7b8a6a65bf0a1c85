"""Suppressing: alarms in maintenance, below a cause, on a shelf and in a flood are kept back."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.connectors.support import alarm as an_alarm
from tests.rules.support import ALICE, HOOK, MAIN, ORDER
from tests.rules.suppression_support import Quiet

from weft.model.alarm import AlarmState, Priority, SuppressionKind
from weft.model.ids import DeviceId
from weft.registry.assets import Assets, NewAsset
from weft.registry.attachments import Attachments
from weft.registry.devices import Devices
from weft.rules.alarms import Wanted
from weft.rules.suppressing import FloodSettings, Plant

HOUR_NS = 3600 * 1_000_000_000
ROOT = {"name": "down", "selector": {"devices": ["line-plc", "gate-1"]}, "causes": ["children"]}


async def test_an_alarm_knows_its_asset_and_its_priority() -> None:
    """Derived from the severity and from how much depends on the asset."""
    plant = Quiet()
    await plant.rule()
    await plant.heat("pump-1", "pump-2")
    first, second = await plant.raised()
    assert (first.urgency, first.assets) == (Priority.URGENT, ("north", "line-1", "press-1"))
    assert second.urgency is Priority.HIGH
    for asset, count in (("north", 2), ("line-1", 2), ("press-1", 1), ("line-2", 0)):
        assert len(await plant.alarms.list(MAIN, Wanted(asset=asset))) == count, asset


async def test_an_alarm_in_maintenance_is_kept_and_asks_for_nothing() -> None:
    """The line is being cleaned: marked, listed, counted apart; no order, no message."""
    plant = Quiet()
    await plant.rule(actions=[ORDER, HOOK])
    await plant.maintain("line-1")
    await plant.heat("pump-1", "fan-1")
    inside, outside = await plant.alarm_of("pump-1"), await plant.alarm_of("fan-1")
    assert inside.suppression is not None
    assert (inside.suppression.kind, inside.suppression.by) == (
        SuppressionKind.MAINTENANCE, "cleaning"
    )  # fmt: skip
    assert not outside.is_suppressed
    assert {one.action.alarm_id for one in await plant.outbox()} == {outside.alarm_id}
    assert len(await plant.orders()) == 1
    overview = await plant.alarms.overview(MAIN)
    assert (overview.suppressed, sum(overview.counts[outside.severity].values())) == (1, 1)
    assert len(await plant.alarms.list(MAIN, Wanted(suppressed=True))) == 1


async def test_what_stands_below_a_cause_is_held_under_it() -> None:
    """The line's controller is down: one alarm before the operators, its two pumps under it."""
    plant = Quiet()
    await plant.rule()
    await plant.rule(**ROOT)
    await plant.heat("line-plc", "pump-1", "pump-2", "fan-1")
    roots = [one for one in await plant.raised() if one.rule_id == "down"]
    assert len(roots) == 1
    held = await plant.alarms.list(MAIN, Wanted(under=roots[0].alarm_id))
    assert {one.device_id for one in held} == {"pump-1", "pump-2"}
    kinds = {one.suppression.kind for one in held if one.suppression is not None}
    assert kinds == {SuppressionKind.CAUSE}


async def test_a_gateways_alarm_holds_those_of_the_devices_behind_it() -> None:
    """Whether or not they stand below it in the plant; a neighbour's is not held."""
    plant = Quiet()
    await plant.rule(selector={"devices": ["pump-1", "fan-1", "line-plc"]})
    await plant.rule(**ROOT | {"selector": {"devices": ["gate-1"]}})
    await plant.heat("gate-1", "pump-1")
    assert (await plant.alarm_of("pump-1")).is_suppressed
    assert not (await plant.alarm_of("gate-1")).is_suppressed


async def test_a_cause_never_holds_itself_or_its_own_asset() -> None:
    """Two rules on one controller: both stand, neither hides the other."""
    plant = Quiet()
    await plant.rule(selector={"devices": ["line-plc"]})
    await plant.rule(**ROOT)
    await plant.heat("line-plc")
    assert [one.is_suppressed for one in await plant.raised()] == [False, False]


async def test_of_two_causes_the_highest_holds() -> None:
    """The site's gateway is gone, then the line: all hangs under the site's alarm."""
    plant = Quiet()
    await plant.rule()
    await plant.rule(**ROOT)
    await plant.heat("gate-1", "line-plc", "pump-1")
    (top,) = [
        one for one in await plant.raised() if one.rule_id == "down" and one.device_id == "gate-1"
    ]
    for alarm in await plant.raised():
        if alarm.device_id in {"line-plc", "pump-1"}:
            assert alarm.suppression is not None
            assert alarm.suppression.by == top.alarm_id


async def test_the_next_alarm_of_a_shelved_one_is_on_the_shelf_too() -> None:
    """A chattering sensor is put aside once: its next episode asks for nothing either."""
    plant = Quiet()
    await plant.rule(actions=[HOOK])
    await plant.heat("pump-1")
    first = await plant.alarm_of("pump-1")
    await plant.handling.shelve(ALICE, first.alarm_id, HOUR_NS, "loose sensor")
    await plant.heat("pump-1", second=1, degrees=20.0)
    await plant.heat("pump-1", second=2)
    _cleared, again = await plant.raised()
    assert (again.is_shelved, again.is_suppressed) == (True, True)
    assert len(await plant.outbox()) == 1


async def test_a_flood_becomes_one_alarm_and_nothing_is_lost() -> None:
    """Seven devices at once where three are readable: one alarm stands for four, all listed."""
    names = [f"meter-{number}" for number in range(7)]
    plant = Quiet(*names, flood=FloodSettings(flood_per_rule=3, flood_per_tenant=0))
    await plant.rule(actions=[HOOK])
    await plant.heat(*names)
    alarms = await plant.raised()
    (flood,) = [one for one in alarms if one.flood]
    assert "more than 3 alarms of rule overheating" in flood.message
    assert len(alarms) == 8
    assert len(await plant.alarms.list(MAIN, Wanted(under=flood.alarm_id))) == 4
    assert len(await plant.outbox()) == 3
    await plant.releasing.release_due()
    assert (await plant.alarms.get(MAIN, flood.alarm_id)).held == 4


async def test_a_flood_over_all_rules_is_one_of_the_tenant() -> None:
    """Two rules with two alarms each: the third one tips it."""
    plant = Quiet(flood=FloodSettings(flood_per_rule=0, flood_per_tenant=2))
    await plant.rule()
    await plant.rule(name="too-hot")
    await plant.heat("pump-1", "pump-2")
    alarms = await plant.raised()
    assert sum(one.flood for one in alarms) == 1
    assert sum(one.is_suppressed for one in alarms) == 2


async def test_alarms_over_minutes_are_no_flood() -> None:
    """The same number in five minutes is a bad day, not a flood."""
    names = [f"meter-{number}" for number in range(5)]
    plant = Quiet(*names, flood=FloodSettings(flood_per_rule=1, flood_per_tenant=1))
    await plant.rule()
    for name in names:
        await plant.heat(name)
        plant.clock.turn(61)
    assert not any(one.flood or one.is_suppressed for one in await plant.raised())


async def test_asking_again_after_a_crash_changes_nothing() -> None:
    """The requests are repeated from the journal: no second alarm, no second count."""
    names = [f"meter-{number}" for number in range(4)]
    plant = Quiet(*names, flood=FloodSettings(flood_per_rule=2, flood_per_tenant=0))
    await plant.rule(actions=[HOOK])
    await plant.heat(*names)
    before = await plant.raised()
    again = await plant.restart()
    assert await again.raised() == before
    assert len(await again.outbox()) == 2


@settings(max_examples=60, deadline=None)
@given(st.permutations(["gate-1", "line-plc", "pump-1", "pump-2", "fan-1"]), st.integers(1, 4))
async def test_whatever_comes_first_no_alarm_is_lost(order: list[str], limit: int) -> None:
    """Every device has its alarm; what is kept back names something that is open."""
    plant = Quiet(flood=FloodSettings(flood_per_rule=limit, flood_per_tenant=0))
    await plant.rule()
    await plant.rule(**ROOT)
    await plant.heat(*order)
    alarms = {one.alarm_id: one for one in await plant.raised()}
    plain = [one for one in alarms.values() if not one.flood and one.rule_id != "down"]
    assert sorted(one.device_id for one in plain) == sorted(order)
    for alarm in alarms.values():
        if alarm.suppression is not None:
            holder = next(one for one in alarms.values() if one.alarm_id == alarm.suppression.by)
            assert holder.state is AlarmState.ACTIVE
            assert not holder.is_suppressed


async def test_the_registry_says_where_a_subject_stands() -> None:
    """Of a device that is not there only its name is known; an asset stands below its parents."""
    plant = Quiet()
    devices = Devices(plant.records, plant.audit, plant.clock)
    assets = Assets(plant.records, plant.audit, plant.clock)
    await assets.create(ALICE, NewAsset("site", "north"))
    await assets.create(ALICE, NewAsset("line", "line-1", parent="north"))
    places = Plant(
        devices, assets, Attachments(plant.records, plant.audit, plant.clock, devices, assets)
    )
    where, asset = places.find(an_alarm(device_id=DeviceId("ghost")))
    assert (where.device_id, where.assets, asset) == ("ghost", (), None)
    where, asset = places.find(an_alarm(device_id=DeviceId(""), asset="line-1"))
    assert where.assets == ("north", "line-1")
    assert asset is not None
    where, asset = places.find(an_alarm(device_id=DeviceId(""), group="pumps"))
    assert (where.group, where.assets, asset) == ("pumps", (), None)
