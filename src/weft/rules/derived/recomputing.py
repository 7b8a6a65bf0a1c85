"""Recomputing: late data changes what was computed, and a note says what changed.

A sample that comes late computes nothing when it comes. A chore works out again what was
computed since (`again`), writes what differs to the journal, where the newer position counts,
and keeps a note: old, new, and from when. Rules see such values as late, so what they would
have raised is worked out as for any late data. What is not finished when Weft stops, or when
the disk or history fails, is begun again; only what would fail again has failed.
"""

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import NotFound, PeerError, StorageError, TooLarge, Unavailable
from weft.model.ids import DeviceId, TenantId, new_id
from weft.model.message import RECOMPUTED, Decoded, Envelope
from weft.model.moments import NS_PER_S
from weft.model.telemetry import Reading
from weft.observability.log import get_logger
from weft.ports import Clock, Kind, Reader, Records, Writer
from weft.rules.derived.again import Again, Change, Outcome, Scans, Task, route_to
from weft.rules.derived.deriver import Deriver, payload_of
from weft.rules.derived.reach import parts_of
from weft.rules.derived.settings import DerivedSettings
from weft.rules.surroundings import Surroundings

log = get_logger(__name__)

SHOWN_MAX: Final = 200  # changes that a note keeps, oldest first
READINGS_MAX: Final = 500  # in one message
_HOUR_NS: Final = 3_600 * NS_PER_S

Put = Callable[[Envelope, Decoded], Awaitable[int]]


