"""Alarms: listed, acknowledged and cleared by people."""

import pytest
from tests.rules.support import ALICE, MAIN, Plant, device, hot

from weft.errors import Conflict, NotFound, StaleVersion
from weft.model.alarm import AlarmState, Severity
from weft.model.ids import AlarmId, DeviceId, RuleId, TenantId
from weft.registry import listing
from weft.rules.alarms import Wanted


async def plant_with_alarms(count: int = 3) -> Plant:
    names = [f"pump-{number}" for number in range(count)]
    plant = Plant(*map(device, names))
    await plant.rules.create(ALICE, hot())
    for name in names:
        await plant.hear(0, {"temperature": 90.0}, name=name)
    return plant


async def test_acknowledging_is_on_record_and_done_once() -> None:
    """Alice sees the alarm; her second click changes nothing."""
    plant = await plant_with_alarms(1)
    (alarm,) = await plant.raised()
    told: list[AlarmState] = []
    plant.alarms.on_change(lambda one: told.append(one.state))
    seen = await plant.alarms.acknowledge(ALICE, alarm.alarm_id, version=1, comment="on my way")
    again = await plant.alarms.acknowledge(ALICE, alarm.alarm_id)
    assert (seen.state, seen.acknowledged_by, seen.version) == (
        AlarmState.ACKNOWLEDGED, "user:alice", 2
    )  # fmt: skip
    assert again == seen
    assert told == [AlarmState.ACKNOWLEDGED]
    assert (await plant.audited()).count("alarm.acknowledge") == 1


async def test_a_stale_version_is_refused() -> None:
    """Two operators act on one alarm; the slower one is told."""
    plant = await plant_with_alarms(1)
    (alarm,) = await plant.raised()
    await plant.alarms.acknowledge(ALICE, alarm.alarm_id)
    with pytest.raises(StaleVersion):
        await plant.alarms.clear(ALICE, alarm.alarm_id, version=1)


async def test_cleared_by_hand_stays_cleared_until_a_new_episode() -> None:
    """The machine is still hot: no new alarm. It cools and heats up: a new one."""
    plant = await plant_with_alarms(1)
    (alarm,) = await plant.raised()
    await plant.alarms.clear(ALICE, alarm.alarm_id)
    for second, degrees in [(1, 91.0), (2, 60.0)]:
        await plant.hear(second, {"temperature": degrees}, name="pump-0")
    (same,) = await plant.raised()
    assert same.cleared_by == "user:alice"
    await plant.hear(3, {"temperature": 92.0}, name="pump-0")
    assert [one.state for one in await plant.raised()] == [AlarmState.CLEARED, AlarmState.ACTIVE]
    with pytest.raises(Conflict):
        await plant.alarms.acknowledge(ALICE, alarm.alarm_id)


async def test_an_acknowledged_alarm_is_cleared_by_its_rule() -> None:
    """Someone is on the way; the machine recovers by itself."""
    plant = await plant_with_alarms(1)
    (alarm,) = await plant.raised()
    await plant.alarms.acknowledge(ALICE, alarm.alarm_id)
    await plant.hear(1, {"temperature": 20.0}, name="pump-0")
    cleared = await plant.alarms.get(MAIN, alarm.alarm_id)
    assert (cleared.state, cleared.cleared_by) == (AlarmState.CLEARED, "rule")
    assert cleared.acknowledged_by == "user:alice"


async def test_lists_filter_and_page() -> None:
    """By state, severity, device and rule; page by page without gaps."""
    plant = await plant_with_alarms(5)
    first, *_ = await plant.raised()
    await plant.alarms.clear(ALICE, first.alarm_id)
    alarms = plant.alarms
    assert len(await alarms.list(MAIN, Wanted(state=AlarmState.ACTIVE))) == 4
    assert len(await alarms.list(MAIN, Wanted(severity=Severity.MAJOR))) == 5
    assert not await alarms.list(MAIN, Wanted(severity=Severity.INFO))
    only = await alarms.list(MAIN, Wanted(device_id=DeviceId("pump-0"), state=AlarmState.CLEARED))
    assert [one.alarm_id for one in only] == [first.alarm_id]
    assert not await alarms.list(MAIN, Wanted(rule_id=RuleId("other")))
    page = await alarms.list(MAIN, limit=2)
    rest = await alarms.list(MAIN, after=page.after or "")
    assert len({one.alarm_id for one in [*page, *rest]}) == 5


async def test_a_page_behind_two_filters_does_not_read_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One is looked up and the other sieves: a page that has seen enough says where to go on."""
    plant = await plant_with_alarms(5)
    monkeypatch.setattr(listing, "EXAMINED_MAX", 2)
    wanted = Wanted(state=AlarmState.ACTIVE, severity=Severity.INFO)
    seen, after = [], ""
    while True:
        part = await plant.alarms.list(MAIN, wanted, after=after)
        seen.append(len(part))
        if part.after is None:
            break
        after = part.after
    assert seen == [0, 0, 0]


async def test_another_tenants_alarm_is_not_found() -> None:
    """TN-1: not even that it exists."""
    plant = await plant_with_alarms(1)
    (alarm,) = await plant.raised()
    with pytest.raises(NotFound):
        await plant.alarms.get(TenantId("other"), alarm.alarm_id)
    with pytest.raises(NotFound):
        await plant.alarms.get(MAIN, AlarmId("nothing"))
