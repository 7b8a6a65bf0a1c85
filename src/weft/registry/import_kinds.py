"""Imports as they are kept: the job, its pieces that are to be done, and the report of each.

A tenant keeps so many imports and lets so many wait; the oldest that has ended makes room.
"""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from weft.errors import NotFound, QuotaExceeded
from weft.model.ids import TenantId
from weft.model.principal import Principal
from weft.ports import Kind, Reader, Record, Writer
from weft.registry.rows import FileFormat, Row, RowError

PIECE_ROWS: Final = 200  # in one transaction, and in one turn of the loop
KEPT_MAX: Final = 50  # imports of a tenant; the oldest that has ended makes room
WAITING_MAX: Final = 8  # of a tenant, not ended
QUEUE_MAX: Final = 1_000  # of all tenants


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


class GivenKind(StrEnum):
    """Which credential each new device is given."""

    SECRET = "secret"  # noqa: S105  the kind, not a secret
    PSK = "psk"


class ImportOrder(Struct, frozen=True):
    """How a file is to be imported."""

    format: FileFormat
    dry_run: Annotated[bool, Meta(description="Say what would be done, and do nothing.")] = False
    on_conflict: OnConflict = OnConflict.FAIL
    credentials: Annotated[bool, Meta(description="Give each new device one.")] = False
    kind: GivenKind = GivenKind.SECRET


class RowResult(Struct, frozen=True):
    """One line of a report; `sealed` holds a secret or a key until the report was fetched."""

    line: int
    device_id: str
    outcome: Outcome
    error: RowError | None = None
    sealed: str = ""
    identity: str = ""  # that goes with the device's pre-shared key, given out or brought in


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
    keys: bool = False  # devices are given pre-shared keys, or bring them along


class Piece(Struct, frozen=True):
    """Rows of a job that are still to be done."""

    rows: tuple[Row, ...]


class Report(Struct, frozen=True):
    """What became of a piece's rows."""

    results: tuple[RowResult, ...]


IMPORTS: Final[Kind[Import]] = Kind("import", Import, index=lambda one: {"state": one.state.value})
PIECES: Final[Kind[Piece]] = Kind("import_piece", Piece)
REPORTS: Final[Kind[Report]] = Kind("import_report", Report)


def make_room(writer: Writer, tenant: TenantId) -> None:
    """Forget the oldest imports that have ended; raise `QuotaExceeded` for one too many."""
    jobs = [record.value for record in writer.list(IMPORTS, tenant, limit=KEPT_MAX + WAITING_MAX)]
    open_ = [job for job in jobs if job.state in (State.QUEUED, State.RUNNING)]
    if len(open_) >= WAITING_MAX:
        raise QuotaExceeded(
            f"{len(open_)} imports are under way.", remedy="Wait until one of them is through."
        )
    ended = [job for job in jobs if job not in open_]
    for job in ended[: max(0, len(jobs) - KEPT_MAX + 1)]:
        forget(writer, job)


def forget(writer: Writer, job: Import) -> None:
    """Remove an import with its pieces and its report."""
    for start in range(0, job.rows, PIECE_ROWS):
        writer.delete(PIECES, job.tenant, piece_key(job, start))
        writer.delete(REPORTS, job.tenant, piece_key(job, start))
    writer.delete(IMPORTS, job.tenant, job.import_id)


def drop_secrets(writer: Writer, job: Import) -> None:
    """Remove what is sealed in a report: it has been fetched."""
    for start in range(0, job.rows, PIECE_ROWS):
        record = writer.find(REPORTS, job.tenant, piece_key(job, start))
        if record is not None:
            results = tuple(replace(result, sealed="") for result in record.value.results)
            writer.put(REPORTS, job.tenant, record.key, Report(results))
    held = writer.find(IMPORTS, job.tenant, job.import_id)
    if held is not None:
        writer.put(IMPORTS, job.tenant, held.key, replace(held.value, secrets=False))


def get_import(reader: Reader, tenant: TenantId, import_id: str) -> Record[Import]:
    """Return an import, or raise `NotFound`."""
    found = reader.find(IMPORTS, tenant, import_id)
    if found is None:
        raise NotFound(f"There is no import {import_id!r}.", remedy="See weft import list.")
    return found


def piece_key(job: Import, start: int) -> str:
    """Return the key of the piece, and of its report, that begins at a row."""
    return f"{job.import_id}/{start // PIECE_ROWS:06d}"
