"""Connectors, the outbox and work orders over the API."""

from tests.api.support import MAIN, OTHER, World
from tests.api.test_changes import ORDER

from weft.model.alarm import Action, OutboxEntry, OutboxState
from weft.model.ids import ActionId, AlarmId
from weft.rules.kinds import OUTBOX, WORK_ORDERS

ENTRY = OutboxEntry(
    Action(ActionId("x-1"), MAIN, "erp", "work_order", AlarmId("a-1"), {"title": "t"}, 1),
    OutboxState.DEAD,
    attempts=9,
    last_error="refused",
)


async def ordered(world: World) -> str:
    def work(writer: object) -> None:
        writer.insert(OUTBOX, MAIN, "x-1", ENTRY)  # type: ignore[attr-defined]  # a Writer
        writer.insert(WORK_ORDERS, MAIN, "w-1", ORDER)  # type: ignore[attr-defined]  # a Writer

    await world.records.write(work)
    return world.admin()


async def test_a_dead_action_is_started_again(world: World) -> None:
    """Once; it is pending then, and on record."""
    token = await ordered(world)
    listed = await world.call("GET", "/outbox?state=dead", token=token)
    assert [item["last_error"] for item in listed.json["items"]] == ["refused"]
    again = await world.call("POST", "/outbox/x-1/redrive", token=token)
    assert (again.status, again.json["state"]) == (200, "pending")
    assert (await world.call("POST", "/outbox/x-1/redrive", token=token)).status == 409
    assert (await world.call("GET", "/outbox?state=dead&alarm=a", token=token)).status == 422


async def test_the_outbox_of_one_connector_is_listed(world: World) -> None:
    """By state as well; of an alarm there is but the alarm to ask for (TN-1)."""
    token = await ordered(world)
    for query, count in (
        ("connector=erp", 1),
        ("connector=erp&state=dead", 1),
        ("connector=erp&state=pending", 0),
        ("connector=crm", 0),
    ):
        found = await world.call("GET", f"/outbox?{query}", token=token)
        assert len(found.json["items"]) == count, query
    both = await world.call("GET", "/outbox?connector=erp&alarm=a-1", token=token)
    assert both.status == 422
    other = await world.call("GET", "/outbox?connector=erp", token=world.admin(OTHER))
    assert other.json["items"] == []


async def test_work_orders_are_listed_and_shown(world: World) -> None:
    """By state, alarm or device, one at a time."""
    token = await ordered(world)
    for query, count in (("state=open", 1), ("device=pump-7", 1), ("alarm=a-2", 0)):
        found = await world.call("GET", f"/work-orders?{query}", token=token)
        assert len(found.json["items"]) == count, query
    shown = await world.call("GET", "/work-orders/w-1", token=token)
    assert shown.json["title"] == "Look at the pump"


async def test_another_tenants_business_is_not_there(world: World) -> None:
    """Neither entries nor orders (TN-2)."""
    await ordered(world)
    token = world.admin(OTHER)
    assert (await world.call("GET", "/outbox", token=token)).json["items"] == []
    assert (await world.call("GET", "/outbox/x-1", token=token)).status == 404
    assert (await world.call("POST", "/outbox/x-1/redrive", token=token)).status == 404
    assert (await world.call("GET", "/work-orders/w-1", token=token)).status == 404


async def test_a_connector_that_is_not_configured_is_named(world: World) -> None:
    """And the list of none is a list."""
    token = world.admin()
    assert (await world.call("GET", "/connectors", token=token)).json["items"] == []
    assert (await world.call("GET", "/connectors/erp", token=token)).status == 404
    assert (await world.call("POST", "/connectors/erp/test", token=token)).status == 404
