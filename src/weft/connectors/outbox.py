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
from weft.connectors.registry import OWN_LABEL, Configured, Connectors, Health
from weft.connectors.settling import (
    Found,
    find_pending,
    store_delivered,
    store_failed,
    store_redriven,
)
from weft.connectors.work_orders import WorkOrders
from weft.errors import ConnectorError, PeerError, StorageError, Unanswered, Unavailable
from weft.model.alarm import Action, OutboxEntry, OutboxState, WorkOrder
from weft.model.ids import ActionId, AlarmId, TenantId
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal
from weft.observability.log import get_logger
from weft.ports import Clock, Reader, Record, Records, Writer
from weft.rules.kinds import OUTBOX, waits_for
from weft.security.audit import Audit
from weft.supervision import keep_running
from weft.supervision.turns import Turns

log = get_logger(__name__)

_PAGE = 500
_PAGES = 4  # of one tenant in one scan; the next one goes on behind them
_PAUSE_MAX_S = 30.0  # of a tenant at a connector after failures in a row
OWN_EACH = 2  # of tenants' own connectors, deliveries of one tenant at a time
_UNKNOWN = ""  # the lane of entries whose connector is not configured (any more)


class OutboxSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[outbox]`: how deliveries to business systems are tried again."""

    max_attempts: int = 20  # about three hours with the pauses below
    pause_s: float = 2.0  # after the first failure; doubles with each further one
    pause_max_s: float = 900.0
    attempt_timeout_s: float = 60.0  # of one delivery with all its requests
    parallel: int = 8  # connectors at work at the same time; as many of tenants' own beside them
    scan_interval_s: float = 5.0  # a safety net: `notify` wakes the outbox at once
    lane_size: int = 2_000  # entries of one tenant per connector held in memory


class _NothingWaits(Exception):
    """A tenant's own connector has nothing to deliver any more."""


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
        # Whom a tenant names may keep us waiting: that is no turn of the operator's systems,
        # and few of the other tenants'.
        self._own_turns = Turns(self._settings.parallel, each=OWN_EACH)
        self._start: Callable[[str, Lanes], None] = _not_running
        names = [found.key for found in connectors if not found.own]
        self._nobody = Health()  # of actions whose connector is not configured
        self._lanes = {name: Lanes(name, self._settings.lane_size) for name in [*names, _UNKNOWN]}
        self._scanned: dict[TenantId, str] = {}  # up to where; the rest is read next time
        connectors.on_change(self._connector_changed)

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
        connector: str | None = None,
        after: str = "",
        limit: int = 100,
    ) -> Sequence[Record[OutboxEntry]]:
        """Return entries, newest first: of an alarm, or by state, connector or both."""
        where = ("alarm", str(alarm_id)) if alarm_id else _found_by(state, connector)
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
            tasks: set[asyncio.Task[None]] = set()

            def start(key: str, lanes: Lanes) -> None:
                """Work on lanes; who is done with a tenant's own ends, until there is more."""
                work = self._work_on_own(key, lanes) if _is_own(lanes) else self._work_on(lanes)
                task = group.create_task(work)
                tasks.add(task)
                task.add_done_callback(tasks.discard)

            tasks.add(group.create_task(self._keep(self._scan_on)))
            for key, lanes in self._lanes.items():
                start(key, lanes)
            self._start = start
            try:
                yield
            finally:
                self._start = _not_running
                for task in list(tasks):
                    task.cancel()

    async def deliver_due(self) -> int:
        """Deliver everything that is due now, then return; how many attempts were made."""
        while await self._scan():
            pass
        attempts = 0
        for lanes in list(self._lanes.values()):
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
        await self._keep(partial(self._deliver_on, lanes, self._turns))

    async def _work_on_own(self, key: str, lanes: Lanes) -> None:
        """Deliver what waits for a tenant's own connector, until nothing does."""
        with suppress(_NothingWaits):
            await self._keep(partial(self._deliver_on, lanes, self._own_turns))
        self._lanes.pop(key, None)

    async def _deliver_on(self, lanes: Lanes, turns: Turns) -> None:
        while True:
            lanes.wake.clear()
            due = lanes.take(self._clock.now())
            if due is not None:
                async with turns.turn(due.tenant):
                    await self._attempt(lanes, due)
                continue
            if lanes.wants_more:
                self._scan_now.set()
            if _is_own(lanes) and not len(lanes):
                raise _NothingWaits
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
        queues = {OWN_LABEL: 0}
        for lanes in self._lanes.values():
            queues[lanes.name] = queues.get(lanes.name, 0) + len(lanes)
        for name, waiting in queues.items():
            QUEUE.labels(name or "unknown").set(waiting)
        for found in self._connectors:
            held = self._lanes.get(found.key)
            for tenant in map(TenantId, found.tenants) if found.own else tenants:
                found.health.set_waiting(tenant, held.waiting(tenant) if held else 0)
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
        key = found.key if found else _UNKNOWN
        lanes = self._lanes.get(key)
        if lanes is None:
            assert found is not None
            lanes = self._lanes[key] = Lanes(found.label, self._settings.lane_size)
            self._start(key, lanes)
        return lanes

    def _connector_changed(self, tenant: TenantId, name: str) -> None:
        """Try what waits for a tenant's own connector with what it is now."""
        found = self._connectors.find(tenant, name)
        held = self._lanes.get(found.key) if found else None
        if held is not None:
            held.of(tenant).paused_until = 0
            held.wake.set()
        self.notify()

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
        right = self._lanes_of(found.entry)
        if right is not lanes:  # its connector was set up, or taken away, since
            right.add(due)
            return None
        used = self._connectors.find(due.tenant, found.entry.action.connector)
        try:
            delivered = await self._deliver(used, found.entry, found.situation)
        except ConnectorError as error:
            return await self._failed(lanes, found.entry, error, used)
        await self._delivered(lanes, found, delivered, used)
        return None

    async def _deliver(
        self, found: Configured | None, entry: OutboxEntry, situation: Situation
    ) -> Delivered:
        action = entry.action
        if found is None or action.kind not in found.connector.actions:
            raise ConnectorError(
                f"No connector named {action.connector!r} takes a {action.kind}.",
                remedy=f"Set {action.connector} up again, or change the rule.",
            )
        try:
            # In this order: what is closed behind a delivery takes nothing of its time.
            async with (
                self._connectors.using(found) as connector,
                asyncio.timeout(self._settings.attempt_timeout_s),
            ):
                prepared = await self._connectors.prepared(found, entry, situation)
                return await connector.deliver(entry, prepared)
        except TimeoutError as error:
            # Nobody knows how far it had come: the far side may be making the record just now.
            raise Unanswered(
                f"No end within {self._settings.attempt_timeout_s:g} s.",
                retry_after_s=found.settle_s,
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

    async def _delivered(
        self, lanes: Lanes, sent: Found, delivered: Delivered, used: Configured | None
    ) -> None:
        now, action = self._clock.now(), sent.entry.action
        place, left = used.place if used else "", self._left(action, used)
        order = await self._records.write(
            lambda w: store_delivered(w, sent, delivered, now, place=place, left=left)
        )
        if not _is_retired(used):
            lanes.of(action.tenant).failures = 0
            self._health_of(action, used).succeeded(now)
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

    async def _failed(
        self, lanes: Lanes, entry: OutboxEntry, error: ConnectorError, used: Configured | None
    ) -> int | None:
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
        retired = _is_retired(used)  # what the one before met says nothing of the one after
        if not retired:
            self._health_of(action, used).failed(now, text)
        if not error.permanent and not retired:
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

    def _health_of(self, action: Action, used: Configured | None) -> Health:
        return used.health.of(action.tenant) if used else self._nobody

    def _left(self, action: Action, used: Configured | None) -> str:
        """Return why nobody follows at the system that took an action, or nothing."""
        if used is None or not used.retired:
            return ""
        found = self._connectors.find(action.tenant, action.connector)
        if found is not None and found.place == used.place:
            return ""
        return f"{action.connector} led to another system when this was taken: it is not followed."

    def _told(self, order: WorkOrder | None) -> None:
        if order is not None:
            self._work_orders.changed(order)


def _found_by(state: OutboxState | None, connector: str | None) -> tuple[str, str] | None:
    """Return the index that finds entries of a state, of a connector, or of both."""
    if connector is None:
        return None if state is None else ("state", str(state))
    if state is None:
        return "connector", connector
    if state is OutboxState.DELIVERED:
        return "delivered", connector
    return "held", waits_for(state, connector)


def _pending(reader: Reader, *, tenant: TenantId, after: str) -> Sequence[Record[OutboxEntry]]:
    where = ("state", str(OutboxState.PENDING))
    return reader.list(OUTBOX, tenant, where=where, after=after, limit=_PAGE)


def _due_of(entry: OutboxEntry) -> Due:
    action = entry.action
    return Due(entry.next_attempt_at, action.created_at, action.tenant, action.action_id)


def _is_retired(used: Configured | None) -> bool:
    return used is not None and used.retired


def _is_own(lanes: Lanes) -> bool:
    return lanes.name == OWN_LABEL


def _not_running(_key: str, _lanes: Lanes) -> None:
    """Start nothing: what is not running delivers when it is asked to."""


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
