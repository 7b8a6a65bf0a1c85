"""Work orders whose system is no longer ours to ask: left as they are, and they say why."""

from tests.connectors.support import MAIN, NOON, OTHER, entry, order_of

from weft.backends.memory.records import MemoryRecords
from weft.connectors.detaching import detach_all, detached
from weft.model.alarm import WorkOrder, WorkOrderState
from weft.model.work_order import Telling, TellingKind
from weft.ports import Writer
from weft.rules.kinds import WORK_ORDERS


async def test_all_that_a_place_holds_is_left_and_nothing_else() -> None:
    """More than a page; another place's, connector's and tenant's orders stay followed."""
    records = MemoryRecords()
    ours = [order_of(entry(n), state=WorkOrderState.OPEN, place="p-1") for n in range(600)]
    others = [
        order_of(entry(1000), state=WorkOrderState.OPEN, place="p-2"),
        order_of(entry(1001, connector="crm"), state=WorkOrderState.OPEN, place="p-1"),
        order_of(entry(1002, tenant=OTHER), state=WorkOrderState.OPEN, place="p-1"),
    ]

    def put(writer: Writer) -> None:
        for order in [*ours, *others]:
            writer.put(WORK_ORDERS, order.tenant, order.work_order_id, order)

    await records.write(put)
    text = ("It leads elsewhere.", NOON)
    count = await records.write(lambda w: detach_all(w, MAIN, ("erp", "p-1"), text))
    assert count == 600
    again = await records.write(lambda w: detach_all(w, MAIN, ("erp", "p-1"), text))
    assert again == 0

    async def now(order: WorkOrder) -> WorkOrder:
        found = await records.read(lambda r: r.get(WORK_ORDERS, order.tenant, order.work_order_id))
        return found.value

    assert [await now(order) for order in others] == others
    first = await now(ours[0])
    assert (first.state, first.version) == (WorkOrderState.OPEN, 2)
    assert [(one.by, one.text) for one in first.remarks] == [("weft", "It leads elsewhere.")]


def test_nobody_is_told_and_nothing_is_watched_any_more() -> None:
    """What waited to be told would reach another system's record."""
    telling = Telling(TellingKind.CLOSE, "Done by Weft.", NOON)
    order = order_of(entry(), state=WorkOrderState.CLOSED, tellings=(telling,), watch_until=NOON)
    left = detached(order, "It leads elsewhere.", NOON)
    assert (left.tellings, left.watch_until, left.state) == ((), None, WorkOrderState.CLOSED)
