"""Housekeeping: what has to happen now and then, though no message asks for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from weft.errors import StorageError
from weft.model.moments import NS_PER_S
from weft.observability.log import get_logger
from weft.supervision import run_every

if TYPE_CHECKING:
    from weft.app.compose import Weft

log = get_logger(__name__)

HOUR_NS = 3600 * NS_PER_S
MINUTE_S = 60.0
HOUR_S = 3600.0


class Housekeeping:
    """Timers of rules, wills and sessions; retention; audit checkpoints; certificates."""

    def __init__(self, weft: "Weft") -> None:
        self._weft = weft

    async def run(self) -> None:
        """Do all of it until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for interval_s, work in self._chores():
                tasks.create_task(
                    run_every(interval_s, work, expected=(StorageError,), failed=_failed)
                )

    def _chores(self) -> list[tuple[float, Callable[[], Awaitable[None]]]]:
        weft = self._weft
        return [
            (weft.config.rules.tick_interval_s, self._tick_rules),
            (1.0, self.every_second),
            (MINUTE_S, self._every_minute),
            (MINUTE_S, self._housekeep_history),
            (HOUR_S, self._every_hour),
        ]

    async def _tick_rules(self) -> None:
        path = self._weft.path
        await path.engine.tick(path.pipeline.settled_until(self._weft.clock.now()))

    async def every_second(self) -> None:
        """Look at what ends or becomes due with time."""
        weft = self._weft
        now = weft.clock.now()
        weft.identity.connections.cut_expired()
        weft.identity.rotation.end_due()
        await weft.identity.audit.checkpoint_if_due()
        await weft.path.broker.sweep(now)
        await weft.path.twins.send_deltas()
        weft.path.commands.sweep(weft.path.pipeline.settled_until(now))
        await weft.path.commands.publish_waiting()
        await weft.identity.presence.checkpoint()
        await weft.path.history.checkpoint()

    async def _every_minute(self) -> None:
        await self._weft.identity.sessions.sweep()
        await self.trim_journal()

    async def _housekeep_history(self) -> None:
        await self._weft.path.history.housekeep()

    async def _every_hour(self) -> None:
        await self._weft.application.idempotency.sweep()
        await self._weft.path.commands.forget_old()
        await self._weft.path.bulks.forget_old()
        await self._weft.identity.enrolments.sweep()
        await self._weft.identity.claiming.sweep()
        await self.renew_certificates()

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


def _failed(error: Exception) -> None:
    log.error("housekeeping_failed", error=str(error))
