"""Replays: jobs that run a rule over the past beside live, and keep what they found.

A replay is kept before it begins; after a crash it begins anew. It writes its own record
and findings, and nothing else: no alarm, no action, no audit entry but that it was asked for.
Tenants have their turns, however many replays of one wait, and what a person has asked for
goes before what late data asks for.
"""

import asyncio
import builtins
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import Conflict, QuotaExceeded, StorageError, WeftError
from weft.model.alarm import Alarm
from weft.model.ids import TenantId, new_id
from weft.model.principal import Principal
from weft.observability.log import get_logger
from weft.ports import Clock, Reader, Record, Records, Writer
from weft.rules.kinds import ALARMS
from weft.rules.ledger import Firing
from weft.rules.past.compare import compare, count, within
from weft.rules.past.model import (
    ENDED,
    FINDINGS,
    FINDINGS_AT_ONCE,
    REPLAYS,
    Against,
    Asked,
    Counts,
    Finding,
    Findings,
    Replay,
    ReplayState,
    findings_key,
)
from weft.rules.past.run import Given, Progress, Run
from weft.rules.past.settings import ReplaySettings
from weft.security.audit import Audit
from weft.supervision import keep_running

log = get_logger(__name__)

_PAGE: Final = 500
ALARMS_MAX: Final = 100_000  # recorded alarms of one rule that are looked at

AfterEnd = Callable[[Replay, Sequence[Finding]], Awaitable[None]]


class _Running(Struct, eq=False):
    progress: Progress
    began_s: float


