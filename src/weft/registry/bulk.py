"""Bulk import: many devices from one file, as a job that says what became of each row.

A file is read as a whole before anything is made, and kept in pieces. Each piece is one
transaction: its devices, their report and the progress of the job are on disk together, so a
job that a crash or a stop interrupted says so, and goes on behind the last piece when it is
resumed; no row is done twice. Secrets that were asked for are sealed until the report has
been fetched, and are in it this once.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, field
from msgspec.structs import replace

from weft.errors import Conflict, Invalid, NotFound, PeerError, QuotaExceeded, StorageError
from weft.model.device import Device, Lifecycle
from weft.model.ids import TenantId, new_id
from weft.model.principal import Principal
from weft.observability.log import get_logger
from weft.ports import Clock, Kind, Record, Records, Writer
from weft.registry.devices import DevicePatch, Devices, NewDevice, patched
from weft.registry.kinds import DEVICES
from weft.registry.rows import FileFormat, Row, RowError, read_rows
from weft.registry.tenants import quotas_of
from weft.security.audit import Audit
from weft.security.credential_records import DeviceCredential
from weft.security.credentials import Credentials
from weft.security.secrets import Vault

log = get_logger(__name__)

PIECE_ROWS: Final = 200  # in one transaction, and in one turn of the loop
KEPT_MAX: Final = 50  # imports of a tenant; the oldest that has ended makes room
WAITING_MAX: Final = 8  # of a tenant, not ended
QUEUE_MAX: Final = 1_000


class OnConflict(StrEnum):
    """What becomes of a row whose device is there already."""

    SKIP = "skip"
    UPDATE = "update"
    FAIL = "fail"


class State(StrEnum):
    """Where an import stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    INTERRUPTED = "interrupted"


class Outcome(StrEnum):
    """What became of a row."""

    CREATED = "created"
    UPDATED = "updated"
    SKIPPED = "skipped"
    FAILED = "failed"


class ImportOrder(Struct, frozen=True):
    """How a file is to be imported."""

    format: FileFormat
    dry_run: Annotated[bool, Meta(description="Say what would be done, and do nothing.")] = False
    on_conflict: OnConflict = OnConflict.FAIL
    credentials: Annotated[bool, Meta(description="Give each new device a secret.")] = False


class RowResult(Struct, frozen=True):
    """One line of a report; `sealed` holds a secret until the report was fetched."""

    line: int
    device_id: str
    outcome: Outcome
    error: RowError | None = None
    sealed: str = ""


class Import(Struct, frozen=True):
    """A job, as it is kept."""

    tenant: TenantId
    import_id: str
    order: ImportOrder
    actor: Principal
    created_at: int
    rows: int
    state: State = State.QUEUED
    done: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    finished_at: int | None = None
    problem: str = ""
    secrets: bool = False  # that nobody has fetched yet


class Piece(Struct, frozen=True):
    """Rows of a job that are still to be done."""

    rows: tuple[Row, ...]


class Report(Struct, frozen=True):
    """What became of a piece's rows."""

    results: tuple[RowResult, ...]


IMPORTS: Final[Kind[Import]] = Kind("import", Import, index=lambda one: {"state": one.state.value})
PIECES: Final[Kind[Piece]] = Kind("import_piece", Piece)
REPORTS: Final[Kind[Report]] = Kind("import_report", Report)


class _Undone(Exception):
    """A dry run ends: nothing of it is kept but its results."""

    def __init__(self, results: Sequence[RowResult]) -> None:
        super().__init__()
        self.results = results


