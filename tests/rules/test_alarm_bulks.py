"""Bulks of alarms: one act on all that a filter finds, each as if it were the only one."""

import pytest
from tests.rules.support import ALICE, MAIN, Plant
from tests.rules.test_handling import plant_with_alarm

from weft.errors import Forbidden, Invalid, NotFound, TooLarge
from weft.model.alarm import AlarmState, Priority
from weft.model.ids import DeviceId, TenantId
from weft.rules import alarm_bulks as module
from weft.rules.alarm_bulks import ALARM_BULKS, Act, AlarmBulks, Order
from weft.rules.alarms import Wanted
from weft.rules.handling import Handling

OPEN = Wanted(open=True)


async def world(count: int = 5) -> tuple[Plant, AlarmBulks]:
    plant, handling, _alarm = await plant_with_alarm(count)
    return plant, bulks_of(plant, handling)


def bulks_of(plant: Plant, handling: Handling) -> AlarmBulks:
    around = (plant.audit, plant.clock)
    return AlarmBulks(plant.records, plant.alarms, handling, plant.policy, around)


async def test_a_filter_is_acknowledged_with_progress_and_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Five alarms, two at a time; one has cleared meanwhile and is told as a failure."""
    monkeypatch.setattr(module, "AT_ONCE", 2)
    plant, bulks = await world()
    bulk = await bulks.start(ALICE, OPEN, Order(Act.ACKNOWLEDGE, "power cut"))
    await plant.hear(1, {"temperature": 20.0}, name="pump-3")
    seen = []
    while await bulks.work():
        at = await bulks.get(MAIN, bulk.bulk_id)
        seen.append((at.done, at.is_done))
    assert seen == [(2, False), (4, False), (5, True)]
    report = await bulks.get(MAIN, bulk.bulk_id)
    assert report.failed == 1
    (failure,) = report.failures
    assert (failure.code, "cleared already" in failure.detail) == ("conflict", True)
    states = [alarm.state for alarm in await plant.raised()]
    assert states.count(AlarmState.ACKNOWLEDGED) == 4
    acts = await plant.audited()
    assert (acts.count("alarm.bulk"), acts.count("alarm.acknowledge")) == (1, 4)


@pytest.mark.parametrize(
    ("order", "count"),
    [
        (Order(Act.ASSIGN, user="bob"), 3),
        (Order(Act.PRIORITISE, priority=Priority.LOW), 3),
        (Order(Act.SHELVE, "line stop", duration="8h"), 3),
        (Order(Act.UNSHELVE), 0),
        (Order(Act.CLEAR, "all replaced"), 3),
    ],
)
async def test_every_act_is_done_on_each(order: Order, count: int) -> None:
    """As a single one is; what changes nothing is no failure."""
    plant, bulks = await world(3)
    bulk = await bulks.start(ALICE, OPEN, order)
    assert await bulks.work() == 3
    assert (await bulks.get(MAIN, bulk.bulk_id)).failed == 0
    changed = [alarm for alarm in await plant.raised() if alarm.version > 1]
    assert len(changed) == count


async def test_only_what_the_filter_found_then_is_touched() -> None:
    """An alarm that comes while the bulk is worked off is nobody's yet."""
    plant, bulks = await world(2)
    wanted = Wanted(device_id=DeviceId("pump-0"), open=True)
    await bulks.start(ALICE, wanted, Order(Act.ACKNOWLEDGE))
    assert await bulks.work() == 1
    assert [alarm.state for alarm in await plant.raised()].count(AlarmState.ACTIVE) == 1


async def test_after_a_crash_it_goes_on_and_nothing_is_done_twice() -> None:
    """The part was done and its progress was not written: again, and each history has one step."""
    plant, bulks = await world(3)
    bulk = await bulks.start(ALICE, OPEN, Order(Act.ACKNOWLEDGE))
    await bulks.work()
    await plant.records.write(lambda w: w.put(ALARM_BULKS, MAIN, bulk.bulk_id, bulk))
    handling = Handling(plant.alarms, plant.records, plant.clock, lambda *_: None)
    again = bulks_of(plant, handling)
    await again.work()
    assert (await again.get(MAIN, bulk.bulk_id)).is_done
    assert {alarm.steps for alarm in await plant.raised()} == {1}


async def test_who_lost_the_right_meanwhile_does_no_more() -> None:
    """Rights are asked again at each alarm; the rest is told as failures."""
    plant, bulks = await world(2)
    first, second = await plant.raised()
    bulk = await bulks.start(ALICE, OPEN, Order(Act.ACKNOWLEDGE))
    plant.policy.denied.add(f"alarm:{second.alarm_id}")
    await bulks.work()
    report = await bulks.get(MAIN, bulk.bulk_id)
    assert [one.code for one in report.failures] == ["forbidden"]
    assert (await plant.alarms.get(MAIN, first.alarm_id)).state is AlarmState.ACKNOWLEDGED


async def test_what_cannot_be_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No reason, nothing found, too many, no right."""
    plant, bulks = await world(2)
    for order in (Order(Act.SHELVE, "why"), Order(Act.SHELVE, duration="8h"),
                  Order(Act.CLEAR, duration="8h")):  # fmt: skip
        with pytest.raises(Invalid):
            await bulks.start(ALICE, OPEN, order)
    with pytest.raises(NotFound):
        await bulks.start(ALICE, Wanted(state=AlarmState.CLEARED), Order(Act.CLEAR))
    monkeypatch.setattr(module, "ALARMS_MAX", 1)
    with pytest.raises(TooLarge):
        await bulks.start(ALICE, OPEN, Order(Act.CLEAR))
    monkeypatch.setattr(module, "OPEN_MAX", 0)
    one = Wanted(device_id=DeviceId("pump-0"))
    with pytest.raises(TooLarge):
        await bulks.start(ALICE, one, Order(Act.CLEAR))
    plant.policy.denied.add("*")
    with pytest.raises(Forbidden):
        await bulks.start(ALICE, OPEN, Order(Act.CLEAR))


async def test_old_reports_go_and_others_find_none() -> None:
    """After 30 days; another tenant never had it (TN-1)."""
    plant, bulks = await world(1)
    bulk = await bulks.start(ALICE, OPEN, Order(Act.ACKNOWLEDGE))
    with pytest.raises(NotFound):
        await bulks.get(TenantId("other"), bulk.bulk_id)
    await bulks.work()
    await bulks.forget_old()
    assert (await bulks.get(MAIN, bulk.bulk_id)).is_done
    plant.clock.turn(31 * 24 * 3600)
    await bulks.forget_old()
    with pytest.raises(NotFound):
        await bulks.get(MAIN, bulk.bulk_id)
