"""The poller: follows work orders at the far side until they are closed, and some days longer.

Now and then it asks how tasks stand and tells what the far side does not know yet. What that
means for work orders, faults and alarms is `synchronising`'s business.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from msgspec import Struct

from weft.connectors.base import RemoteState
from weft.connectors.metrics import POLLS
from weft.connectors.registry import Configured, Connectors
from weft.connectors.synchronising import (
    ENDED,
    OPEN_STATES,
    Followed,
    Synchroniser,
    differs,
)
from weft.connectors.work_orders import WorkOrders
from weft.errors import ConnectorError, StorageError, Unavailable
from weft.model.alarm import WorkOrder, WorkOrderState
from weft.model.ids import TenantId, WorkOrderId
from weft.model.work_order import DETACHED
from weft.observability.log import get_logger
from weft.ports import Clock, Reader, Records
from weft.rules.kinds import ALARMS, FAULTS, WORK_ORDERS
from weft.supervision import run_every
from weft.supervision.turns import Turns

log = get_logger(__name__)

# Whose state is asked for; and what has ended here and is still to be told.
_ASKED = (*(("state", str(state)) for state in OPEN_STATES), ("watched", "yes"))
_TELLING = ("telling", "yes")
_OWN_AT_ONCE = 8  # of tenants' own connectors; of one tenant two
_OWN_TIMEOUT_S = 60.0  # of all work orders of one of these
_NOT_THERE = frozenset({WorkOrderState.REQUESTED, WorkOrderState.FAILED})


class PollerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[work_orders]`: how work orders are followed at the far side."""

    poll_interval_s: float = 15.0  # people look at a closed task; they do not wait for us
    poll_batch: int = 100  # work orders in one request


