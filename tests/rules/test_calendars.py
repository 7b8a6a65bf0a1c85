"""Working calendars: by when somebody can have done it."""

import pytest
from msgspec.structs import replace
from tests.rules.faults import PRESS, Machine, rule_of, trips
from tests.rules.support import ALICE, MAIN

from weft.errors import Invalid, NotFound
from weft.model.alarm import Priority
from weft.model.moments import from_rfc3339, to_rfc3339
from weft.registry.kinds import ASSETS
from weft.rules.calendars import Calendars, WorkingCalendar, due_at

HALL = WorkingCalendar(
    tenant=MAIN,
    name="hall",
    times="Mon-Fri 07:00-15:00",
    zone="Europe/Berlin",
    holidays=("2026-04-06",),
    respond={"urgent": "1h"},
)


async def ready() -> tuple[Machine, Calendars]:
    machine = Machine()
    await machine.ready()
    plant = machine.plant
    calendars = Calendars(plant.records, plant.audit, plant.clock)
    await calendars.save(ALICE, HALL)
    line = replace(PRESS, asset_id="line", uid="uid-line", attributes={"calendar": "hall"})
    below = replace(PRESS, parent="line")
    await plant.records.write(
        lambda w: (w.put(ASSETS, MAIN, "line", line), w.put(ASSETS, MAIN, "press-1", below))
    )
    return machine, calendars


@pytest.mark.parametrize(
    ("made", "priority", "due"),
    [
        # Friday 14:00 in Berlin: one hour is left of the day, seven are on Monday.
        ("2026-03-06T13:00:00Z", Priority.HIGH, "2026-03-09T13:00:00Z"),
        # Thursday before Easter: Monday is a holiday, and summer time has begun.
        ("2026-04-03T12:30:00Z", Priority.HIGH, "2026-04-07T12:30:00Z"),
        # At night: from the morning on; the calendar's own response.
        ("2026-03-02T23:00:00Z", Priority.URGENT, "2026-03-03T07:00:00Z"),
        ("2026-03-02T08:00:00Z", Priority.MEDIUM, "2026-03-05T08:00:00Z"),
    ],
)
async def test_a_due_date_counts_working_hours_only(
    made: str, priority: Priority, due: str
) -> None:
    """The calendar is that of the line which the press stands below."""
    machine, _ = await ready()
    place = (MAIN, "press-1")
    found = await machine.records.read(lambda r: due_at(r, place, priority, from_rfc3339(made)))
    assert to_rfc3339(found) == due


async def test_without_a_calendar_the_clock_runs_day_and_night() -> None:
    """An asset without one, in a tenant without a default one; then with one."""
    machine, calendars = await ready()
    made = from_rfc3339("2026-03-07T00:00:00Z")  # a Saturday

    async def due() -> str:
        found = await machine.records.read(lambda r: due_at(r, (MAIN, ""), Priority.URGENT, made))
        return to_rfc3339(found)

    assert await due() == "2026-03-07T04:00:00Z"
    await calendars.save(ALICE, replace(HALL, name="default"))
    assert await due() == "2026-03-09T07:00:00Z"


async def test_a_place_that_is_never_open_counts_by_the_clock() -> None:
    """Closed for longer than is looked ahead: a date is proposed all the same."""
    machine, calendars = await ready()
    every = tuple(f"2026-{month:02d}-{day:02d}" for month in (3,) for day in range(1, 32))
    await calendars.save(ALICE, replace(HALL, name="default", holidays=every))
    made = from_rfc3339("2026-03-02T00:00:00Z")
    found = await machine.records.read(lambda r: due_at(r, (MAIN, ""), Priority.URGENT, made))
    assert found >= made


async def test_a_work_order_is_due_as_its_rule_or_its_calendar_says() -> None:
    """`within` of the rule goes first."""
    machine, _ = await ready()
    own = {"connector": "erp", "title": "x", "within": "2h"}
    plain, quick = [
        await machine.plant.rules.create(ALICE, document)
        for document in (
            rule_of("a", fault="one"),
            rule_of("b", fault="two", actions=[{"work_order": own}]),
        )
    ]
    at = from_rfc3339("2026-03-03T08:00:00Z")
    await machine.write(trips(plain, "sensor-00", at=at), trips(quick, "sensor-00", at=at))
    due = {
        order.fault_code: to_rfc3339(order.due_at or 0) for order in await machine.plant.orders()
    }
    assert due == {"one": "2026-03-03T09:00:00Z", "two": "2026-03-03T10:00:00Z"}


@pytest.mark.parametrize(
    "change",
    [
        {"times": "Mon 25:00-26:00"},
        {"zone": "Europe/Berlinn"},
        {"holidays": ("yesterday",)},
        {"respond": {"low": "soon"}},
        {"name": "no name"},
    ],
)
async def test_a_calendar_that_cannot_be_read_is_refused(change: dict[str, object]) -> None:
    """On save, not when the first work order is late."""
    _, calendars = await ready()
    with pytest.raises(Invalid):
        await calendars.save(ALICE, replace(HALL, **change))


async def test_calendars_are_kept_by_name() -> None:
    """Saved again it has the next version; deleted it is gone, on record."""
    machine, calendars = await ready()
    assert (await calendars.save(ALICE, HALL)).version == 2
    assert [one.name for one in await calendars.list_calendars(MAIN)] == ["hall"]
    await calendars.delete(ALICE, "hall")
    with pytest.raises(NotFound):
        await calendars.get(MAIN, "hall")
    acts = [act for act in await machine.plant.audited() if act.startswith("calendar.")]
    assert acts == ["calendar.save", "calendar.save", "calendar.delete"]
