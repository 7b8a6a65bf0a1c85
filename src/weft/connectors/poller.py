"""The poller: follows work orders at the far side until they are closed.

What the far side says of a task becomes the state of the work order. An alarm that clears
while its task is still open is told to the people who work on it, once. A closed work order
does not clear its alarm: that is the rule's or a person's business.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

from msgspec import Struct, structs

from weft.connectors.base import RemoteState
from weft.connectors.mapping import clear_note_of
from weft.connectors.metrics import POLLS
from weft.connectors.registry import Configured, Connectors
from weft.connectors.work_orders import WorkOrders
from weft.errors import ConnectorError, StorageError, Unavailable
from weft.model.alarm import Alarm, AlarmState, WorkOrder, WorkOrderState
from weft.model.ids import TenantId, WorkOrderId
from weft.observability.log import get_logger
from weft.ports import Clock, Reader, Records, Writer
from weft.rules.faults import order_changed
from weft.rules.kinds import ALARMS, FAULTS, WORK_ORDERS
from weft.supervision import run_every

log = get_logger(__name__)

OPEN_STATES = (WorkOrderState.OPEN, WorkOrderState.IN_PROGRESS)
_ENDED = frozenset({WorkOrderState.CLOSED, WorkOrderState.CANCELLED})
NOTED = "clear_noted_at"  # in `WorkOrder.details`, once the far side was told


class PollerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[work_orders]`: how work orders are followed at the far side."""

    poll_interval_s: float = 15.0  # people look at a closed task; they do not wait for us
    poll_batch: int = 100  # work orders in one request


class _Open(NamedTuple):
    order: WorkOrder
    alarm: Alarm | None
    active: int = 0  # alarms of its fault that are not cleared


class Poller:
    """Follows all open work orders of all tenants."""

    def __init__(
        self,
        records: Records,
        connectors: Connectors,
        work_orders: WorkOrders,
        clock: Clock,
        settings: PollerSettings | None = None,
    ) -> None:
        self._records = records
        self._connectors = connectors
        self._work_orders = work_orders
        self._clock = clock
        self._settings = settings or PollerSettings()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow inside the context."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(
                run_every(
                    self._settings.poll_interval_s,
                    self.poll,
                    expected=(StorageError, Unavailable),
                    failed=lambda error: log.error("poller_halted", error=str(error)),
                )
            )
            try:
                yield
            finally:
                task.cancel()

    async def poll(self) -> None:
        """Ask for all open work orders once; one system that fails does not stop the others."""
        tenants = await self._records.read(lambda r: r.tenants(WORK_ORDERS))
        async with asyncio.TaskGroup() as group:
            for found in self._connectors:
                group.create_task(self._follow_all(found, tenants))

    async def _follow_all(self, found: Configured, tenants: Sequence[TenantId]) -> None:
        """Follow one system's work orders; what goes wrong here stays here until next time."""
        try:
            for tenant in tenants:
                for state in OPEN_STATES:
                    await self._follow(found, tenant, state)
        except ConnectorError as error:
            self._failed(found, f"{error.detail} {error.remedy}".strip())
        except (StorageError, Unavailable) as error:
            log.error("poller_halted", connector=found.connector.name, error=error.detail)
        except Exception as error:  # a bug met by one system must not stop the others
            log.exception("connector_bug", connector=found.connector.name)
            self._failed(found, f"Weft itself failed here ({type(error).__name__}).")

    def _failed(self, found: Configured, error: str) -> None:
        found.health.failed(self._clock.now(), error)
        POLLS.labels(found.connector.name, "failed").inc()
        log.warning("poll_failed", connector=found.connector.name, error=error)

    async def _follow(self, found: Configured, tenant: TenantId, state: WorkOrderState) -> None:
        after, size = "", self._settings.poll_batch
        while True:
            page, after = await self._records.read(
                partial(_open_orders, tenant=tenant, state=state, after=after, limit=size)
            )
            mine = [item for item in page if item.order.connector == found.connector.name]
            if mine and tenant in found.tenants:
                await self._follow_page(found, mine)
            if not after:
                return

    async def _follow_page(self, found: Configured, page: Sequence[_Open]) -> None:
        if found.connector.follows:
            states = await found.connector.poll([item.order for item in page])
            found.health.succeeded(self._clock.now())
            POLLS.labels(found.connector.name, "answered").inc()
            await self._store(page, states)
        else:
            states = {}
        for order, alarm, active in page:
            told = states.get(order.work_order_id)
            if told is not None and told.state in _ENDED:
                continue
            if alarm is not None and alarm.state is AlarmState.CLEARED and not active:
                await self._note_clear(found, order, alarm)

    async def _store(
        self, page: Sequence[_Open], states: Mapping[WorkOrderId, RemoteState]
    ) -> None:
        tenant = page[0].order.tenant
        states = {
            order.work_order_id: told
            for order, _, _ in page
            if (told := states.get(order.work_order_id)) is not None and _differs(order, told)
        }
        if not states:
            return
        now = self._clock.now()
        changed = await self._records.write(lambda w: store_states(w, tenant, states, now))
        for order in changed:
            self._work_orders.changed(order)
            log.info(
                "work_order_changed",
                tenant=tenant,
                work_order_id=order.work_order_id,
                state=str(order.state),
                remote_state=order.remote_state,
            )

    async def _note_clear(self, found: Configured, order: WorkOrder, alarm: Alarm) -> None:
        if NOTED in order.details:
            return
        try:
            await found.connector.note(order, clear_note_of(alarm))
        except ConnectorError as error:
            if not error.permanent:
                raise
            log.warning(
                "note_refused",
                connector=found.connector.name,
                work_order_id=order.work_order_id,
                error=error.detail,
            )
        now = self._clock.now()
        tenant, order_id = order.tenant, order.work_order_id
        ends = not found.connector.follows  # nobody will ever tell that it is done
        noted = await self._records.write(
            lambda w: store_noted(w, tenant, order_id, now, ends=ends)
        )
        self._work_orders.changed(noted)


