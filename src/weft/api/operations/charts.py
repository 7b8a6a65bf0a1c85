"""Operations for charts: history drawn in so many pixels, earlier periods over it, as files."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from weft.api.operation import Call, Command, Operation, Reply
from weft.api.operations.history import DAY_NS, DEVICES_MAX
from weft.api.pictures import Asked, Line, picture_of
from weft.api.services import Services
from weft.api.views import Moment, moment
from weft.errors import Invalid, NotFound, TooLarge
from weft.history.aggregates import require_sound, unit_of
from weft.history.export import PARQUET, pages, to_csv, to_parquet
from weft.model.ids import DeviceId, TenantId
from weft.model.moments import from_rfc3339
from weft.ports import HistoryQuery
from weft.rules.durations import read_duration

KEYS_MAX: Final = 50
LINES_MAX: Final = 100  # devices times keys times periods
VALUES_MAX: Final = 500_000  # numbers in one answer: 5 MB
PERIODS_MAX: Final = 4
BUCKETS_MAX: Final = 1_000_000
LINES_AT_ONCE: Final = 500
EXPORT_PAGE: Final = 20_000  # rows in memory at a time: 10 MB
CSV: Final = "text/csv"
_Name = Annotated[str, Meta(max_length=256)]
_Keys = Annotated[tuple[_Name, ...], Meta(max_length=KEYS_MAX, description="All if left out.")]
_Devices = Annotated[tuple[_Name, ...], Meta(min_length=1, max_length=DEVICES_MAX)]


class _Span(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which part of history. `start` is in, `end` is out."""

    devices: _Devices
    keys: _Keys = ()
    start: Annotated[str, Meta(description="RFC 3339; a day before end if left out.")] | None = None
    end: Annotated[str, Meta(description="RFC 3339; now if left out.")] | None = None
    bucket: Annotated[str, Meta(description="As 1m.")] | None = None


class ChartQuery(_Span, frozen=True, kw_only=True):
    """What to draw."""

    pixels: Annotated[int, Meta(ge=1, le=4000, description="How wide, without a bucket.")] = 600
    aggregates: Annotated[
        tuple[str, ...],
        Meta(min_length=1, max_length=16, description="min, max, mean, sum, count, rate, p95, ..."),
    ] = ("min", "max", "mean")
    compare: Annotated[
        tuple[str, ...],
        Meta(max_length=PERIODS_MAX, description="The same time so much earlier, as 7d."),
    ] = ()


class HistoryFileFormat(StrEnum):
    """What is written."""

    CSV = "csv"
    PARQUET = "parquet"


class HistoryExportQuery(_Span, frozen=True, kw_only=True):
    """What to export: raw samples, or buckets."""

    aggregates: Annotated[
        tuple[str, ...], Meta(min_length=1, max_length=16, description="Of buckets, as mean.")
    ] = ("mean",)
    format: HistoryFileFormat = HistoryFileFormat.CSV


class ChartLine(Struct, frozen=True):
    """One key of one device over the time asked for, or over the same time earlier."""

    device: str
    key: str
    unit: str  # of the key's values
    units: dict[str, str]  # of each aggregate: a count has none, a rate is by the second
    compare: str  # how much earlier; empty for the time asked for
    at_ms: list[int]  # where each bucket begins; of what is compared, where it would
    values: dict[str, list[float | str | bool | None]]


class LinesView(Struct, frozen=True):
    """A chart as columns."""

    start: Moment
    end: Moment
    bucket_ms: float
    lines: list[ChartLine]


def _devices(services: Services, tenant: TenantId, names: tuple[str, ...]) -> tuple[DeviceId, ...]:
    found = (services.devices.get(tenant, name).device_id for name in names)
    return tuple(dict.fromkeys(found))


async def _keys(
    services: Services, tenant: TenantId, devices: tuple[DeviceId, ...]
) -> tuple[str, ...]:
    held = [await services.history.keys(tenant, device) for device in devices]
    return tuple(sorted({key for keys in held for key in keys}))


def _time(services: Services, asked: _Span) -> tuple[int, int]:
    end = services.clock.now() + 1 if asked.end is None else from_rfc3339(asked.end)
    start = end - DAY_NS if asked.start is None else from_rfc3339(asked.start)
    if start >= end:
        raise Invalid("The time asked for is empty.", remedy="Let start be before end.")
    return start, end


def _bucket(text: str | None) -> int | None:
    if text is None:
        return None
    bucket = read_duration(text)
    if bucket <= 0:
        raise Invalid(f"A bucket of {text!r} holds nothing.", remedy="Ask for more than 0s.")
    return bucket


