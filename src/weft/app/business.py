"""The business half, put together: connectors, outbox, work orders."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from weft.api.operations.alarms import view_of as alarm_view
from weft.api.operations.business import order_view
from weft.app.identity import Identity
from weft.app.message_path import MessagePath
from weft.app.stores import Stores
from weft.config import Config
from weft.connectors.credentials import Credentials
from weft.connectors.outbox import Outbox
from weft.connectors.poller import Poller
from weft.connectors.registry import Connectors, make_connectors
from weft.connectors.work_orders import WorkOrders
from weft.model.alarm import Alarm, WorkOrder
from weft.ports import Clock
from weft.security.outbound import OutboundClient


@dataclass(frozen=True)
class Business:
    """Everything towards business systems."""

    connectors: Connectors
    outbox: Outbox
    poller: Poller
    work_orders: WorkOrders


async def open_business(
    stores: Stores,
    identity: Identity,
    path: MessagePath,
    clock: Clock,
    config: Config,
    stack: AsyncExitStack,
) -> Business:
    """Make the connectors of the configuration and what serves them."""
    connectors = make_connectors(
        config.connectors,
        outbound=OutboundClient(config.outbound),
        credentials=Credentials(stores.records, identity.vault, identity.audit),
        clock=clock,
    )
    stack.push_async_callback(connectors.close)
    work_orders = WorkOrders(stores.records)
    outbox = Outbox(stores.records, connectors, work_orders, identity.audit, clock, config.outbox)
    poller = Poller(stores.records, connectors, work_orders, clock, config.work_orders)
    path.engine.on_actions(lambda _actions: outbox.notify())

    def alarm_changed(alarm: Alarm) -> None:
        path.live.tell(
            alarm.tenant, "alarm", alarm.device_id, str(alarm.state), lambda: alarm_view(alarm)
        )

    def order_changed(order: WorkOrder) -> None:
        path.live.tell(
            order.tenant, "work_order", order.device_id, str(order.state), lambda: order_view(order)
        )

    path.alarms.on_change(alarm_changed)
    work_orders.on_change(order_changed)
    return Business(connectors, outbox, poller, work_orders)
