"""Plans: one work order for each occurrence, whatever restarts, and none for what is past."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.rules.support import ALICE, MAIN, Plant

from weft.errors import AlreadyExists, Invalid, NotFound
from weft.model.moments import NS_PER_S, from_rfc3339, to_rfc3339
from weft.rules.plans import ByCalendar, ByMeter, Plan, Plans, Unit

DAY_S = 86_400
WEEKLY = Plan(
    tenant=MAIN,
    name="oil",
    uid="",
    owner=ALICE,
    connector="erp",
    title="Change the oil",
    instructions="Five litres.",
    asset="press-1",
    by_calendar=ByCalendar(2, Unit.WEEKS, "2026-03-02", zone="Europe/Berlin"),
)
HOURS = replace(WEEKLY, by_calendar=None, by_meter=ByMeter("pump-7", "hours", 500.0))


def plans_of(plant: Plant) -> Plans:
    return Plans(plant.records, plant.policy, plant.audit, plant.clock)


async def test_every_two_weeks_there_is_one_order() -> None:
    """Asked each minute, by two processes, with a restart in between."""
    plant = Plant()
    await plans_of(plant).create(ALICE, WEEKLY)
    due: list[str] = []
    for _day in range(60):
        plant.clock.turn(DAY_S)
        for _ in range(2):
            made = await plans_of(plant).run_due(lambda *_: None)
            due += [to_rfc3339(order.created_at)[:10] for order in made]
    orders, entries = await plant.orders(), await plant.outbox()
    assert len(orders) == len(entries) == len(due) == 5
    assert {one.work_order_id for one in orders} == {one.action.action_id for one in entries}
    first = orders[0]
    assert (first.title, first.instructions, first.asset_id, first.details) == (
        "Change the oil", "Five litres.", "press-1", {"plan": "oil", "occurrence": 0}
    )  # fmt: skip
    assert first.due_at is not None
    assert (await plant.audited()).count("plan.order") == 5


async def test_what_was_missed_is_one_order() -> None:
    """Weft was down for three months: no pile of six."""
    plant = Plant()
    await plans_of(plant).create(ALICE, WEEKLY)
    plant.clock.turn(90 * DAY_S)
    (order,) = await plans_of(plant).run_due(lambda *_: None)
    assert order.details["occurrence"] == 6
    assert await plans_of(plant).run_due(lambda *_: None) == []


async def test_what_lay_in_the_past_when_the_plan_was_made_is_no_order() -> None:
    """A plan that began last year is due at its next date."""
    plant = Plant()
    began = replace(WEEKLY, by_calendar=ByCalendar(1, Unit.DAYS, "2025-01-01"))
    await plans_of(plant).create(ALICE, began)
    assert await plans_of(plant).run_due(lambda *_: None) == []


async def test_a_counter_makes_an_order_each_time_it_has_grown_so_far() -> None:
    """Every 500 running hours, over a reset and a jump; an order is never made twice."""
    plant = Plant()
    await plans_of(plant).create(ALICE, HOURS)
    found: list[tuple[float, int]] = []
    for value in (10_000.0, 10_400.0, 10_501.0, 10_501.0, 0.0, 400.0, 501.0, 2_600.0, None):
        plant.clock.turn(60)
        for order in await plans_of(plant).run_due(lambda *_, value=value: value):
            found.append((value or 0.0, order.details["occurrence"]))
            assert order.device_id == "pump-7"
    assert found == [(10_501.0, 1), (501.0, 2), (2_600.0, 6)]


@given(st.lists(st.floats(0, 300), max_size=60), st.integers(1, 200))
@settings(max_examples=40, deadline=None)
async def test_the_number_of_orders_is_that_of_the_steps_that_were_passed(
    steps: list[float], every: int
) -> None:
    """Whatever the steps, no occurrence comes twice and the last is the one that was reached."""
    plant = Plant()
    await plans_of(plant).create(ALICE, replace(HOURS, by_meter=ByMeter("p", "k", float(every))))
    value, numbers = 0.0, []
    for step in [0.0, *steps]:
        value += step
        made = await plans_of(plant).run_due(lambda *_, value=value: value)
        numbers += [order.details["occurrence"] for order in made]
    assert numbers == sorted(set(numbers))
    plan = await plans_of(plant).get(MAIN, "oil")
    assert plan.done == int(plan.grown // every)
    assert (numbers[-1] if numbers else 0) == plan.done


async def test_an_owner_who_may_not_order_any_more_orders_nothing() -> None:
    """AZ-5: said once on record; when the right comes back the order does too."""
    plant = Plant()
    await plans_of(plant).create(ALICE, WEEKLY)
    plant.policy.denied.add("connector:erp")
    plant.clock.turn(10 * DAY_S)
    for _ in range(3):
        assert await plans_of(plant).run_due(lambda *_: None) == []
    assert (await plant.audited()).count("rule.act") == 1
    assert (await plans_of(plant).get(MAIN, "oil")).denied == "no role allows it"
    plant.policy.denied.clear()
    assert len(await plans_of(plant).run_due(lambda *_: None)) == 1


def test_dates_are_those_of_the_place_and_of_the_month() -> None:
    """Seven in Berlin, in winter and in summer; the 31st of a short month is its last day."""
    monthly = ByCalendar(1, Unit.MONTHS, "2026-01-31", zone="Europe/Berlin")
    assert [to_rfc3339(monthly.moment(number)) for number in range(4)] == [
        "2026-01-31T06:00:00Z",
        "2026-02-28T06:00:00Z",
        "2026-03-31T05:00:00Z",
        "2026-04-30T05:00:00Z",
    ]
    assert monthly.newest(from_rfc3339("2026-01-31T05:59:59Z")) is None
    for number in (0, 1, 2, 3, 700):
        moment = monthly.moment(number)
        assert monthly.newest(moment) == number
        assert monthly.newest(moment - NS_PER_S) == (number - 1 if number else None)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(WEEKLY, by_calendar=None),
        replace(WEEKLY, by_meter=HOURS.by_meter),
        replace(HOURS, by_meter=ByMeter("p", "k", 0.0)),
        replace(WEEKLY, by_calendar=ByCalendar(0, Unit.DAYS, "2026-03-02")),
        replace(WEEKLY, by_calendar=ByCalendar(1, Unit.DAYS, "2026-02-30")),
        replace(WEEKLY, by_calendar=ByCalendar(1, Unit.DAYS, "2026-03-02", at="7 o'clock")),
        replace(WEEKLY, by_calendar=ByCalendar(1, Unit.DAYS, "2026-03-02", zone="Mars")),
        replace(WEEKLY, name="no name"),
    ],
)
async def test_a_plan_that_says_no_time_is_refused(wrong: Plan) -> None:
    """Each with what to write instead."""
    with pytest.raises(Invalid) as caught:
        await plans_of(Plant()).create(ALICE, wrong)
    assert caught.value.remedy


async def test_plans_are_listed_and_deleted() -> None:
    """Its orders stay; a plan of the same name begins anew."""
    plant = Plant()
    plans = plans_of(plant)
    first = await plans.create(ALICE, WEEKLY)
    with pytest.raises(AlreadyExists):
        await plans.create(ALICE, WEEKLY)
    assert [one.name for one in await plans.list_plans(MAIN)] == ["oil"]
    await plans.delete(ALICE, "oil")
    with pytest.raises(NotFound):
        await plans.delete(ALICE, "oil")
    assert (await plans.create(ALICE, WEEKLY)).uid != first.uid