async def get_chart(services: Services, call: Call) -> LinesView:
    """Answer with the lines of a chart."""
    query: ChartQuery = call.query
    tenant = call.principal.tenant
    devices = _devices(services, tenant, query.devices)
    keys = query.keys or (await _keys(services, tenant, devices))
    start, end = _time(services, query)
    asked = Asked(
        tenant,
        devices,
        tuple(dict.fromkeys(keys)),
        start,
        end,
        pixels=query.pixels,
        bucket_ns=_bucket(query.bucket),
        aggregates=tuple(dict.fromkeys(query.aggregates)),
    )
    periods = {"": 0} | {text: read_duration(text) for text in query.compare}
    _require_room(asked, len(periods))
    lines: list[ChartLine] = []
    for text, before_ns in periods.items():
        if before_ns < 0 or (text and not before_ns):
            raise Invalid(f"{text!r} is no earlier time.", remedy="Ask for more than 0s, as 7d.")
        if keys:
            found = await picture_of(services.history, replace(asked, before_ns=before_ns))
            lines += [_view(services, tenant, one, text) for one in found]
    return LinesView(moment(start) or "", moment(end) or "", asked.width_ns / 1e6, lines)


def _require_room(asked: Asked, periods: int) -> None:
    lines = len(asked.devices) * len(asked.keys) * periods
    values = lines * asked.buckets * len(asked.aggregates)
    if lines > LINES_MAX or values > VALUES_MAX:
        raise TooLarge(
            f"The chart would have {lines} lines and up to {values} values.",
            remedy=f"Ask for fewer keys, pixels or periods: {LINES_MAX} lines and {VALUES_MAX} "
            "values fit.",
        )


def _view(services: Services, tenant: TenantId, line: Line, compare: str) -> ChartLine:
    device = services.devices.find(tenant, line.device)
    kind = services.types.followed_by(device) if device else None
    field = kind.telemetry.get(line.key) if kind else None
    unit = field.unit if field else ""
    if device and not field:
        given = services.derived.derivations.of_device(device)
        unit = next((one.document.unit for one in given if one.key == line.key), "")
    units = {name: unit_of(name, unit) for name in line.values}
    return ChartLine(line.device, line.key, unit, units, compare, line.at_ms, line.values)


async def export_history(services: Services, call: Call) -> Reply:
    """Answer with a file, written as it is read."""
    query: HistoryExportQuery = call.query
    tenant = call.principal.tenant
    devices = _devices(services, tenant, query.devices)
    keys = query.keys or (await _keys(services, tenant, devices))
    start, end = _time(services, query)
    bucket_ns = _bucket(query.bucket)
    if bucket_ns is not None and (end - start) // bucket_ns > BUCKETS_MAX:
        raise Invalid(
            f"There would be more than {BUCKETS_MAX} buckets.", remedy="Ask for longer buckets."
        )
    asked = HistoryQuery(
        tenant=tenant,
        devices=devices,
        keys=keys,
        start=start,
        end=end,
        bucket_ns=bucket_ns,
        aggregates=tuple(dict.fromkeys(query.aggregates)),
        limit=EXPORT_PAGE,
    )
    require_sound(asked)
    written = (
        to_parquet(pages(services.history.query, asked))
        if query.format is HistoryFileFormat.PARQUET
        else _encoded(to_csv(pages(services.history.query, asked)))
    )
    name = f'attachment; filename="history.{query.format.value}"'.encode()
    return Reply(
        stream=written,
        media_type=PARQUET if query.format is HistoryFileFormat.PARQUET else CSV,
        headers=((b"content-disposition", name),),
    )


async def _encoded(lines: AsyncGenerator[str, None]) -> AsyncGenerator[bytes, None]:
    """Gather lines into pieces that are worth sending."""
    held: list[str] = []
    async with aclosing(lines):
        async for line in lines:
            held.append(line)
            if len(held) >= LINES_AT_ONCE:
                yield "".join(held).encode()
                held.clear()
                await asyncio.sleep(0)
    yield "".join(held).encode()


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_chart",
        "GET",
        "/chart",
        "Draw history in so many pixels, over the same time earlier where asked",
        get_chart,
        action="history.read",
        description=(
            "As columns: where each bucket begins, and an aggregate of what lies in it. With the "
            "lowest and the highest of each pixel no peak is lost, however many samples there are."
        ),
        tag="history",
        query=ChartQuery,
        result=LinesView,
        errors=(Invalid, NotFound, TooLarge),
        command=Command("history", "chart"),
    ),
    Operation(
        "export_history",
        "GET",
        "/history/export",
        "Export history as a file of any length",
        export_history,
        action="history.read",
        description=(
            "CSV or Parquet, written while it is read. A text that a spreadsheet would run as a "
            "formula gets a quote in front of it in CSV."
        ),
        tag="history",
        query=HistoryExportQuery,
        result=str,
        produces=(CSV, PARQUET),
        errors=(Invalid, NotFound),
    ),
)
