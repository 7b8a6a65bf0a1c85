"""Handling: alarms are given to people, talked about and put aside; each step is kept."""

from collections.abc import Sequence

import pytest
from tests.rules.support import ALICE, MAIN, Plant, device, hot

from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded, StaleVersion
from weft.model.alarm import Alarm, AlarmState, Priority, Severity, Step, StepKind
from weft.model.asset import Asset
from weft.model.ids import AlarmId, AssetId, AssetUid, TenantId, UserId
from weft.model.principal import Principal, PrincipalKind
from weft.rules import handling as module
from weft.rules.alarms import Wanted
from weft.rules.handling import Handling
from weft.rules.kinds import ALARMS
from weft.security.actions import Role
from weft.security.people import USERS, User

HOUR_S = 3600
HOUR_NS = HOUR_S * 1_000_000_000
PRESS = Asset(
    MAIN, AssetId("press-1"), AssetUid("x-1"), "machine", 0, attributes={"criticality": "high"}
)


def find_asset(tenant: TenantId, name: AssetId) -> Asset | None:
    return PRESS if (tenant, name) == (MAIN, PRESS.asset_id) else None


def handling_of(plant: Plant) -> Handling:
    return Handling(plant.alarms, plant.records, plant.clock, find_asset)


async def plant_with_alarm(count: int = 1) -> tuple[Plant, Handling, Alarm]:
    names = [f"pump-{number}" for number in range(count)]
    plant = Plant(*map(device, names))
    await plant.rules.create(ALICE, hot())
    for name in names:
        await plant.hear(0, {"temperature": 90.0}, name=name)
    alarm, *_ = await plant.raised()
    bob = User(MAIN, UserId("bob"), "u-bob", (Role.OPERATOR,), "", 0)
    gone = User(MAIN, UserId("carol"), "u-carol", (Role.OPERATOR,), "", 0, disabled_at=5)
    for user in (bob, gone):
        await plant.records.write(lambda w, one=user: w.insert(USERS, MAIN, one.uid, one))
    return plant, handling_of(plant), alarm


async def steps(plant: Plant, alarm: Alarm) -> Sequence[Step]:
    return (await plant.alarms.history(MAIN, alarm.alarm_id)).items


async def test_an_alarm_is_given_to_a_user_and_back_to_nobody() -> None:
    """Bob takes it; the list of his alarms has it, until his shift is over."""
    plant, handling, alarm = await plant_with_alarm()
    taken = await handling.assign(ALICE, alarm.alarm_id, "bob", version=1, comment="your shift")
    assert (taken.assignee, taken.version) == ("bob", 2)
    assert await handling.assign(ALICE, alarm.alarm_id, "bob") == taken
    assert len(await plant.alarms.list(MAIN, Wanted(assignee="bob"))) == 1
    await handling.assign(ALICE, alarm.alarm_id, None)
    assert not await plant.alarms.list(MAIN, Wanted(assignee="bob"))
    assert len(await plant.alarms.list(MAIN, Wanted(assignee=""))) == 1
    kinds = [(one.kind, one.by, one.text, one.facts) for one in await steps(plant, alarm)]
    assert kinds == [
        (StepKind.ASSIGNED, "user:alice", "your shift", {"assignee": "bob"}),
        (StepKind.ASSIGNED, "user:alice", "", {"assignee": ""}),
    ]
    assert (await plant.audited()).count("alarm.assign") == 2


@pytest.mark.parametrize("user", ["mallory", "carol"])
async def test_who_cannot_sign_in_is_given_nothing(user: str) -> None:
    """One was never here, the other is disabled: the alarm stays as it was."""
    plant, handling, alarm = await plant_with_alarm()
    with pytest.raises(Invalid, match=user):
        await handling.assign(ALICE, alarm.alarm_id, user)
    assert (await plant.alarms.get(MAIN, alarm.alarm_id)).version == 1
    assert "alarm.assign" not in await plant.audited()


async def test_of_two_who_take_an_alarm_the_slower_is_told() -> None:
    """Both saw version 1."""
    _plant, handling, alarm = await plant_with_alarm()
    await handling.assign(ALICE, alarm.alarm_id, "bob", version=1)
    with pytest.raises(StaleVersion):
        await handling.assign(ALICE, alarm.alarm_id, None, version=1)


