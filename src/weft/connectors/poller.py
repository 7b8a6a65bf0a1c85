"""The poller: follows work orders at the far side until they are closed, and some days longer.

Now and then it tells what the far side does not know yet and asks how tasks stand. What that
means for work orders, faults and alarms is `synchronising`'s business. What is followed is read
once for all connectors; one that has no time for all of its work orders goes on behind them.
"""

import asyncio
from bisect import bisect_right
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
from weft.model.work_order import DETACHED, TellingKind
from weft.observability.log import get_logger
from weft.ports import Clock, Reader, Records
from weft.rules.kinds import ALARMS, FAULTS, WORK_ORDERS, held_at
from weft.supervision import run_every
from weft.supervision.turns import Turns

log = get_logger(__name__)

# Whose state is asked for; and what has ended here and is still to be told.
_ASKED = (*(("state", str(state)) for state in OPEN_STATES), ("watched", "yes"))
_TELLING = ("telling", "yes")
_OWN_AT_ONCE = 8  # of tenants' own connectors; of one tenant two
_OWN_TIMEOUT_S = 60.0  # of all work orders of one of these
_PAGE = 500
_NOT_THERE = frozenset({WorkOrderState.REQUESTED, WorkOrderState.FAILED})


class PollerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[work_orders]`: how work orders are followed at the far side."""

    poll_interval_s: float = 15.0  # people look at a closed task; they do not wait for us
    poll_batch: int = 100  # work orders in one request


class _Waiting(Struct, frozen=True):
    """Which work orders of a tenant one connector follows."""

    telling: list[WorkOrderId]
    asked: list[WorkOrderId]


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
        # By connector, tenant and whether it is asked: the work order at which it ended too soon.
        self._ended: dict[tuple[str, TenantId, bool], str] = {}
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
        held = await self._held()
        known: set[str] = set()
        async with asyncio.TaskGroup() as group:
            for found in self._connectors:
                known.add(found.key)
                mine = _of(found, held)
                if not mine:
                    continue
                if not found.own:
                    group.create_task(self._follow_all(found, mine))
                elif found.key not in self._following:
                    self._following.add(found.key)
                    start = self._beside or group.create_task
                    start(self._follow_own(found, mine))
        self._ended = {place: one for place, one in self._ended.items() if place[0] in known}

    async def _held(self) -> dict[TenantId, dict[str, _Waiting]]:
        """Read once what is followed: of each tenant, by who follows it at which place."""
        found: dict[TenantId, dict[str, _Waiting]] = {}
        for tenant in await self._records.read(lambda r: r.tenants(WORK_ORDERS)):
            mine: dict[str, _Waiting] = {}
            for where in (_TELLING, *_ASKED):
                after = ""
                while True:
                    page, after = await self._records.read(
                        partial(_followed, tenant=tenant, where=where, after=after)
                    )
                    for key, order_id in page:
                        waiting = mine.setdefault(key, _Waiting([], []))
                        (waiting.telling if where == _TELLING else waiting.asked).append(order_id)
                    if not after:
                        break
            if mine:
                found[tenant] = mine
        return found

    async def _follow_own(self, found: Configured, mine: Mapping[TenantId, _Waiting]) -> None:
        """Follow what a tenant's own connector has, for so long and no longer."""
        [tenant] = map(TenantId, found.tenants)
        try:
            async with self._own_turns.turn(tenant), asyncio.timeout(_OWN_TIMEOUT_S):
                if not found.retired:
                    await self._follow_all(found, mine)
        except TimeoutError:
            self._failed(found, tenant, f"No end within {_OWN_TIMEOUT_S:g} s.")
        finally:
            self._following.discard(found.key)

    async def _follow_all(self, found: Configured, mine: Mapping[TenantId, _Waiting]) -> None:
        """Follow one system's work orders, tenant by tenant; what goes wrong for one stays there.

        A system that gives no answer is not asked for each of its tenants: whose turn is next
        begins the next time.
        """
        name = found.key
        tenants = sorted(mine)
        stopped = self._stopped.pop(name, "")
        begin = next((place for place, one in enumerate(tenants) if one > stopped), 0)
        for tenant in [*tenants[begin:], *tenants[:begin]]:
            try:
                async with self._connectors.using(found):
                    await self._follow(found, tenant, mine[tenant])
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
        if not found.retired:  # nobody looks at the one before any more
            found.health.of(tenant).failed(self._clock.now(), error)
        POLLS.labels(found.label, "failed").inc()
        log.warning("poll_failed", connector=found.connector.name, tenant=tenant, error=error)

    async def _follow(self, found: Configured, tenant: TenantId, waiting: _Waiting) -> None:
        """Tell what waits to be told, then ask; who cannot be told is asked all the same."""
        untold: ConnectorError | None = None
        try:
            await self._follow_part(found, tenant, waiting.telling, asks=False)
        except ConnectorError as error:
            untold = error
        await self._follow_part(found, tenant, waiting.asked, asks=True)
        if untold is not None:
            raise untold

    async def _follow_part(
        self, found: Configured, tenant: TenantId, ids: Sequence[WorkOrderId], *, asks: bool
    ) -> None:
        """Follow page by page, from behind where the time or the answers ended the last time."""
        place = (found.key, tenant, asks)
        ids = sorted(ids)
        begin = bisect_right(ids, self._ended.pop(place, ""))
        ids = [*ids[begin:], *ids[:begin]]
        size = self._settings.poll_batch
        for start in range(0, len(ids), size):
            part = ids[start : start + size]
            self._ended[place] = part[-1]
            page = await self._records.read(
                partial(_orders, found=found, tenant=tenant, ids=part, asks=asks)
            )
            if found.retired:
                return  # another is in its place, and what is there now is that one's
            if not page:
                continue
            states = await self._ask(found, page) if asks else {}
            for item in page:
                self._ended[place] = item.order.work_order_id
                await self._tell(found, item, states, asks=asks)
        self._ended.pop(place, None)

    async def _ask(
        self, found: Configured, page: Sequence[Followed]
    ) -> Mapping[WorkOrderId, RemoteState]:
        if not found.connector.follows:
            return {}
        states = await found.connector.poll([item.order for item in page])
        found.health.of(page[0].order.tenant).succeeded(self._clock.now())
        POLLS.labels(found.label, "answered").inc()
        await self._store(found, page, states)
        return states

    async def _tell(
        self,
        found: Configured,
        item: Followed,
        states: Mapping[WorkOrderId, RemoteState],
        *,
        asks: bool,
    ) -> None:
        """Tell what waits, and what follows from how the far side's record stands.

        Before the far side was asked, that is known only where Weft itself has ended or opened it.
        """
        told = states.get(item.order.work_order_id)
        if told is not None and told.state in ENDED:
            return
        if asks or any(one.kind is not TellingKind.NOTE for one in item.order.tellings):
            order = await self._synchroniser.tell(found, item)
        else:
            order = await self._synchroniser.tell_waiting(found, item.order)
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


def _key(order: WorkOrder) -> str:
    return held_at(order.connector, order.place)


def _of(
    found: Configured, held: Mapping[TenantId, Mapping[str, _Waiting]]
) -> dict[TenantId, _Waiting]:
    """Return what a connector follows of each tenant, where there is something."""
    key = held_at(found.connector.name, found.place)
    mine: dict[TenantId, _Waiting] = {}
    for tenant in map(TenantId, found.tenants):
        waiting = held.get(tenant, {}).get(key)
        if waiting is not None:
            mine[tenant] = waiting
    return mine


def _is_there(order: WorkOrder) -> bool:
    """Return whether the far side has it; before, what is to be told of it waits."""
    there = order.state not in _NOT_THERE and order.polled_at is not None
    return there and DETACHED not in order.details


def _followed(
    reader: Reader, *, tenant: TenantId, where: tuple[str, str], after: str
) -> tuple[list[tuple[str, WorkOrderId]], str]:
    """Return who follows which of a page of work orders, and where the next page begins."""
    page = reader.list(WORK_ORDERS, tenant, where=where, after=after, limit=_PAGE)
    orders = [record.value for record in page if _is_there(record.value)]
    found = [(_key(order), order.work_order_id) for order in orders]
    return found, page[-1].key if len(page) == _PAGE else ""


def _orders(
    reader: Reader, *, found: Configured, tenant: TenantId, ids: Sequence[WorkOrderId], asks: bool
) -> list[Followed]:
    """Return work orders as they are now with their alarms, those that are still followed."""
    key = held_at(found.connector.name, found.place)
    page: list[Followed] = []
    for order_id in ids:
        record = reader.find(WORK_ORDERS, tenant, order_id)
        if record is None or not _is_there(record.value) or _key(record.value) != key:
            continue
        order = record.value
        is_asked = order.state in OPEN_STATES or order.watch_until is not None
        if not (is_asked if asks else order.tellings):
            continue
        alarm = reader.find(ALARMS, tenant, order.alarm_id) if order.alarm_id else None
        fault = reader.find(FAULTS, tenant, order.fault_id) if order.fault_id else None
        active = fault.value.active if fault else 0
        page.append(Followed(order, alarm.value if alarm else None, active))
    return page