class _Work:
    """What one piece has done, told when it is on disk."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.changed: list[tuple[Device | None, Device]] = []
        self.credentials: list[DeviceCredential] = []


class Imports:
    """Takes files, works through them one after another, and keeps the reports."""

    def __init__(
        self,
        records: Records,
        clock: Clock,
        audit: Audit,
        devices: Devices,
        credentials: Credentials,
        vault: Vault,
    ) -> None:
        self._records = records
        self._clock = clock
        self._audit = audit
        self._devices = devices
        self._credentials = credentials
        self._vault = vault
        self._queue: asyncio.Queue[tuple[TenantId, str]] = asyncio.Queue(QUEUE_MAX)

    async def load(self) -> None:
        """Mark what was under way when Weft ended as interrupted; call once at start."""

        def work(writer: Writer) -> None:
            for tenant in writer.tenants(IMPORTS):
                for record in writer.list(IMPORTS, tenant, limit=KEPT_MAX + WAITING_MAX):
                    if record.value.state in (State.QUEUED, State.RUNNING):
                        problem = "Weft was stopped before it was through."
                        ended = replace(record.value, state=State.INTERRUPTED, problem=problem)
                        writer.put(IMPORTS, tenant, record.key, ended)

        await self._records.write(work)

    # --- asking ---

    async def start(self, actor: Principal, content: bytes, order: ImportOrder) -> Import:
        """Take a file and begin; raise `Invalid` for one that cannot be read at all."""
        rows = await asyncio.to_thread(read_rows, content, order.format)
        if order.credentials:
            await self._vault.add_tenant(actor.tenant)
        job = Import(actor.tenant, new_id(), order, actor, self._clock.now(), len(rows))

        def work(writer: Writer) -> None:
            _make_room(writer, job.tenant)
            writer.insert(IMPORTS, job.tenant, job.import_id, job)
            for start in range(0, len(rows), PIECE_ROWS):
                piece = Piece(tuple(rows[start : start + PIECE_ROWS]))
                writer.insert(PIECES, job.tenant, _key(job, start), piece)
            detail = {"rows": job.rows, "dry_run": order.dry_run, "credentials": order.credentials}
            target = f"import:{job.import_id}"
            self._audit.entry(writer, actor, "import.create", target, detail=detail)

        await self._records.write(work)
        await self._put(job)
        return job

    async def resume(self, actor: Principal, import_id: str) -> Import:
        """Go on with an import that was interrupted, behind what is done; or raise `Conflict`."""

        def work(writer: Writer) -> Import:
            record = _get(writer, actor.tenant, import_id)
            if record.value.state is not State.INTERRUPTED:
                raise Conflict(
                    f"The import is {record.value.state}.",
                    remedy="Only an interrupted one goes on.",
                )
            again = replace(record.value, state=State.QUEUED, problem="")
            writer.put(IMPORTS, actor.tenant, import_id, again, version=record.version)
            self._audit.entry(writer, actor, "import.resume", f"import:{import_id}")
            return again

        job = await self._records.write(work)
        await self._put(job)
        return job

    async def delete(self, actor: Principal, import_id: str) -> None:
        """Forget an import and its report; its devices stay. Raises `Conflict` while it runs."""

        def work(writer: Writer) -> None:
            job = _get(writer, actor.tenant, import_id).value
            if job.state in (State.QUEUED, State.RUNNING):
                raise Conflict("The import is under way.", remedy="Wait until it is through.")
            _forget(writer, job)
            self._audit.entry(writer, actor, "import.delete", f"import:{import_id}")

        await self._records.write(work)

    async def get(self, tenant: TenantId, import_id: str) -> Import:
        """Return an import, or raise `NotFound`."""
        return (await self._records.read(lambda reader: _get(reader, tenant, import_id))).value

    async def list(
        self, tenant: TenantId, *, after: str = "", limit: int = 100
    ) -> Sequence[Import]:
        """Return imports, newest first."""
        found = await self._records.read(
            lambda reader: reader.list(IMPORTS, tenant, after=after, limit=limit, descending=True)
        )
        return [record.value for record in found]

    async def report(self, job: Import) -> AsyncGenerator[Sequence[tuple[RowResult, str]], None]:
        """Yield results with their secrets, piece by piece; at the end the secrets are gone."""
        for start in range(0, job.done, PIECE_ROWS):
            key = _key(job, start)
            found = await self._records.read(
                lambda reader, key=key: reader.find(REPORTS, job.tenant, key)  # type: ignore[misc]  # mypy cannot type a lambda's default
            )
            if found is not None:
                yield [(one, self._unsealed(job, one)) for one in found.value.results]
        if job.secrets and job.state is State.DONE:
            await self._records.write(lambda writer: _drop_secrets(writer, job))

    def _unsealed(self, job: Import, result: RowResult) -> str:
        if not result.sealed:
            return ""
        place = f"{job.import_id}/{result.line}"
        return self._vault.unseal(job.tenant, IMPORTS.name, place, result.sealed).decode()

    # --- doing ---

    async def run(self) -> None:
        """Work through the queue until cancelled; a stop leaves the job to be resumed."""
        while True:
            tenant, import_id = await self._queue.get()
            try:
                await self._run_one(tenant, import_id)
            except StorageError as error:
                log.error("import_interrupted", import_id=import_id, error=error.detail)
                await self._interrupt(tenant, import_id, error.detail)
            except Exception:  # a bug of ours ends this import, not Weft
                log.exception("import_broke", import_id=import_id)
                await self._interrupt(tenant, import_id, "Weft could not go on; see its log.")

    async def _run_one(self, tenant: TenantId, import_id: str) -> None:
        try:
            job = await self.get(tenant, import_id)
        except NotFound:
            return  # deleted while it waited
        while job.done < job.rows:
            job = await self._piece(job)
            await asyncio.sleep(0)  # devices are served between two pieces

    async def _interrupt(self, tenant: TenantId, import_id: str, problem: str) -> None:
        def work(writer: Writer) -> None:
            record = writer.find(IMPORTS, tenant, import_id)
            if record is not None:
                ended = replace(record.value, state=State.INTERRUPTED, problem=problem)
                writer.put(IMPORTS, tenant, import_id, ended)

        try:
            await self._records.write(work)
        except StorageError as again:  # still no disk: the next start finds it unfinished
            log.error("import_not_marked", import_id=import_id, error=again.detail)

    async def _piece(self, job: Import) -> Import:
        """Do one piece, and tell of it."""
        made = _Work(0)
        if job.order.dry_run:
            results = await self._try(job, made)
            return await self._records.write(lambda writer: self._keep(writer, job, results))

        def work(writer: Writer) -> Import:
            return self._keep(writer, job, self._do(writer, job, made))

        after = await self._records.write(work)
        for old, new in made.changed:
            self._devices.told(old, new)
        for credential in made.credentials:
            self._credentials.learn(credential)
        return after

    async def _try(self, job: Import, made: _Work) -> Sequence[RowResult]:
        def work(writer: Writer) -> None:
            raise _Undone(self._do(writer, job, made))

        try:
            await self._records.write(work)
        except _Undone as undone:
            return undone.results
        return []

    def _do(self, writer: Writer, job: Import, made: _Work) -> Sequence[RowResult]:
        piece = writer.get(PIECES, job.tenant, _key(job, job.done)).value
        held = writer.count(DEVICES, job.tenant)
        planned = job.counts.get(Outcome.CREATED, 0) if job.order.dry_run else 0
        made.room = quotas_of(writer, job.tenant).devices - held - planned
        return [self._row(writer, job, row, made) for row in piece.rows]

    def _row(self, writer: Writer, job: Import, row: Row, made: _Work) -> RowResult:
        name = row.device_id
        if row.error is not None:
            return RowResult(row.line, name, Outcome.FAILED, row.error)
        try:
            held = writer.find(DEVICES, job.tenant, name)
            if held is not None:
                return self._held(writer, job, row, held, made)
            return self._new(writer, job, row, made)
        except PeerError as error:
            column = _column_of(row, error)
            problem = RowError(column, error.detail, error.remedy)
            return RowResult(row.line, name, Outcome.FAILED, problem)

    def _new(self, writer: Writer, job: Import, row: Row, made: _Work) -> RowResult:
        if made.room <= 0:
            raise QuotaExceeded(
                "The tenant may have no more devices.",
                remedy="Delete devices that are out of use, or raise the quota.",
            )
        values = {name: value for name, value in row.values.items() if value is not None}
        if "lifecycle" in values:
            values["lifecycle"] = _lifecycle(values["lifecycle"])
        device = self._devices.prepare(job.tenant, NewDevice(**values))
        kept = self._devices.insert_in(writer, job.actor, device)
        made.room -= 1
        made.changed.append((None, kept))
        sealed = ""
        if job.order.credentials:
            issued = self._credentials.prepare_secret(kept, label=f"import:{job.import_id}")
            self._credentials.add_in(writer, job.actor, issued.credential)
            made.credentials.append(issued.credential)
            if not job.order.dry_run:
                place = f"{job.import_id}/{row.line}"
                secret = issued.token.encode()
                sealed = self._vault.seal(job.tenant, IMPORTS.name, place, secret)
        return RowResult(row.line, row.device_id, Outcome.CREATED, sealed=sealed)

    def _held(
        self, writer: Writer, job: Import, row: Row, held: Record[Device], made: _Work
    ) -> RowResult:
        match job.order.on_conflict:
            case OnConflict.SKIP:
                return RowResult(row.line, row.device_id, Outcome.SKIPPED)
            case OnConflict.FAIL:
                raise Conflict(
                    f"There is a device {row.device_id!r} already.",
                    remedy="Skip or update those that are there: --on-conflict skip or update.",
                )
        old, values = held.value, dict(row.values)
        values.pop("device_id")
        wanted = values.pop("lifecycle", None)
        if wanted is not None and _lifecycle(wanted) is not old.lifecycle:
            raise Invalid(
                f"The lifecycle of a device that is {old.lifecycle} is not changed by an import.",
                remedy=f"Move it: weft device move {row.device_id} {wanted}",
            )
        patch = DevicePatch(**{name: values.get(name, UNSET) for name in values})
        new = patched(writer, old, patch)
        if new == old:
            return RowResult(row.line, row.device_id, Outcome.SKIPPED)
        new = self._devices.update_in(writer, job.actor, old, new, sorted(values))
        made.changed.append((old, new))
        return RowResult(row.line, row.device_id, Outcome.UPDATED)

    def _keep(self, writer: Writer, job: Import, results: Sequence[RowResult]) -> Import:
        """Write a piece's report and the job's progress; the piece itself goes."""
        key = _key(job, job.done)
        counts = dict(job.counts)
        for result in results:
            counts[result.outcome] = counts.get(result.outcome, 0) + 1
        done = job.done + len(results)
        through = done >= job.rows
        after = replace(
            job,
            done=done,
            counts=counts,
            state=State.DONE if through else State.RUNNING,
            finished_at=self._clock.now() if through else None,
            secrets=job.secrets or any(result.sealed for result in results),
        )
        writer.put(REPORTS, job.tenant, key, Report(tuple(results)))
        writer.delete(PIECES, job.tenant, key)
        writer.put(IMPORTS, job.tenant, job.import_id, after)
        return after

    async def _put(self, job: Import) -> None:
        try:
            self._queue.put_nowait((job.tenant, job.import_id))
        except asyncio.QueueFull as error:
            await self._interrupt(job.tenant, job.import_id, "Too many imports waited.")
            raise QuotaExceeded(
                "Too many imports wait.", remedy="Resume it when others are through."
            ) from error


def _make_room(writer: Writer, tenant: TenantId) -> None:
    """Forget the oldest imports that have ended; raise `QuotaExceeded` for one too many."""
    jobs = [record.value for record in writer.list(IMPORTS, tenant, limit=KEPT_MAX + WAITING_MAX)]
    open_ = [job for job in jobs if job.state in (State.QUEUED, State.RUNNING)]
    if len(open_) >= WAITING_MAX:
        raise QuotaExceeded(
            f"{len(open_)} imports are under way.", remedy="Wait until one of them is through."
        )
    ended = [job for job in jobs if job not in open_]
    for job in ended[: max(0, len(jobs) - KEPT_MAX + 1)]:
        _forget(writer, job)


def _forget(writer: Writer, job: Import) -> None:
    for start in range(0, job.rows, PIECE_ROWS):
        writer.delete(PIECES, job.tenant, _key(job, start))
        writer.delete(REPORTS, job.tenant, _key(job, start))
    writer.delete(IMPORTS, job.tenant, job.import_id)


def _drop_secrets(writer: Writer, job: Import) -> None:
    for start in range(0, job.rows, PIECE_ROWS):
        record = writer.find(REPORTS, job.tenant, _key(job, start))
        if record is not None:
            results = tuple(replace(result, sealed="") for result in record.value.results)
            writer.put(REPORTS, job.tenant, record.key, Report(results))
    held = writer.find(IMPORTS, job.tenant, job.import_id)
    if held is not None:
        writer.put(IMPORTS, job.tenant, held.key, replace(held.value, secrets=False))


def _get(reader: Any, tenant: TenantId, import_id: str) -> Record[Import]:
    found: Record[Import] | None = reader.find(IMPORTS, tenant, import_id)
    if found is None:
        raise NotFound(f"There is no import {import_id!r}.", remedy="See weft import list.")
    return found


def _key(job: Import, start: int) -> str:
    return f"{job.import_id}/{start // PIECE_ROWS:06d}"


def _lifecycle(text: str) -> Lifecycle:
    try:
        return Lifecycle(text)
    except ValueError as error:
        raise Invalid(
            f"{text!r} is no lifecycle.", remedy=f"Write one of {', '.join(Lifecycle)}."
        ) from error


_COLUMNS: Final[tuple[tuple[str, str], ...]] = (
    ("device type", "type_name"),
    ("label", "label"),
    ("attributes", "attributes"),
    (" tag", "tags"),
    ("lifecycle", "lifecycle"),
    ("cannot begin", "lifecycle"),
)


def _column_of(row: Row, error: PeerError) -> str:
    """Return the column that an error is about, where its row has it."""
    for words, column in _COLUMNS:
        if words in error.detail and column in row.values:
            return column
    return "device_id"


__all__ = ["Import", "ImportOrder", "Imports", "OnConflict", "Outcome", "RowResult", "State"]