class Poller:
    """Follows all open work orders of all tenants."""

    def __init__(
        self,
        records: Records,
        connectors: Connectors,
        work_orders: WorkOrders,
        synchroniser: Synchroniser,
        clock: Clock,
        settings: PollerSettings | None = None,
    ) -> None:
        self._records = records
        self._connectors = connectors
        self._work_orders = work_orders
        self._synchroniser = synchroniser
        self._clock = clock
        self._settings = settings or PollerSettings()
        self._stopped: dict[str, str] = {}  # by connector: the tenant at which it gave no answer
        self._own_turns = Turns(_OWN_AT_ONCE, each=2)
        self._following: set[str] = set()  # of tenants' own ones: those being asked
        self._beside: Callable[[Coroutine[Any, Any, None]], object] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow inside the context."""
        async with asyncio.TaskGroup() as group:
            tasks: set[asyncio.Task[None]] = set()

            def beside(work: Coroutine[Any, Any, None]) -> None:
                task = group.create_task(work)
                tasks.add(task)
                task.add_done_callback(tasks.discard)

            beside(
                run_every(
                    self._settings.poll_interval_s,
                    self.poll,
                    expected=(StorageError, Unavailable),
                    failed=lambda error: log.error("poller_halted", error=str(error)),
                )
            )
            self._beside = beside
            try:
                yield
            finally:
                self._beside = None
                for task in list(tasks):
                    task.cancel()

    async def poll(self) -> None:
        """Ask for all open work orders once; one system that fails does not stop the others.

        Nobody waits for a system that a tenant has named: while Weft runs, these are asked
        beside the others.
        """
        tenants = await self._records.read(lambda r: r.tenants(WORK_ORDERS))
        async with asyncio.TaskGroup() as group:
            for found in self._connectors:
                if not found.own:
                    group.create_task(self._follow_all(found, tenants))
                elif found.key not in self._following and found.tenants & set(tenants):
                    self._following.add(found.key)
                    start = self._beside or group.create_task
                    start(self._follow_own(found, tenants))

    async def _follow_own(self, found: Configured, tenants: Sequence[TenantId]) -> None:
        """Follow what a tenant's own connector has, for so long and no longer."""
        [tenant] = map(TenantId, found.tenants)
        try:
            async with self._own_turns.turn(tenant), asyncio.timeout(_OWN_TIMEOUT_S):
                if not found.retired:
                    await self._follow_all(found, tenants)
        except TimeoutError:
            self._failed(found, tenant, f"No end within {_OWN_TIMEOUT_S:g} s.")
        finally:
            self._following.discard(found.key)

    async def _follow_all(self, found: Configured, tenants: Sequence[TenantId]) -> None:
        """Follow one system's work orders, tenant by tenant; what goes wrong for one stays there.

        A system that gives no answer is not asked for each of its tenants: whose turn is next
        begins the next time.
        """
        name = found.key
        mine = sorted(tenant for tenant in tenants if tenant in found.tenants)
        stopped = self._stopped.pop(name, "")
        begin = next((place for place, one in enumerate(mine) if one > stopped), 0)
        for tenant in [*mine[begin:], *mine[:begin]]:
            try:
                async with self._connectors.using(found):
                    for where in (*_ASKED, _TELLING):
                        await self._follow(found, tenant, where)
            except ConnectorError as error:
                self._failed(found, tenant, f"{error.detail} {error.remedy}".strip())
                if not error.permanent:
                    self._stopped[name] = tenant
                    return
            except (StorageError, Unavailable) as error:
                log.error("poller_halted", connector=name, error=error.detail)
                return
            except Exception as error:  # a bug met here must not stop others
                log.exception("connector_bug", connector=name)
                text = f"Weft itself failed here ({type(error).__name__})."
                self._failed(found, tenant, text)

    def _failed(self, found: Configured, tenant: TenantId, error: str) -> None:
        found.health.of(tenant).failed(self._clock.now(), error)
        POLLS.labels(found.label, "failed").inc()
        log.warning("poll_failed", connector=found.connector.name, tenant=tenant, error=error)

    async def _follow(self, found: Configured, tenant: TenantId, where: tuple[str, str]) -> None:
        after, size = "", self._settings.poll_batch
        while True:
            page, after = await self._records.read(
                partial(_orders, tenant=tenant, where=where, after=after, limit=size)
            )
            if found.retired:
                return  # another is in its place, and what is there now is that one's
            mine = [item for item in page if _is_of(item.order, found)]
            if mine:
                await self._follow_page(found, mine, asks=where != _TELLING)
            if not after:
                return

    async def _follow_page(
        self, found: Configured, page: Sequence[Followed], *, asks: bool
    ) -> None:
        states: Mapping[WorkOrderId, RemoteState] = {}
        if found.connector.follows and asks:
            states = await found.connector.poll([item.order for item in page])
            found.health.of(page[0].order.tenant).succeeded(self._clock.now())
            POLLS.labels(found.label, "answered").inc()
            await self._store(found, page, states)
        for item in page:
            told = states.get(item.order.work_order_id)
            if told is not None and told.state in ENDED:
                continue
            order = await self._synchroniser.tell(found, item)
            if order is not item.order:
                self._work_orders.changed(order)

    async def _store(
        self,
        found: Configured,
        page: Sequence[Followed],
        states: Mapping[WorkOrderId, RemoteState],
    ) -> None:
        tenant, now = page[0].order.tenant, self._clock.now()
        news = {
            item.order.work_order_id: told
            for item in page
            if (told := states.get(item.order.work_order_id)) is not None
            and (differs(item.order, told) or (item.order.watch_until or now + 1) <= now)
        }
        if not news:
            return
        for order in await self._synchroniser.store(found, tenant, news):
            self._work_orders.changed(order)
            log.info(
                "work_order_changed",
                tenant=tenant,
                work_order_id=order.work_order_id,
                state=str(order.state),
                remote_state=order.remote_state,
            )


def _is_of(order: WorkOrder, found: Configured) -> bool:
    """Return whether a connector leads to the system that took an order."""
    return order.connector == found.connector.name and order.place == found.place


def _orders(
    reader: Reader, *, tenant: TenantId, where: tuple[str, str], after: str, limit: int
) -> tuple[list[Followed], str]:
    """Return a page of work orders with their alarms, and where the next page begins."""
    page = reader.list(WORK_ORDERS, tenant, where=where, after=after, limit=limit)
    found: list[Followed] = []
    for record in page:
        order = record.value
        if order.state in _NOT_THERE or order.polled_at is None or DETACHED in order.details:
            continue  # the far side has none yet; what is to be told of it waits
        alarm = reader.find(ALARMS, tenant, order.alarm_id) if order.alarm_id else None
        fault = reader.find(FAULTS, tenant, order.fault_id) if order.fault_id else None
        active = fault.value.active if fault else 0
        found.append(Followed(order, alarm.value if alarm else None, active))
    return found, page[-1].key if len(page) == limit else ""