def store_states(
    writer: Writer, tenant: TenantId, states: Mapping[WorkOrderId, RemoteState], at: int
) -> list[WorkOrder]:
    """Take in what the far side says; return the work orders that changed."""
    changed: list[WorkOrder] = []
    for order_id, told in states.items():
        found = writer.find(WORK_ORDERS, tenant, order_id)
        if found is None or found.value.state not in OPEN_STATES:
            continue
        if not _differs(found.value, told):
            continue
        order = structs.replace(
            found.value,
            state=told.state,
            remote_state=told.text,
            polled_at=at,
            closed_at=at if told.state in _ENDED else None,
            version=found.value.version + 1,
        )
        writer.put(WORK_ORDERS, tenant, order_id, order)
        if order.state in _ENDED:
            order_changed(writer, order, at)
        changed.append(order)
    return changed


def _differs(order: WorkOrder, told: RemoteState) -> bool:
    return (order.state, order.remote_state) != (told.state, told.text)


def store_noted(
    writer: Writer, tenant: TenantId, order_id: WorkOrderId, at: int, *, ends: bool = False
) -> WorkOrder:
    """Take in that the far side was told of the cleared alarm; `ends` the work order with it."""
    order = writer.get(WORK_ORDERS, tenant, order_id).value
    order = structs.replace(order, details={**order.details, NOTED: at}, version=order.version + 1)
    if ends and order.state in OPEN_STATES:
        order = structs.replace(order, state=WorkOrderState.CLOSED, closed_at=at, closed_by="weft")
    writer.put(WORK_ORDERS, tenant, order_id, order)
    if ends:
        order_changed(writer, order, at)
    return order


def _open_orders(
    reader: Reader, *, tenant: TenantId, state: WorkOrderState, after: str, limit: int
) -> tuple[list[_Open], str]:
    """Return a page of open work orders with their alarms, and where the next page begins."""
    page = reader.list(WORK_ORDERS, tenant, where=("state", str(state)), after=after, limit=limit)
    found: list[_Open] = []
    for record in page:
        alarm = reader.find(ALARMS, tenant, record.value.alarm_id)
        fault_id = record.value.fault_id
        fault = reader.find(FAULTS, tenant, fault_id) if fault_id else None
        active = fault.value.active if fault else 0
        found.append(_Open(record.value, alarm.value if alarm else None, active))
    return found, page[-1].key if len(page) == limit else ""