class Replays:
    """The replays of all tenants."""

    def __init__(
        self, given: Given, records: Records, audit: Audit, clock: Clock, settings: ReplaySettings
    ) -> None:
        self._given = given
        self._records = records
        self._audit = audit
        self._clock = clock
        self._settings = settings
        self._running: dict[tuple[TenantId, str], _Running] = {}
        self._turns: dict[TenantId, int] = {}  # when each was served last, counted
        self._after_end: list[AfterEnd] = []
        self._wanted = asyncio.Event()
        self._wanted.set()  # some may have been left by a crash

    def after_end(self, callback: AfterEnd) -> None:
        """Call `callback` with each replay that was run to its end, and what it found."""
        self._after_end.append(callback)

    async def start(self, actor: Principal, asked: Asked) -> Replay:
        """Keep a replay; it is run as soon as there is room.

        Raises `Invalid` for a document that cannot run, `QuotaExceeded` while too many wait.
        """
        Run(self._given, actor.tenant, asked, self._settings)  # refuses what cannot run
        now = self._clock.now()
        made = Replay(actor.tenant, new_id(), asked, str(actor), now)

        def write(writer: Writer) -> None:
            self._require_room(writer, made)
            writer.insert(REPLAYS, made.tenant, made.replay_id, made)
            detail = {"replay": made.replay_id, "version": asked.version}
            target = f"rule:{asked.rule_id}"
            self._audit.entry(writer, actor, "rule.replay", target, detail=detail)
            _forget_old(writer, made.tenant, self._settings.kept)

        await self._records.write(write)
        self._wanted.set()
        return made

    def _require_room(self, writer: Writer, made: Replay) -> None:
        most, late_most = self._settings.queued_max, self._settings.late_queued_max
        where = ("state", ReplayState.QUEUED)
        queued = writer.list(REPLAYS, made.tenant, where=where, limit=most)
        late = sum(record.value.asked.late for record in queued)
        if len(queued) >= most or (made.asked.late and late >= late_most):
            raise QuotaExceeded(
                f"{len(queued)} replays are waiting already, {late} of them for late data.",
                remedy="Wait for them, or cancel one: weft replay list",
            )

    async def get(self, tenant: TenantId, replay_id: str) -> Replay:
        """Return a replay with how far it is now, or raise `NotFound`."""
        found = await self._records.read(lambda reader: reader.get(REPLAYS, tenant, replay_id))
        return self._now(found.value)

    async def list(
        self, tenant: TenantId, *, rule_id: str | None = None, after: str = "", limit: int = 100
    ) -> builtins.list[Replay]:
        """Return replays, newest first, behind `after` (an id)."""
        where = ("rule", rule_id) if rule_id else None
        found = await self._records.read(
            lambda reader: reader.list(
                REPLAYS, tenant, where=where, after=after, limit=limit, descending=True
            )
        )
        return [self._now(record.value) for record in found]

    async def findings(
        self, tenant: TenantId, replay_id: str, *, after: int = 0, limit: int = 100
    ) -> Sequence[Finding]:
        """Return findings in the order of their moments, the first `after` passed over."""

        def read(reader: Reader) -> Sequence[Finding]:
            reader.get(REPLAYS, tenant, replay_id)
            found: list[Finding] = []
            place = after // FINDINGS_AT_ONCE
            skip = after % FINDINGS_AT_ONCE
            while len(found) < skip + limit:
                record = reader.find(FINDINGS, tenant, findings_key(replay_id, place))
                if record is None:
                    break
                found += record.value.items
                place += 1
            return found[skip : skip + limit]

        return await self._records.read(read)

    async def cancel(self, actor: Principal, replay_id: str) -> Replay:
        """End a replay; raise `Conflict` for one that has ended."""
        tenant = actor.tenant

        def write(writer: Writer) -> Replay:
            record = writer.get(REPLAYS, tenant, replay_id)
            if record.value.state in ENDED:
                raise Conflict(
                    f"The replay is {record.value.state} already.",
                    remedy="There is nothing left to do.",
                )
            ended = replace(record.value, state=ReplayState.CANCELLED, ended_at=self._clock.now())
            writer.put(REPLAYS, tenant, replay_id, ended, version=record.version)
            detail = {"replay": replay_id}
            target = f"rule:{ended.asked.rule_id}"
            self._audit.entry(writer, actor, "rule.replay_cancel", target, detail=detail)
            return ended

        ended = await self._records.write(write)
        running = self._running.get((tenant, replay_id))
        if running is not None:
            running.progress.cancelled = True
        return ended

    # --- running --------------------------------------------------------------------------

    async def run(self) -> None:
        """Run what waits, tenant by tenant, until cancelled; a disk that fails is tried again."""

        starting = asyncio.Lock()
        begun: list[bool] = []

        async def begin() -> None:
            async with starting:
                if not begun:
                    await self._records.write(self._queue_again)
                    begun.append(True)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._settings.at_once):
                tasks.create_task(self._keep_working(begin))

    async def _keep_working(self, begin: Callable[[], Awaitable[None]]) -> None:
        """Work until cancelled; each worker meets the faults of the disk for itself."""
        held: list[Replay] = []  # taken, and not ended when the disk failed

        async def work() -> None:
            await begin()
            while True:
                if not held:
                    held.append(await self._next())
                await self.do(held[0])
                held.clear()

        def failed(error: Exception, wait_s: float) -> None:
            log.error("replays_stopped", error=str(error), retry_in_s=round(wait_s, 1))

        await keep_running(work, expected=(StorageError,), failed=failed)

    async def _next(self) -> Replay:
        while True:
            self._wanted.clear()  # first: what is asked for while we look is seen the next time
            taken = await self._records.write(self._take)
            if taken is not None:
                return taken
            await self._wanted.wait()

    def _queue_again(self, writer: Writer) -> None:
        """Let what a crash has ended in the middle begin anew."""
        for tenant in writer.tenants(REPLAYS):
            where = ("state", ReplayState.RUNNING)
            for record in writer.list(REPLAYS, tenant, where=where, limit=_PAGE):
                again = replace(record.value, state=ReplayState.QUEUED)
                writer.put(REPLAYS, tenant, record.key, again, version=record.version)

    def _take(self, writer: Writer) -> Replay | None:
        """Take the next of the tenant that was served the longest ago."""
        waiting = {
            tenant: first
            for tenant in writer.tenants(REPLAYS)
            if (first := _first_of(writer, tenant, self._settings.queued_max)) is not None
        }
        if not waiting:
            return None
        tenant = min(waiting, key=lambda one: (self._turns.get(one, 0), waiting[one].key))
        self._turns[tenant] = max(self._turns.values(), default=0) + 1
        first, now = waiting[tenant], self._clock.now()
        begun = replace(first.value, state=ReplayState.RUNNING, started_at=now)
        writer.put(REPLAYS, tenant, first.key, begun, version=first.version)
        return begun

    async def do(self, replay: Replay) -> None:
        """Run one and keep what it found; what it cannot do is told in its record."""
        place = (replay.tenant, replay.replay_id)
        findings: Sequence[Finding] = ()
        try:
            run = Run(self._given, replay.tenant, replay.asked, self._settings)
            running = self._running[place] = _Running(run.progress, time.perf_counter())
            await run.run()
            if not run.progress.cancelled:
                findings = await self._compared(replay, run)
            ended = replace(_told(replay, running), **_result(run, findings))
        except WeftError as error:
            log.warning("replay_failed", replay=replay.replay_id, error=error.code)
            ended = replace(replay, state=ReplayState.FAILED, problem=error.detail)
        except Exception:  # a bug of ours: this replay is parked, devices are served
            log.exception("replay_broke", replay=replay.replay_id)
            problem = "Weft has met a bug; the log has the traceback under replay_broke."
            ended = replace(replay, state=ReplayState.FAILED, problem=problem)
        finally:
            self._running.pop(place, None)
        ended = replace(ended, ended_at=self._clock.now())
        kept = await self._records.write(lambda writer: _end(writer, ended, findings))
        if kept and ended.state is ReplayState.DONE:
            await self._tell(ended, findings)

    async def _tell(self, ended: Replay, findings: Sequence[Finding]) -> None:
        for callback in self._after_end:
            try:
                await callback(ended, findings)
            except Exception:  # the replay has ended and is kept; what hears of it may fail
                log.exception("replay_not_told", replay=ended.replay_id)

    async def _compared(self, replay: Replay, run: Run) -> Sequence[Finding]:
        asked = replay.asked
        since, end = asked.since, asked.end

        def inside(some: Sequence[Firing]) -> Sequence[Firing]:
            return [one for one in some if within(one.raised_at, one.cleared_at, since, end)]

        if run.other is not None:
            return compare(inside(run.side.firings), inside(run.other.firings))
        others: Sequence[Alarm] = ()
        if asked.against is Against.RECORDED:
            others = await self._records.read(lambda reader: _recorded(reader, replay))
        return compare(inside(run.side.firings), others)

    def _now(self, replay: Replay) -> Replay:
        running = self._running.get((replay.tenant, replay.replay_id))
        return replay if running is None else _told(replay, running)