class RecomputingState(StrEnum):
    """How far it is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Recomputing(Struct, frozen=True):
    """What late data of some devices has changed."""

    tenant: TenantId
    recomputing_id: str
    devices: tuple[DeviceId, ...]  # whose data came late
    start: int  # the first late moment
    end: int
    state: RecomputingState
    started_at: int
    ended_at: int | None = None
    percent: float = 0.0
    samples: int = 0
    changed: int = 0
    changes: tuple[Change, ...] = ()
    uncertain: tuple[str, ...] = ()  # keys that nothing can be said of: too little was read
    problem: str = ""


RECOMPUTINGS: Kind[Recomputing] = Kind("derived_recomputing", Recomputing)


class Recomputings:
    """The notes of all tenants. A chore `sweep`s."""

    def __init__(
        self,
        given: tuple[Deriver, Surroundings, Scans],
        records: Records,
        clock: Clock,
        settings: DerivedSettings,
    ) -> None:
        self._deriver, self._around, self._history = given
        self._records = records
        self._clock = clock
        self._settings = settings
        self._put: Put | None = None
        self._running: dict[str, Again] = {}
        self._begun: dict[TenantId, str] = {}  # notes that say so; the next run goes on with them

    def publish_with(self, put: Put) -> None:
        """Write to the journal through `put`, which returns when it is on disk."""
        self._put = put

    async def list(
        self, tenant: TenantId, *, after: str = "", limit: int = 100
    ) -> Sequence[Recomputing]:
        """Return notes, newest first, behind `after` (an id)."""
        found = await self._records.read(
            lambda reader: reader.list(
                RECOMPUTINGS, tenant, after=after, limit=limit, descending=True
            )
        )
        return [self._now(record.value) for record in found]

    async def get(self, tenant: TenantId, recomputing_id: str) -> Recomputing:
        """Return a note with how far it is now, or raise `NotFound`."""

        def read(reader: Reader) -> Recomputing:
            found = reader.find(RECOMPUTINGS, tenant, recomputing_id)
            if found is None:
                raise NotFound(
                    f"There is no recomputing {recomputing_id!r}.",
                    remedy="See weft derived changes.",
                )
            return found.value

        return self._now(await self._records.read(read))

    def _now(self, held: Recomputing) -> Recomputing:
        running = self._running.get(held.recomputing_id)
        return held if running is None else replace(held, percent=running.percent)

    # --- working --------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Work out what came late since the last time.

        What the disk or history keeps from being worked out stays owed, and keeps no other
        tenant waiting; then the first `StorageError` or `Unavailable` is raised.
        """
        deriving = self._deriver.deriving
        failed: StorageError | Unavailable | None = None
        for tenant in sorted({tenant for tenant, _device in deriving.late}):
            late = deriving.begin_late(tenant)
            try:
                await self._recompute(tenant, late)
            except (StorageError, Unavailable) as error:
                deriving.end_late(tenant, again=True)
                failed = failed or error
            except BaseException:
                deriving.end_late(tenant, again=True)
                raise
            else:
                deriving.end_late(tenant)
        if failed is not None:
            raise failed

    async def _recompute(
        self, tenant: TenantId, late: dict[DeviceId, int], *, rolled_up: bool = True
    ) -> None:
        task = self._task(tenant, late, rolled_up=rolled_up)
        note = self._noted(task)
        try:
            outcome = await self._work_out(task, note)
        except TooLarge as error:
            await self._by_parts(task, late, error)
            return
        except PeerError as error:
            await self._fail(note, error.detail)
            return
        # First the note, then the values: a crash between them makes the rest of both again, and
        # a journal that fails has the same note written again.
        await self._end(note, RecomputingState.DONE, outcome)
        await self._write(tenant, outcome.changes)
        self._begun.pop(tenant, None)
        if outcome.changes:
            log.info("late_data_recomputed", tenant=tenant, changed=len(outcome.changes))

    def _task(self, tenant: TenantId, late: dict[DeviceId, int], *, rolled_up: bool) -> Task:
        now = self._clock.now()
        start = max(min(late.values()), now - round(self._settings.horizon_h * _HOUR_NS))
        return Task(
            tenant=tenant,
            devices=tuple(sorted(late)),
            start=start,
            end=now + 1,
            warm_up_ns=round(self._settings.warm_up_h * _HOUR_NS),
            samples_max=self._settings.samples_max,
            rolled_up=rolled_up,
        )

    def _noted(self, task: Task) -> Recomputing:
        """Return the note of a task that begins; that of the last one where it did not end."""
        return Recomputing(
            tenant=task.tenant,
            recomputing_id=self._begun.setdefault(task.tenant, new_id()),
            devices=task.devices,
            start=task.start,
            end=task.end,
            state=RecomputingState.RUNNING,
            started_at=self._clock.now(),
        )

    async def _work_out(self, task: Task, note: Recomputing) -> Outcome:
        again = Again(task, self._around, self._deriver.deriving.of(task.tenant), self._history)
        self._running[note.recomputing_id] = again
        try:
            await self._keep(note)
            return await again.run()
        finally:
            del self._running[note.recomputing_id]

    async def _by_parts(self, task: Task, late: dict[DeviceId, int], error: TooLarge) -> None:
        """Work out what is too much at once; a device that is too much itself fails alone.

        A roll-up that is too much itself fails once for all its members that came late; what
        is computed of each of them is worked out without it.
        """
        tenant, deriving = task.tenant, self._deriver.deriving
        members = deriving.members(tenant) if task.rolled_up else []
        parts = parts_of(late, members)
        if len(parts) > 1:
            for part in parts:
                some = {device_id: late[device_id] for device_id in part}
                await self._recompute(tenant, some, rolled_up=task.rolled_up)
                deriving.end_late_of(tenant, part)
            return
        problem = error.detail
        if any(device_id in some for device_id in late for _, some in members):
            problem = f"Roll-ups over these devices stay as they are: {problem}"
            if not all(one.is_rolled_up for one in deriving.of(tenant)):
                await self._recompute(tenant, late, rolled_up=False)
        await self._fail(self._noted(task), problem)

    async def _fail(self, note: Recomputing, problem: str) -> None:
        log.warning("late_data_not_recomputed", tenant=note.tenant, reason=problem)
        await self._end(note, RecomputingState.FAILED, problem=problem)
        self._begun.pop(note.tenant, None)

    async def _end(
        self,
        note: Recomputing,
        state: RecomputingState,
        outcome: Outcome | None = None,
        problem: str = "",
    ) -> None:
        found = outcome or Outcome(0, [], [])
        ended = replace(
            note,
            state=state,
            ended_at=self._clock.now(),
            percent=100.0 if outcome else note.percent,
            samples=found.samples,
            changed=len(found.changes),
            changes=tuple(found.changes[:SHOWN_MAX]),
            uncertain=tuple(found.uncertain[:SHOWN_MAX]),
            problem=problem,
        )
        await self._keep(ended)

    async def _keep(self, note: Recomputing) -> None:
        kept = self._settings.kept

        def work(writer: Writer) -> None:
            writer.put(RECOMPUTINGS, note.tenant, note.recomputing_id, note)
            found = writer.list(RECOMPUTINGS, note.tenant, limit=kept + 100, descending=True)
            for record in found[kept:]:
                writer.delete(RECOMPUTINGS, note.tenant, record.key)

        await self._records.write(work)

    async def _write(self, tenant: TenantId, changes: Sequence[Change]) -> None:
        """Write what differs to the journal, device by device."""
        by_device = sorted(changes, key=lambda one: (one.device_id, one.at))
        for device_id, some in groupby(by_device, key=lambda one: one.device_id):
            readings: list[Reading] = []
            for at, ones in groupby(some, key=lambda one: one.at):
                values: dict[str, Any] = {one.key: one.new for one in ones}
                readings.append(Reading(at, values))
            device = self._around.devices.find(tenant, device_id)
            if device is None or self._put is None:
                continue
            route = route_to(tenant, device_id, device, self._around)
            for first in range(0, len(readings), READINGS_MAX):
                part = readings[first : first + READINGS_MAX]
                envelope = Envelope(
                    route, self._clock.now(), payload_of(part), qos=1, session=RECOMPUTED
                )
                await self._put(envelope, part)