async def test_comments_are_a_thread_that_outlives_the_alarm() -> None:
    """What was learned is said when all is over; each comment stands on its own."""
    plant, handling, alarm = await plant_with_alarm()
    await handling.comment(ALICE, alarm.alarm_id, "it is the bearing")
    await plant.alarms.clear(ALICE, alarm.alarm_id, comment="replaced")
    await handling.comment(ALICE, alarm.alarm_id, "grease it every month")
    found = [(one.number, one.kind, one.text) for one in await steps(plant, alarm)]
    assert found == [
        (1, StepKind.COMMENTED, "it is the bearing"),
        (2, StepKind.CLEARED, "replaced"),
        (3, StepKind.COMMENTED, "grease it every month"),
    ]
    for text in (" ", "x" * 1_001):
        with pytest.raises(Invalid):
            await handling.comment(ALICE, alarm.alarm_id, text)


async def test_a_history_has_an_end_and_clearing_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that comments for ever fills no disk; an operator can still clear."""
    monkeypatch.setattr(module, "STEPS_MAX", 3)
    plant, handling, alarm = await plant_with_alarm()
    for number in range(3):
        await handling.comment(ALICE, alarm.alarm_id, f"still hot {number}")
    with pytest.raises(QuotaExceeded):
        await handling.comment(ALICE, alarm.alarm_id, "still hot")
    with pytest.raises(QuotaExceeded):
        await handling.shelve(ALICE, alarm.alarm_id, HOUR_NS, "enough")
    assert (await plant.alarms.clear(ALICE, alarm.alarm_id)).state is AlarmState.CLEARED


async def test_history_pages_without_gaps() -> None:
    """Two at a time."""
    plant, handling, alarm = await plant_with_alarm(2)
    for number in range(5):
        await handling.comment(ALICE, alarm.alarm_id, str(number))
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        part = await plant.alarms.history(MAIN, alarm.alarm_id, after=after, limit=2)
        seen += [one.text for one in part]
        after = part.after
    assert seen == ["0", "1", "2", "3", "4"]


async def test_a_priority_is_overridden_and_derived_again() -> None:
    """The line waits for it; then it does not, and the asset's criticality decides again."""
    plant, handling, alarm = await plant_with_alarm()
    placed = Alarm(**{**{name: getattr(alarm, name) for name in alarm.__struct_fields__},
                      "assets": (AssetId("site"), PRESS.asset_id)})  # fmt: skip
    await plant.records.write(lambda w: w.put(ALARMS, MAIN, alarm.alarm_id, placed))
    assert placed.urgency is Priority.HIGH
    low = await handling.prioritise(ALICE, alarm.alarm_id, Priority.LOW, version=1)
    assert (low.urgency, low.priority_by) == (Priority.LOW, "user:alice")
    assert len(await plant.alarms.list(MAIN, Wanted(priority=Priority.LOW))) == 1
    again = await handling.prioritise(ALICE, alarm.alarm_id, None)
    assert (again.urgency, again.priority_by) == (Priority.URGENT, None)
    assert await handling.prioritise(ALICE, alarm.alarm_id, None) == again


async def test_what_is_put_aside_comes_back_by_the_clock() -> None:
    """Eight hours, a reason, and nobody has to think of it: to the second, and once."""
    plant, handling, alarm = await plant_with_alarm(2)
    told: list[bool] = []
    plant.alarms.on_change(lambda one: told.append(one.is_shelved))
    aside = await handling.shelve(ALICE, alarm.alarm_id, 8 * HOUR_NS, "sensor is loose", version=1)
    assert aside.shelf is not None
    assert (aside.shelf.by, aside.shelf.reason) == ("user:alice", "sensor is loose")
    overview = await plant.alarms.overview(MAIN)
    assert (overview.counts[Severity.MAJOR][AlarmState.ACTIVE], overview.shelved) == (1, 1)
    assert len(await plant.alarms.list(MAIN, Wanted(shelved=True))) == 1
    plant.clock.turn(8 * HOUR_S - 1)
    assert await handling.return_due() == 0
    plant.clock.turn(1)
    assert await handling.return_due() == 1
    assert await handling.return_due() == 0
    assert not (await plant.alarms.get(MAIN, alarm.alarm_id)).is_shelved
    assert told == [True, False]
    last = (await steps(plant, alarm))[-1]
    assert (last.kind, last.by) == (StepKind.UNSHELVED, "system:weft")
    assert (await plant.alarms.overview(MAIN)).shelved == 0