def _first_of(reader: Reader, tenant: TenantId, most: int) -> Record[Replay] | None:
    """Return the oldest that waits of those that a person has asked for, else of the rest."""
    where = ("state", ReplayState.QUEUED)
    queued = reader.list(REPLAYS, tenant, where=where, limit=most)
    return next((one for one in queued if not one.value.asked.late), next(iter(queued), None))


def _told(replay: Replay, running: _Running) -> Replay:
    took_s = max(time.perf_counter() - running.began_s, 1e-6)
    progress = running.progress
    return replace(
        replay,
        percent=progress.percent,
        samples=progress.samples,
        samples_per_s=round(progress.samples / took_s, 1),
    )


def _result(run: Run, findings: Sequence[Finding]) -> dict[str, object]:
    health = run.side.health
    full = run.side.is_full or (run.other is not None and run.other.is_full)
    return {
        "state": ReplayState.CANCELLED if run.progress.cancelled else ReplayState.DONE,
        "counts": count(findings) if findings else Counts(),
        "failures": health.failures,
        "last_failure": health.last_failure or health.unfit,
        "complete": not full and not run.progress.cancelled,
        "path": run.path,
    }


def _recorded(reader: Reader, replay: Replay) -> list[Alarm]:
    asked = replay.asked
    found: list[Alarm] = []
    after, looked_at = "", 0
    where = ("rule", asked.rule_id)
    while looked_at < ALARMS_MAX:
        page = reader.list(ALARMS, replay.tenant, where=where, after=after, limit=_PAGE)
        if not page:
            break
        looked_at, after = looked_at + len(page), page[-1].key
        found += [
            record.value
            for record in page
            if within(record.value.raised_at, record.value.cleared_at, asked.since, asked.end)
            and (not asked.devices or record.value.device_id in asked.devices)
        ]
    return found


def _end(writer: Writer, ended: Replay, findings: Sequence[Finding]) -> bool:
    """Keep the end of a replay; return whether it was awaited still."""
    record = writer.find(REPLAYS, ended.tenant, ended.replay_id)
    if record is None or record.value.state in ENDED:
        return False  # forgotten, or cancelled meanwhile: what it had found so far is no answer
    for place, start in enumerate(range(0, len(findings), FINDINGS_AT_ONCE)):
        some = Findings(list(findings[start : start + FINDINGS_AT_ONCE]))
        writer.put(FINDINGS, ended.tenant, findings_key(ended.replay_id, place), some)
    writer.put(REPLAYS, ended.tenant, ended.replay_id, ended, version=record.version)
    return True


def _forget_old(writer: Writer, tenant: TenantId, kept: int) -> None:
    """Delete the oldest that have ended, with their findings."""
    surplus = writer.count(REPLAYS, tenant) - kept
    if surplus <= 0:
        return
    for record in writer.list(REPLAYS, tenant, limit=surplus + kept):
        if surplus <= 0:
            return
        if record.value.state in ENDED:
            place = 0
            while writer.delete(FINDINGS, tenant, findings_key(record.key, place)):
                place += 1
            writer.delete(REPLAYS, tenant, record.key)
            surplus -= 1
