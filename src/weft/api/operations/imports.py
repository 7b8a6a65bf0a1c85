"""Operations on devices in numbers: import as a job with a report, export as a stream."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded, TooLarge
from weft.model.device import Device, Lifecycle
from weft.registry.bulk import Import, ImportOrder, OnConflict, RowResult, State
from weft.registry.import_kinds import GivenKind
from weft.registry.rows import FileFormat, write_csv, write_rows

CSV = "text/csv"
NDJSON = "application/x-ndjson"
BODY_MAX_BYTES = 16 * 1024 * 1024  # 100,000 rows of 160 bytes
_PAGE = 500
_FORMATS = {CSV: FileFormat.CSV, NDJSON: FileFormat.NDJSON}
_TYPES = {FileFormat.CSV: CSV, FileFormat.NDJSON: NDJSON}
_KEYS = ("psk_identity", "psk_key")
_REPORT = ("line", "device_id", "outcome", "column", "detail", "remedy", "token")


class ImportQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """How a file is to be imported."""

    dry_run: Annotated[bool, Meta(description="Say what would be done, and do nothing.")] = False
    on_conflict: Annotated[OnConflict, Meta(description="With a device that is there already.")] = (
        OnConflict.FAIL
    )
    credentials: Annotated[
        bool, Meta(description="Give each new device one; the report has it, once.")
    ] = False
    kind: Annotated[GivenKind, Meta(description="Of these credentials.")] = GivenKind.SECRET


class FormatQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """How an answer is written."""

    format: Annotated[FileFormat, Meta(description="Instead of Accept.")] | None = None


class ExportQuery(FormatQuery, frozen=True, forbid_unknown_fields=True):
    """Which devices to export, and how."""

    type: Annotated[str, Meta(description="Of this type; empty for those without.")] | None = None
    lifecycle: Lifecycle | None = None


class ImportView(Struct, frozen=True):
    """An import, and how far it is."""

    import_id: str
    state: State
    format: FileFormat
    dry_run: bool
    on_conflict: OnConflict
    credentials: bool
    kind: GivenKind
    rows: int
    done: int
    created: int
    updated: int
    skipped: int
    failed: int
    created_at: Moment
    created_by: str
    finished_at: Moment | None
    problem: str
    secrets: bool  # in the report, until it has been fetched
    place: int | None = None  # how many of the tenant's imports go before one that is queued


class ReportRow(Struct, frozen=True, omit_defaults=True):
    """What became of one row."""

    line: int
    device_id: str
    outcome: str
    column: str = ""
    detail: str = ""
    remedy: str = ""
    token: str = ""
    psk_identity: str = ""
    psk_key: str = ""


def view_of(services: Services, job: Import) -> ImportView:
    """Show an import, and where it waits."""
    counts = {name: job.counts.get(name, 0) for name in ("created", "updated", "skipped", "failed")}
    return ImportView(
        import_id=job.import_id,
        state=job.state,
        format=job.order.format,
        dry_run=job.order.dry_run,
        on_conflict=job.order.on_conflict,
        credentials=job.order.credentials,
        kind=job.order.kind,
        rows=job.rows,
        done=job.done,
        **counts,
        created_at=moment(job.created_at) or "",
        created_by=str(job.actor),
        finished_at=moment(job.finished_at),
        problem=job.problem,
        secrets=job.secrets,
        place=services.imports.place_of(job),
    )


async def import_devices(services: Services, call: Call) -> ImportView:
    """Take a file and begin with it."""
    query: ImportQuery = call.query
    order = ImportOrder(
        format=_FORMATS[call.content_type],
        dry_run=query.dry_run,
        on_conflict=query.on_conflict,
        credentials=query.credentials,
        kind=query.kind,
    )
    return view_of(services, await services.imports.start(call.principal, call.body, order))


async def list_imports(services: Services, call: Call) -> Page[ImportView]:
    """Answer with a page of imports, newest first."""
    found = await services.imports.list(
        call.principal.tenant, after=after_of(call, "imports"), limit=call.query.limit + 1
    )
    return page_of(
        call, "imports", found, lambda job: view_of(services, job), lambda job: job.import_id
    )


async def get_import(services: Services, call: Call) -> ImportView:
    """Answer how far an import is."""
    return view_of(
        services, await services.imports.get(call.principal.tenant, call.path["import_id"])
    )


async def resume_import(services: Services, call: Call) -> ImportView:
    """Go on with an import that was interrupted."""
    return view_of(services, await services.imports.resume(call.principal, call.path["import_id"]))


async def delete_import(services: Services, call: Call) -> None:
    """Forget an import."""
    await services.imports.delete(call.principal, call.path["import_id"])


async def get_import_report(services: Services, call: Call) -> Reply:
    """Stream what became of each row."""
    job = await services.imports.get(call.principal.tenant, call.path["import_id"])
    format_ = _format_of(call)
    return Reply(stream=_report(services, job, format_), media_type=_TYPES[format_])


async def export_devices(services: Services, call: Call) -> Reply:
    """Stream devices as an import takes them."""
    format_ = _format_of(call)
    return Reply(stream=_export(services, call, format_), media_type=_TYPES[format_])


def _format_of(call: Call) -> FileFormat:
    return call.query.format or _FORMATS.get(call.accept, FileFormat.CSV)


async def _report(
    services: Services, job: Import, format_: FileFormat
) -> AsyncGenerator[bytes, None]:
    columns = (*_REPORT, *_KEYS) if job.keys else _REPORT
    if format_ is FileFormat.CSV:
        yield write_csv([columns])
    async for results in services.imports.report(job):
        rows = [_row_of(job, result, secret) for result, secret in results]
        if format_ is FileFormat.CSV:
            yield write_csv([[str(getattr(row, name)) for name in columns] for row in rows])
        else:
            yield b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def _row_of(job: Import, result: RowResult, secret: str) -> ReportRow:
    error: Any = result.error
    told = {} if error is None else msgspec.structs.asdict(error)
    is_key = job.order.kind is GivenKind.PSK
    return ReportRow(
        result.line,
        result.device_id,
        result.outcome,
        token="" if is_key else secret,
        psk_identity=result.identity,
        psk_key=secret if is_key else "",
        **told,
    )


async def _export(
    services: Services, call: Call, format_: FileFormat
) -> AsyncGenerator[bytes, None]:
    query: ExportQuery = call.query
    after, head = "", True

    def gateway_of(device: Device) -> str | None:
        held = services.devices.find_uid(device.gateway)
        return held.device_id if held else None

    while True:
        page = await services.devices.list_part(
            call.principal.tenant,
            type_name=query.type,
            lifecycle=query.lifecycle,
            after=after,
            limit=_PAGE,
        )
        yield write_rows(page.items, format_, gateway_of, head=head)
        if page.after is None:
            return
        after, head = page.after, False


_ONE = "/imports/{import_id}"
_TARGET = "import:{import_id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "import_devices",
        "POST",
        "/devices/import",
        "Import devices from a file",
        import_devices,
        action="import.create",
        description="CSV whose first line names the columns (device_id, type_name, label, "
        "lifecycle, attributes, attributes.NAME, tags, gateway, alias; psk for a key that the "
        "factory has put into the device, in hexadecimal digits, and psk_identity), or one JSON "
        "object a line. Keys that are brought in are shown nowhere. The answer is the "
        "job; its report says what became of each row.",
        tag="imports",
        query=ImportQuery,
        body=bytes,
        body_schema=str,
        body_max_bytes=BODY_MAX_BYTES,
        accepts=(CSV, NDJSON),
        result=ImportView,
        status=202,
        errors=(Invalid, QuotaExceeded, TooLarge),
    ),
    Operation(
        "export_devices",
        "GET",
        "/devices/export",
        "Export devices to a file",
        export_devices,
        action="device.read",
        description="As an import takes them.",
        tag="imports",
        query=ExportQuery,
        result=str,
        produces=(CSV, NDJSON),
        command=Command("device", "export"),
    ),
    Operation(
        "list_imports",
        "GET",
        "/imports",
        "List imports, newest first",
        list_imports,
        action="import.read",
        query=Paging,
        result=Page[ImportView],
        command=Command(
            "import",
            "list",
            columns=("import_id", "state", "done", "rows", "created", "failed", "created_at"),
        ),
    ),
    Operation(
        "get_import",
        "GET",
        _ONE,
        "Show how far an import is",
        get_import,
        action="import.read",
        target=_TARGET,
        result=ImportView,
        errors=(NotFound,),
        command=Command("import", "show"),
    ),
    Operation(
        "get_import_report",
        "GET",
        _ONE + "/report",
        "Read what became of each row",
        get_import_report,
        action="import.report",
        target=_TARGET,
        description="Secrets that were asked for are in it until it has been read to its end "
        "once the import is through.",
        query=FormatQuery,
        result=str,
        produces=(CSV, NDJSON),
        errors=(NotFound,),
        command=Command("import", "report"),
    ),
    Operation(
        "resume_import",
        "POST",
        _ONE + "/resume",
        "Go on with an import that was interrupted",
        resume_import,
        action="import.create",
        target=_TARGET,
        result=ImportView,
        errors=(NotFound, Conflict, QuotaExceeded),
        command=Command("import", "resume"),
    ),
    Operation(
        "delete_import",
        "DELETE",
        _ONE,
        "Delete an import and its report",
        delete_import,
        action="import.create",
        target=_TARGET,
        description="Its devices stay.",
        errors=(NotFound, Conflict),
        command=Command("import", "delete", confirm="Delete the import {import_id}?"),
    ),
)
