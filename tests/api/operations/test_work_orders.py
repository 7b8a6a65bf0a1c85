"""What people do with a work order over the API, who may, and in whose tenant."""

import pytest
from tests.api.operations.test_business import ordered
from tests.api.support import MAIN, OTHER, World

from weft.rules.charts import CHARTS, Chart, Series
from weft.rules.kinds import WORK_ORDERS

ACTS = ("acknowledge", "assign", "comment", "close", "cancel", "reopen")
BODIES = {"assign": {"to": "bob"}, "comment": {"comment": "Bring a ladder."}}


async def test_a_work_order_goes_from_hand_to_hand(world: World) -> None:
    """Seen, given to Bob, written on, closed, opened again, cancelled."""
    token = await ordered(world)
    shown = {}
    for act in ("acknowledge", "assign", "comment", "close", "reopen", "cancel"):
        answer = await world.call(
            "POST", f"/work-orders/w-1/{act}", token=token, body=BODIES.get(act)
        )
        assert answer.status == 200, act
        shown[act] = answer.json
    assert shown["acknowledge"]["acknowledged_by"] == "user:admin"
    assert shown["assign"]["assigned_to"] == "bob"
    assert [one["text"] for one in shown["comment"]["remarks"]] == ["Bring a ladder."]
    assert (shown["close"]["state"], shown["close"]["closed_by"]) == ("closed", "user:admin")
    assert shown["reopen"]["state"] == "open"
    assert (shown["cancel"]["state"], shown["cancel"]["untold"]) == ("cancelled", 5)
    again = await world.call("POST", "/work-orders/w-1/close", token=token)
    assert again.status == 409


async def test_what_an_end_means_for_alarms_is_checked(world: World) -> None:
    """Only clear, question or nothing."""
    token = await ordered(world)
    body = {"comment": "", "alarms": "forget"}
    answer = await world.call("POST", "/work-orders/w-1/close", token=token, body=body)
    assert answer.status == 422


@pytest.mark.parametrize("act", ACTS)
async def test_another_tenants_work_order_cannot_be_touched(world: World, act: str) -> None:
    """By no operation (TN-1)."""
    await ordered(world)
    before = (await world.records.read(lambda r: r.get(WORK_ORDERS, MAIN, "w-1"))).value
    answer = await world.call(
        "POST", f"/work-orders/w-1/{act}", token=world.admin(OTHER), body=BODIES.get(act)
    )
    assert answer.status == 404
    after = await world.records.read(lambda r: r.get(WORK_ORDERS, MAIN, "w-1"))
    assert after.value == before


async def test_the_chart_of_a_work_order_is_shown_once_it_is_made(world: World) -> None:
    """Not found before, and never for another tenant (TN-1)."""
    token = await ordered(world)
    assert (await world.call("GET", "/work-orders/w-1/chart", token=token)).status == 404
    series = (Series("pump-7", "temperature", (1_000_000_000,), (81.0,)),)
    chart = Chart("w-1", 3, 1, 2, series)
    await world.records.write(lambda w: w.insert(CHARTS, MAIN, "w-1", chart))
    shown = await world.call("GET", "/work-orders/w-1/chart", token=token)
    assert [one["values"] for one in shown.json["series"]] == [[81.0]]
    other = world.admin(OTHER)
    assert (await world.call("GET", "/work-orders/w-1/chart", token=other)).status == 404
