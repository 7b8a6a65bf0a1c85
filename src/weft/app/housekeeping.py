"""Housekeeping: what has to happen now and then, though no message asks for it.

Devices are served whatever happens here. A chore that meets a bug of ours is parked and
tried again later, `health` says so, and the other chores go on.
"""

import asyncio
from math import isfinite
from typing import TYPE_CHECKING

from weft.errors import StorageError, Unavailable
from weft.model.ids import DeviceId, TenantId
from weft.model.moments import NS_PER_S
from weft.observability.log import get_logger
from weft.rules.charts import Charts
from weft.rules.old_traces import OldTraces
from weft.rules.plans import Plans
from weft.supervision.chores import Chore, Chores, Work

if TYPE_CHECKING:
    from weft.app.compose import Weft

log = get_logger(__name__)

HOUR_NS = 3600 * NS_PER_S
MINUTE_S = 60.0
HOUR_S = 3600.0

REMEDY = (
    "Devices are served and it is tried again. Report the traceback that the log has under "
    "housekeeping_broke; if it does not go away, restart Weft when that is convenient."
)


class Housekeeping:
    """Timers of rules, wills and sessions; retention; audit checkpoints; certificates."""

    def __init__(self, weft: "Weft") -> None:
        self._weft = weft
        days = weft.config.rules.keep_traces_days
        self._old_traces = OldTraces(weft.stores.records, weft.clock, days)
        self.every_second = _chores(1.0, self._each_second())
        self._all = (
            _chores(weft.config.rules.tick_interval_s, [("rule timers", self._tick_rules)]),
            self.every_second,
            _chores(MINUTE_S, self._each_minute()),
            _chores(MINUTE_S, [("history retention", weft.path.history.housekeep)]),
            _chores(MINUTE_S, [("late derived telemetry", weft.path.derived.recomputings.sweep)]),
            _chores(HOUR_S, self._each_hour()),
        )

    async def run(self) -> None:
        """Do all of it until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for chores in self._all:
                tasks.create_task(chores.run())

    @property
    def health(self) -> str:
        """Say "ok", or which chores fail and what to do."""
        troubled = [chore for chores in self._all for chore in chores.troubled]
        return " ".join(_told(chore) for chore in troubled) or "ok"

    def _each_second(self) -> list[tuple[str, Work]]:
        """Look at what ends or becomes due with time."""
        identity, path = self._weft.identity, self._weft.path
        return [
            ("ends of credentials", self._end_credentials),
            ("audit checkpoint", identity.audit.checkpoint_if_due),
            ("wills and sessions", self._sweep_broker),
            ("twin deltas", path.twins.send_deltas),
            ("ends of commands", self._sweep_commands),
            ("waiting commands", path.commands.publish_waiting),
            ("shelved alarms", path.handling.return_due),
            ("suppressed alarms", self._weft.business.suppression.releasing.release_due),
            ("alarm bulks", self._weft.business.suppression.work.bulks.work),
            ("notifications", self._weft.business.suppression.notifier.work),
            ("silent devices", self._sweep_silences),
            ("presence", identity.presence.checkpoint),
            ("history checkpoint", path.history.checkpoint),
        ]

    def _each_minute(self) -> list[tuple[str, Work]]:
        return [
            ("signed-in sessions", self._weft.identity.sessions.sweep),
            ("deleted devices", self._weft.identity.devices.forget_rest),
            ("journal retention", self.trim_journal),
            ("late data", self._weft.late.sweep),
            ("told changes", self._trim_changes),
            ("maintenance plans", self.order_planned_work),
            ("charts of work orders", self._draw_charts),
        ]

    def _each_hour(self) -> list[tuple[str, Work]]:
        weft = self._weft
        return [
            ("repeated requests", self._sweep_repeated_requests),
            ("old commands", weft.path.commands.forget_old),
            ("old bulks of alarms", weft.business.suppression.work.bulks.forget_old),
            ("old traces of alarms", self._old_traces.forget),
            ("old bulk commands", weft.path.bulks.forget_old),
            ("enrolments", weft.identity.enrolments.sweep),
            ("claims", weft.identity.claiming.sweep),
            ("certificates", self.renew_certificates),
        ]

    async def _tick_rules(self) -> None:
        path = self._weft.path
        await path.engine.tick(path.pipeline.settled_until(self._weft.clock.now()))

    async def _end_credentials(self) -> None:
        self._weft.identity.connections.cut_expired()
        self._weft.identity.rotation.end_due()
        self._weft.identity.keys.end_due()

    async def _sweep_silences(self) -> None:
        self._weft.identity.silences.sweep()

    async def _trim_changes(self) -> None:
        await self._weft.business.events.deliverer.trim()

    async def _sweep_broker(self) -> None:
        await self._weft.path.broker.sweep(self._weft.clock.now())

    async def _sweep_commands(self) -> None:
        path = self._weft.path
        path.commands.sweep(path.pipeline.settled_until(self._weft.clock.now()))

    async def _sweep_repeated_requests(self) -> None:
        await self._weft.application.idempotency.sweep()  # there is none before HTTP serves

    async def _draw_charts(self) -> None:
        weft = self._weft
        charts = Charts(weft.stores.records, weft.path.history.query, weft.clock)
        await charts.make_missing()

    async def order_planned_work(self) -> None:
        """Make the work orders of maintenance plans that are due."""
        weft = self._weft
        plans = Plans(weft.stores.records, weft.identity.policy, weft.identity.audit, weft.clock)
        made = await plans.run_due(self._reading)
        for order in made:
            weft.business.work_orders.changed(order)
        if made:
            weft.business.outbox.notify()

    def _reading(self, tenant: TenantId, device: str, key: str) -> float | None:
        """Return what a device's counter says, None for what is no number or was never said."""
        if self._weft.identity.devices.find(tenant, device) is None:
            return None
        latest = self._weft.path.twins.get(tenant, DeviceId(device)).telemetry.get(key)
        value = latest.value if latest is not None else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            return None
        return float(value)

    async def renew_certificates(self) -> None:
        """Renew the intermediate's and the server's certificate in their last third."""
        authority = self._weft.identity.authority
        for name in await asyncio.to_thread(authority.renew_due):
            log.info("certificate_renewed", name=name)
        warning = authority.state().warning
        if warning:
            log.warning("certificate_ends", reason=warning)

    async def trim_journal(self) -> None:
        """Forget old messages by age and size, never one that a projection still needs."""
        weft = self._weft
        journal, settings = weft.stores.journal, weft.config.journal
        oldest_at = weft.clock.now() - round(settings.keep_hours * HOUR_NS)
        before = await journal.first_after(oldest_at)
        size = await journal.size_bytes()
        if size > settings.keep_bytes:
            kept = journal.head - journal.tail + 1
            excess = round(kept * (1 - settings.keep_bytes / size))
            before = max(before, journal.tail + excess)
        needed = weft.path.pipeline.durable_position + 1
        if min(before, needed) > journal.tail:
            await journal.trim(before=min(before, needed))


def _chores(interval_s: float, chores: list[tuple[str, Work]]) -> Chores:
    return Chores(interval_s, chores, expected=(StorageError, Unavailable), failed=_failed)


def _failed(chore: Chore, error: Exception) -> None:
    if chore.is_parked:
        log.error("housekeeping_broke", chore=chore.name, remedy=REMEDY, exc_info=error)
    else:
        log.error("housekeeping_failed", chore=chore.name, error=str(error))


def _told(chore: Chore) -> str:
    if not chore.is_parked:
        return f"{chore.name}: {chore.trouble}"
    return f"{chore.name}: Weft itself failed here ({chore.trouble}). {REMEDY}"