async def test_a_restart_forgets_nothing_that_is_put_aside() -> None:
    """Weft was down when the time ended: it comes back at the first look."""
    plant, handling, alarm = await plant_with_alarm()
    await handling.shelve(ALICE, alarm.alarm_id, HOUR_NS, "cleaning")
    plant.clock.turn(2 * HOUR_S)
    assert await handling_of(plant).return_due() == 1


async def test_more_than_one_turn_returns_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole line was put aside; none is left behind when their time ends at once."""
    monkeypatch.setattr(module, "RETURNED_AT_ONCE", 2)
    plant, handling, _alarm = await plant_with_alarm(5)
    for alarm in await plant.raised():
        await handling.shelve(ALICE, alarm.alarm_id, HOUR_NS, "line stop")
    plant.clock.turn(HOUR_S)
    assert [await handling.return_due() for _ in range(4)] == [2, 2, 1, 0]


async def test_shelving_needs_a_reason_and_an_end() -> None:
    """For ever, for no time and without a word are refused."""
    _plant, handling, alarm = await plant_with_alarm()
    for duration, reason in ((HOUR_NS, " "), (0, "why"), (31 * 24 * HOUR_NS, "why")):
        with pytest.raises(Invalid):
            await handling.shelve(ALICE, alarm.alarm_id, duration, reason)


async def test_shelving_anew_moves_the_end_and_taking_back_ends_it() -> None:
    """One hour becomes three; after two nothing comes back; then Alice takes it back."""
    plant, handling, alarm = await plant_with_alarm()
    await handling.shelve(ALICE, alarm.alarm_id, HOUR_NS, "coffee")
    await handling.shelve(ALICE, alarm.alarm_id, 3 * HOUR_NS, "lunch")
    plant.clock.turn(2 * HOUR_S)
    assert await handling.return_due() == 0
    back = await handling.unshelve(ALICE, alarm.alarm_id, comment="early")
    assert not back.is_shelved
    assert await handling.unshelve(ALICE, alarm.alarm_id) == back


async def test_what_is_over_is_not_handled_any_more() -> None:
    """It cleared while somebody typed: told so, and nothing changes."""
    plant, handling, alarm = await plant_with_alarm()
    await handling.shelve(ALICE, alarm.alarm_id, HOUR_NS, "cleaning")
    cleared = await plant.alarms.clear(ALICE, alarm.alarm_id)
    assert not cleared.is_shelved
    for work in (
        handling.assign(ALICE, alarm.alarm_id, "bob"),
        handling.prioritise(ALICE, alarm.alarm_id, Priority.LOW),
        handling.shelve(ALICE, alarm.alarm_id, HOUR_NS, "why"),
    ):
        with pytest.raises(Conflict):
            await work
    plant.clock.turn(2 * HOUR_S)
    assert await handling.return_due() == 0


async def test_another_tenants_alarm_is_not_handled() -> None:
    """TN-1: not even that it exists."""
    plant, handling, alarm = await plant_with_alarm()
    eve = Principal(TenantId("other"), PrincipalKind.USER, "eve", "u-eve")
    for work in (
        handling.assign(eve, alarm.alarm_id, None),
        handling.comment(eve, alarm.alarm_id, "hello"),
        handling.prioritise(eve, alarm.alarm_id, Priority.LOW),
        handling.shelve(eve, alarm.alarm_id, HOUR_NS, "why"),
        handling.unshelve(eve, alarm.alarm_id),
        plant.alarms.history(eve.tenant, AlarmId(alarm.alarm_id)),
    ):
        with pytest.raises(NotFound):
            await work
