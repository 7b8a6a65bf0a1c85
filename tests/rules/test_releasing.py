"""Releasing: what was kept back comes forth when that is over and it still holds."""

import pytest
from msgspec.structs import replace
from tests.rules.support import ALICE, HOOK, MAIN, ORDER
from tests.rules.suppression_support import Quiet
from tests.rules.test_suppressing import HOUR_NS, ROOT

from weft.model.alarm import AlarmState, StepKind, SuppressionKind
from weft.rules import releasing as module
from weft.rules.alarms import Wanted
from weft.rules.suppressing import FLOODS, HELD, FloodSettings


async def test_what_still_holds_when_maintenance_ends_comes_forth() -> None:
    """The press was left hot: now it is an alarm like any other, with its order, once."""
    plant = Quiet()
    await plant.rule(actions=[ORDER, HOOK])
    await plant.maintain("line-1", seconds=3600)
    await plant.heat("pump-1", "pump-2")
    await plant.heat("pump-2", second=1, degrees=20.0)
    assert await plant.releasing.release_due() == 0
    assert not await plant.outbox()
    plant.clock.turn(3600)
    assert await plant.releasing.release_due() == 1
    assert await plant.releasing.release_due() == 0
    came, gone = await plant.alarm_of("pump-1"), await plant.alarm_of("pump-2")
    assert came.suppression is not None
    assert came.suppression.released_at == plant.clock.now()
    assert (came.is_suppressed, gone.is_suppressed, gone.state) == (
        False, True, AlarmState.CLEARED
    )  # fmt: skip
    assert {one.action.alarm_id for one in await plant.outbox()} == {came.alarm_id}
    assert len(await plant.orders()) == 1
    assert [one.kind for one in plant.asked] == ["work_order", "webhook"]
    steps = (await plant.alarms.history(MAIN, came.alarm_id)).items
    assert [(one.kind, one.facts) for one in steps] == [
        (StepKind.RELEASED, {"held_by": "maintenance:cleaning"})
    ]
    assert not await plant.all(HELD)


async def test_a_window_that_is_deleted_lets_go() -> None:
    """The work was called off."""
    plant = Quiet()
    await plant.rule()
    await plant.maintain("line-1")
    await plant.heat("pump-1")
    await plant.windows.delete(ALICE, "cleaning")
    assert await plant.releasing.release_due() == 1


async def test_children_come_forth_when_their_root_clears() -> None:
    """The controller is back and one pump is still hot: that one was a fault of its own."""
    plant = Quiet()
    await plant.rule()
    await plant.rule(**ROOT)
    await plant.heat("line-plc", "pump-1", "pump-2")
    await plant.heat("line-plc", second=1, degrees=20.0)
    await plant.heat("pump-2", second=1, degrees=20.0)
    assert await plant.releasing.release_due() == 1
    assert not (await plant.alarm_of("pump-1")).is_suppressed


async def test_what_another_thing_keeps_back_stays_back() -> None:
    """The controller is back, but the line is in maintenance now; then it comes forth."""
    plant = Quiet()
    await plant.rule(selector={"devices": ["pump-1"]})
    await plant.rule(**ROOT)
    await plant.heat("line-plc", "pump-1")
    await plant.maintain("line-1", seconds=60)
    await plant.heat("line-plc", second=1, degrees=20.0)
    assert await plant.releasing.release_due() == 0
    mark = (await plant.alarm_of("pump-1")).suppression
    assert mark is not None
    assert mark.kind is SuppressionKind.MAINTENANCE
    plant.clock.turn(60)
    assert await plant.releasing.release_due() == 1


async def test_a_shelf_that_is_over_lets_go_of_the_next_episode() -> None:
    """It chattered on the shelf; when the time is over and it still holds, it is told."""
    plant = Quiet()
    await plant.rule(actions=[HOOK])
    await plant.heat("pump-1")
    await plant.handling.shelve(
        ALICE, (await plant.alarm_of("pump-1")).alarm_id, HOUR_NS, "loose sensor"
    )
    await plant.heat("pump-1", second=1, degrees=20.0)
    await plant.heat("pump-1", second=2)
    assert await plant.releasing.release_due() == 0
    plant.clock.turn(3600)
    assert await plant.handling.return_due() == 1
    assert await plant.releasing.release_due() == 1
    assert len(await plant.outbox()) == 2
    again = (await plant.raised())[-1]
    assert (again.is_shelved, again.is_suppressed) == (False, False)


async def test_an_owner_without_the_right_any_more_asks_for_nothing() -> None:
    """AZ-5: rights are those of the moment when it comes forth; the refusal is on record."""
    plant = Quiet()
    await plant.rule(actions=[HOOK])
    await plant.maintain("line-1")
    await plant.heat("pump-1")
    plant.policy.denied.add("connector:pager")
    plant.clock.turn(3600)
    assert await plant.releasing.release_due() == 1
    assert not await plant.outbox()
    assert "rule.act" in await plant.audited()


async def test_a_flood_ends_when_all_of_it_is_over() -> None:
    """It counted six; they clear, a minute passes: the flood's alarm clears by itself."""
    names = [f"meter-{number}" for number in range(8)]
    plant = Quiet(*names, flood=FloodSettings(flood_per_rule=2, flood_per_tenant=0))
    await plant.rule()
    await plant.heat(*names)
    for name in names:
        await plant.heat(name, second=1, degrees=20.0)
    await plant.releasing.release_due()
    (flood,) = [one for one in await plant.raised() if one.flood]
    assert (flood.state, flood.held) == (AlarmState.ACTIVE, 6)
    plant.clock.turn(61)
    await plant.releasing.release_due()
    (flood,) = [one for one in await plant.raised() if one.flood]
    assert (flood.state, flood.cleared_by, flood.held) == (AlarmState.CLEARED, "weft", 6)
    assert not await plant.all(FLOODS)
    assert len(await plant.alarms.list(MAIN, Wanted(under=flood.alarm_id))) == 6


async def test_a_flood_that_is_cleared_by_hand_lets_the_rest_come_forth() -> None:
    """Alice has understood it; what still holds is hers to see, once, and makes no new flood."""
    names = [f"meter-{number}" for number in range(5)]
    plant = Quiet(*names, flood=FloodSettings(flood_per_rule=2, flood_per_tenant=0))
    await plant.rule(actions=[HOOK])
    await plant.heat(*names)
    (flood,) = [one for one in await plant.raised() if one.flood]
    await plant.alarms.clear(ALICE, flood.alarm_id)
    assert await plant.releasing.release_due() == 3
    assert len(await plant.outbox()) == 5
    assert sum(one.flood for one in await plant.raised()) == 1


async def test_more_than_one_turn_looks_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five are held and two are looked at in a turn: none is left behind."""
    monkeypatch.setattr(module, "LOOKED_AT_ONCE", 2)
    names = [f"meter-{number}" for number in range(5)]
    plant = Quiet(*names)
    await plant.rule()
    await plant.maintain("nowhere")
    window = plant.windows.get(MAIN, "cleaning")
    await plant.windows.update(ALICE, replace(window, devices=tuple(names)))
    await plant.heat(*names)
    plant.clock.turn(3600)
    turns = [await plant.releasing.release_due() for _ in range(4)]
    assert sum(turns) == 5
