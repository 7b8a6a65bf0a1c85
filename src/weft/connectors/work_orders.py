"""Work orders: the business's copies of our faults, to read and to be told of.

They are made with the action that asks for them, and changed by the outbox (delivered or
given up) and by the poller (what the far side says). Closing an alarm is the rule's or a
person's business: a closed work order does not clear one, it is shown beside it.
"""

from collections.abc import Callable, Sequence

from weft.model.alarm import WorkOrder
from weft.model.ids import TenantId, WorkOrderId
from weft.ports import Record, Records
from weft.rules.kinds import WORK_ORDERS

Listener = Callable[[WorkOrder], None]


class WorkOrders:
    """Reads work orders, and tells listeners of changes after they are on disk."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._listeners: list[Listener] = []

    def on_change(self, listener: Listener) -> None:
        """Call `listener` after each change, on the event loop; it must not block or raise."""
        self._listeners.append(listener)

    def changed(self, order: WorkOrder) -> None:
        """Tell the listeners; for those who have just written the change."""
        for listener in self._listeners:
            listener(order)

    async def get(self, tenant: TenantId, work_order_id: WorkOrderId) -> Record[WorkOrder]:
        """Return a work order, or raise `NotFound`."""
        return await self._records.read(lambda r: r.get(WORK_ORDERS, tenant, work_order_id))

    async def list_work_orders(
        self,
        tenant: TenantId,
        where: tuple[str, str] | None = None,
        *,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[Record[WorkOrder]]:
        """Return work orders, newest first, by state, alarm, device, fault or asset."""
        return await self._records.read(
            lambda r: r.list(
                WORK_ORDERS, tenant, where=where, after=after, limit=limit, descending=True
            )
        )
