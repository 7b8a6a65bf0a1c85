"""The outbox: every action reaches its business system once, or someone is told.

An entry is written with what caused it and stays until the connector has the far side's
answer. After a crash the entries that still wait are tried again; the connector finds the
record that an unanswered try left behind. What keeps failing is tried at growing intervals,
then given up: the entry is dead, its work order failed, and both wait for a person to
redrive. Nothing is dropped. Tenants have their turns: in what is read, at a connector, and
at the few deliveries that run at a time.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

from msgspec import Struct

from weft.connectors.base import Delivered, Situation
from weft.connectors.lanes import Due, Lanes
from weft.connectors.metrics import DELIVERIES, QUEUE
from weft.connectors.registry import Connectors, Health
from weft.connectors.settling import (
    Found,
    find_pending,
    store_delivered,
    store_failed,
    store_redriven,
)
from weft.connectors.work_orders import WorkOrders
from weft.errors import ConnectorError, PeerError, StorageError, Unanswered, Unavailable
from weft.model.alarm import OutboxEntry, OutboxState, WorkOrder
from weft.model.ids import ActionId, AlarmId, TenantId
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal
from weft.observability.log import get_logger
from weft.ports import Clock, Reader, Record, Records, Writer
from weft.rules.kinds import OUTBOX
from weft.security.audit import Audit
from weft.supervision import keep_running
from weft.supervision.turns import Turns

log = get_logger(__name__)

_PAGE = 500
_PAGES = 4  # of one tenant in one scan; the next one goes on behind them
_PAUSE_MAX_S = 30.0  # of a tenant at a connector after failures in a row
_UNKNOWN = ""  # the lane of entries whose connector is not configured (any more)


class OutboxSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[outbox]`: how deliveries to business systems are tried again."""

    max_attempts: int = 20  # about three hours with the pauses below
    pause_s: float = 2.0  # after the first failure; doubles with each further one
    pause_max_s: float = 900.0
    attempt_timeout_s: float = 60.0  # of one delivery with all its requests
    parallel: int = 8  # connectors at work at the same time; one tenant's are one less
    scan_interval_s: float = 5.0  # a safety net: `notify` wakes the outbox at once
    lane_size: int = 2_000  # entries of one tenant per connector held in memory


