"""Work orders: listed, filtered, and listeners told after the write."""

import pytest
from tests.connectors.support import MAIN, OTHER, Plant, alarm, entry, order_of

from weft.errors import NotFound
from weft.model.alarm import WorkOrderState
from weft.model.ids import WorkOrderId


async def test_work_orders_are_listed_and_filtered() -> None:
    """By state for the list, by alarm and device for their pages."""
    plant = Plant()
    for number in (1, 2):
        await plant.put(entry(number), raised=alarm(number))
    service = plant.work_orders
    assert len(await service.list_work_orders(MAIN)) == 2
    [one] = await service.list_work_orders(MAIN, ("alarm", alarm(1).alarm_id))
    assert one.value.work_order_id == entry(1).action.action_id
    assert len(await service.list_work_orders(MAIN, ("device", "pump-7"))) == 2
    assert await service.list_work_orders(MAIN, ("state", WorkOrderState.CLOSED)) == []
    [first] = await service.list_work_orders(MAIN, limit=1)
    [second] = await service.list_work_orders(MAIN, after=first.key)
    assert first.key > second.key  # newest first


async def test_another_tenants_work_order_does_not_exist() -> None:
    """Neither listed nor got."""
    plant = Plant()
    await plant.put(entry())
    assert await plant.work_orders.list_work_orders(OTHER) == []
    with pytest.raises(NotFound):
        await plant.work_orders.get(OTHER, WorkOrderId(entry().action.action_id))


def test_all_listeners_are_told() -> None:
    """The live stream and the twin's page both want to know."""
    plant, second = Plant(), []
    plant.work_orders.on_change(second.append)
    plant.work_orders.changed(order_of(entry()))
    assert plant.seen == second == [order_of(entry())]