class Outbox:
    """Delivers what rules asked for; `running()` while the platform runs."""

    def __init__(
        self,
        records: Records,
        connectors: Connectors,
        work_orders: WorkOrders,
        audit: Audit,
        clock: Clock,
        settings: OutboxSettings | None = None,
    ) -> None:
        self._records = records
        self._connectors = connectors
        self._work_orders = work_orders
        self._audit = audit
        self._clock = clock
        self._settings = settings or OutboxSettings()
        self._scan_now = asyncio.Event()
        self._turns = Turns(self._settings.parallel)
        names = [found.connector.name for found in connectors]
        self._nobody = Health()  # of actions whose connector is not configured
        self._lanes = {name: Lanes(name, self._settings.lane_size) for name in [*names, _UNKNOWN]}
        self._scanned: dict[TenantId, str] = {}  # up to where; the rest is read next time

    # --- for the API ---------------------------------------------------------------------

    async def get(self, tenant: TenantId, action_id: ActionId) -> Record[OutboxEntry]:
        """Return an entry, or raise `NotFound`."""
        return await self._records.read(lambda r: r.get(OUTBOX, tenant, action_id))

    async def list_entries(
        self,
        tenant: TenantId,
        *,
        state: OutboxState | None = None,
        alarm_id: AlarmId | None = None,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[Record[OutboxEntry]]:
        """Return entries, newest first, by state or by alarm."""
        where = ("alarm", str(alarm_id)) if alarm_id else ("state", str(state)) if state else None
        return await self._records.read(
            lambda r: r.list(OUTBOX, tenant, where=where, after=after, limit=limit, descending=True)
        )

    async def redrive(
        self, actor: Principal, tenant: TenantId, action_id: ActionId
    ) -> Record[OutboxEntry]:
        """Start a dead entry again, or raise `NotFound` or `Conflict`."""

        def work(writer: Writer) -> tuple[Record[OutboxEntry], WorkOrder | None]:
            order = store_redriven(writer, tenant, action_id)
            self._audit.entry(writer, actor, "outbox.redrive", f"outbox:{action_id}")
            return writer.get(OUTBOX, tenant, action_id), order

        record, order = await self._records.write(work)
        self._told(order)
        self.notify()
        return record

    # --- running -------------------------------------------------------------------------

    def notify(self) -> None:
        """Say that there are new entries on disk; on the event loop."""
        self._scan_now.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver inside the context."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._keep(self._scan_on))]
            tasks += [
                group.create_task(self._keep(partial(self._work_on, lanes)))
                for lanes in self._lanes.values()
            ]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    async def deliver_due(self) -> int:
        """Deliver everything that is due now, then return; how many attempts were made."""
        while await self._scan():
            pass
        attempts = 0
        for lanes in self._lanes.values():
            while due := lanes.take(self._clock.now()):
                await self._attempt(lanes, due)
                attempts += 1
        return attempts

    async def _keep(self, work: Callable[[], Awaitable[None]]) -> None:
        await keep_running(
            work,
            expected=(StorageError, Unavailable),
            failed=lambda error, wait_s: log.error(
                "outbox_halted", error=str(error), again_in_s=round(wait_s, 1)
            ),
        )

    async def _scan_on(self) -> None:
        """Fill the lanes when told to, and now and then unasked."""
        while True:
            self._scan_now.clear()
            started = asyncio.get_running_loop().time()
            if await self._scan():
                self._scan_now.set()
            # A long queue must not be read again for each new entry.
            taken_s = asyncio.get_running_loop().time() - started
            await asyncio.sleep(min(taken_s * 10, self._settings.scan_interval_s))
            await _wait(self._scan_now, self._settings.scan_interval_s)

    async def _work_on(self, lanes: Lanes) -> None:
        """Deliver what waits for a connector, one after the other."""
        while True:
            lanes.wake.clear()
            due = lanes.take(self._clock.now())
            if due is not None:
                async with self._turns.turn(due.tenant):
                    await self._attempt(lanes, due)
                continue
            if lanes.wants_more:
                self._scan_now.set()
            next_at = lanes.next_at()
            wait_s = self._settings.scan_interval_s
            if next_at is not None:
                wait_s = min(wait_s, max(0.0, (next_at - self._clock.now()) / NS_PER_S))
            await _wait(lanes.wake, wait_s)

    async def _scan(self) -> bool:
        """Read what waits into the lanes, so much of each tenant; return whether there is more."""
        tenants = await self._records.read(lambda r: r.tenants(OUTBOX))
        for tenant in tenants:
            await self._scan_tenant(tenant)
        for lanes in self._lanes.values():
            QUEUE.labels(lanes.name or "unknown").set(len(lanes))
        for found in self._connectors:
            for tenant in tenants:
                waiting = self._lanes[found.connector.name].waiting(tenant)
                found.health.set_waiting(tenant, waiting)
        return bool(self._scanned)

    async def _scan_tenant(self, tenant: TenantId) -> None:
        after = self._scanned.pop(tenant, "")
        if not after:
            for lanes in self._lanes.values():
                lanes.scan_again(tenant)
        for _ in range(_PAGES):
            page = await self._records.read(partial(_pending, tenant=tenant, after=after))
            for record in page:
                self._lanes_of(record.value).add(_due_of(record.value))
            if len(page) < _PAGE:
                return
            after = page[-1].key
        self._scanned[tenant] = after

    def _lanes_of(self, entry: OutboxEntry) -> Lanes:
        found = self._connectors.find(entry.action.tenant, entry.action.connector)
        return self._lanes[found.connector.name if found else _UNKNOWN]

    # --- one attempt ---------------------------------------------------------------------

    async def _attempt(self, lanes: Lanes, due: Due) -> None:
        """Try one entry and store how it went."""
        again_at: int | None = None
        try:
            again_at = await self._try(lanes, due)
        finally:
            lanes.done(due)
        if again_at is not None:
            lanes.add(due._replace(at=again_at))

    async def _try(self, lanes: Lanes, due: Due) -> int | None:
        """Return the moment of the next attempt, None when there is none to come."""
        found = await self._records.read(lambda r: find_pending(r, due.tenant, due.action_id))
        if found is None:
            return None
        if found.entry.next_attempt_at > self._clock.now():
            return found.entry.next_attempt_at  # put off since it came into the lane
        try:
            delivered = await self._deliver(found.entry, found.situation)
        except ConnectorError as error:
            return await self._failed(lanes, found.entry, error)
        await self._delivered(lanes, found, delivered)
        return None

    async def _deliver(self, entry: OutboxEntry, situation: Situation) -> Delivered:
        action = entry.action
        found = self._connectors.find(action.tenant, action.connector)
        if found is None or action.kind not in found.connector.actions:
            raise ConnectorError(
                f"No connector named {action.connector!r} takes a {action.kind}.",
                remedy=f"Configure [connectors.{action.connector}], or change the rule.",
            )
        try:
            async with asyncio.timeout(self._settings.attempt_timeout_s):
                prepared = await self._connectors.prepared(found, entry, situation)
                return await found.connector.deliver(entry, prepared)
        except TimeoutError as error:
            raise ConnectorError(
                f"No end within {self._settings.attempt_timeout_s:g} s."
            ) from error
        except PeerError as error:  # our own checks of what would have been sent
            raise ConnectorError(error.detail, permanent=True, remedy=error.remedy) from error
        except (ConnectorError, StorageError, Unavailable):
            raise
        except Exception as error:  # a bug parks the entry that met it, and only that one
            log.exception("connector_bug", connector=action.connector, action_id=action.action_id)
            raise ConnectorError(
                f"Weft itself failed here ({type(error).__name__}).",
                permanent=True,
                remedy="Report it with the log; redrive the entry after an update.",
            ) from error

    async def _delivered(self, lanes: Lanes, sent: Found, delivered: Delivered) -> None:
        now, entry, action = self._clock.now(), sent.entry, sent.entry.action
        order = await self._records.write(lambda w: store_delivered(w, sent, delivered, now))
        lanes.of(action.tenant).failures = 0
        self._health_of(entry).succeeded(now)
        DELIVERIES.labels(lanes.name or "unknown", "delivered").inc()
        tell = log.warning if delivered.remark else log.info
        tell(
            "outbox_delivered",
            tenant=action.tenant,
            connector=action.connector,
            action_id=action.action_id,
            remote_id=delivered.remote_id,
            **({"remark": delivered.remark} if delivered.remark else {}),
        )
        self._told(order)

    async def _failed(self, lanes: Lanes, entry: OutboxEntry, error: ConnectorError) -> int | None:
        now, action = self._clock.now(), entry.action
        attempts = entry.attempts + 1
        dead = error.permanent or attempts >= self._settings.max_attempts
        wait_s = max(error.retry_after_s or 0.0, self._pause_s(attempts))
        next_at = None if dead else now + round(wait_s * NS_PER_S)
        text = f"{error.detail} {error.remedy}".strip()
        place, unanswered = (action.tenant, action.action_id), isinstance(error, Unanswered)
        order = await self._records.write(
            lambda w: store_failed(w, place, text, next_at, unanswered=unanswered)
        )
        self._health_of(entry).failed(now, text)
        if not error.permanent:
            lane = lanes.of(action.tenant)
            lane.failures += 1
            pause_s = min(self._pause_s(lane.failures), _PAUSE_MAX_S)
            lane.paused_until = now + round(max(pause_s, error.retry_after_s or 0.0) * NS_PER_S)
        DELIVERIES.labels(lanes.name or "unknown", "dead" if dead else "retried").inc()
        tell = log.error if dead else log.warning
        tell(
            "outbox_gave_up" if dead else "outbox_will_retry",
            tenant=action.tenant,
            connector=action.connector,
            action_id=action.action_id,
            attempts=attempts,
            error=error.detail,
            remedy=error.remedy,
            again_in_s=None if dead else round(wait_s, 1),
        )
        self._told(order)
        return next_at

    def _pause_s(self, failures: int) -> float:
        settings = self._settings
        pause_s = min(settings.pause_s * 2.0 ** min(failures - 1, 30), settings.pause_max_s)
        return pause_s * random.uniform(0.5, 1.0)  # noqa: S311  spreads load, guards nothing

    def _health_of(self, entry: OutboxEntry) -> Health:
        found = self._connectors.find(entry.action.tenant, entry.action.connector)
        return found.health.of(entry.action.tenant) if found else self._nobody

    def _told(self, order: WorkOrder | None) -> None:
        if order is not None:
            self._work_orders.changed(order)


def _pending(reader: Reader, *, tenant: TenantId, after: str) -> Sequence[Record[OutboxEntry]]:
    where = ("state", str(OutboxState.PENDING))
    return reader.list(OUTBOX, tenant, where=where, after=after, limit=_PAGE)


def _due_of(entry: OutboxEntry) -> Due:
    action = entry.action
    return Due(entry.next_attempt_at, action.created_at, action.tenant, action.action_id)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
