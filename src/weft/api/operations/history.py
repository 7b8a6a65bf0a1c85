"""Operations on history: telemetry over time, raw or in buckets, as JSON, CSV or Arrow."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from weft.api.cursors import make_cursor, read_cursor
from weft.api.operation import JSON, Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.tables import HistoryRow, arrow_of, csv_of, rows_of
from weft.api.views import Cursor, Page
from weft.errors import Invalid, NotFound
from weft.history.export import ARROW
from weft.model.device import Device
from weft.model.ids import DeviceId
from weft.model.moments import NS_PER_S, from_rfc3339
from weft.ports import HistoryQuery, HistoryTable
from weft.rules.durations import read_duration

CSV = "text/csv"
DAY_NS = 86_400 * NS_PER_S
DEVICES_MAX = 100
ROWS_MAX = 10_000

Place = tuple[int, str, str]


class Format(StrEnum):
    """How the answer is written, where Accept cannot be set."""

    JSON = "json"
    CSV = "csv"
    ARROW = "arrow"


MEDIA_TYPES = {Format.JSON: JSON, Format.CSV: CSV, Format.ARROW: ARROW}


class SpanQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """What to read of a device's history. `start` is in, `end` is out."""

    keys: Annotated[tuple[str, ...], Meta(max_length=100, description="All if left out.")] = ()
    start: Annotated[str, Meta(description="RFC 3339; a day before end if left out.")] | None = None
    end: Annotated[str, Meta(description="RFC 3339; now if left out.")] | None = None
    bucket: Annotated[str, Meta(description="As 1m; raw samples if left out.")] | None = None
    aggregates: Annotated[
        tuple[str, ...],
        Meta(max_length=16, description="mean, min, max, sum, count, first, last, rate, p50, ..."),
    ] = ("mean",)
    max_points: (
        Annotated[int, Meta(ge=3, le=ROWS_MAX, description="The same picture in fewer points.")]
        | None
    ) = None
    descending: bool = False
    limit: Annotated[int, Meta(ge=1, le=ROWS_MAX)] = 1000
    cursor: Cursor | None = None
    format: Annotated[Format, Meta(description="Instead of Accept.")] | None = None


class HistoryAsk(SpanQuery, frozen=True, kw_only=True):
    """What to read of the history of several devices."""

    devices: Annotated[tuple[str, ...], Meta(min_length=1, max_length=DEVICES_MAX)]


class HistoryKeys(Struct, frozen=True):
    """The keys that a device has samples of."""

    keys: list[str]
    derived: Annotated[
        dict[str, str], Meta(description="Keys that Weft computes, and by which derivation.")
    ] = {}


async def get_device_history(services: Services, call: Call) -> Reply:
    """Answer from one device's history."""
    return await _answer(services, call, (call.path["device_id"],))


async def get_history(services: Services, call: Call) -> Reply:
    """Answer from the history of several devices."""
    query: HistoryAsk = call.query
    return await _answer(services, call, query.devices)


async def list_history_keys(services: Services, call: Call) -> HistoryKeys:
    """Answer with the keys of a device."""
    tenant = call.principal.tenant
    device = services.devices.get(tenant, call.path["device_id"])
    keys = sorted(await services.history.keys(tenant, device.device_id))
    given = derived_keys(services, device)
    return HistoryKeys(keys, {key: given[key] for key in keys if key in given})


def derived_keys(services: Services, device: Device) -> dict[str, str]:
    """Return the keys that are computed of a device, each with the name of its derivation."""
    found = services.derived.derivations.of_device(device)
    return {one.key: one.name for one in found}


async def _answer(services: Services, call: Call, names: tuple[str, ...]) -> Reply:
    tenant = call.principal.tenant
    devices = tuple(services.devices.get(tenant, name).device_id for name in names)
    query = await _query(services, call, devices)
    table = await services.history.query(query) if query.keys else HistoryTable(_nothing(query))
    following = None if table.next is None else make_cursor(tenant, "history", table.next)
    media_type = MEDIA_TYPES[call.query.format] if call.query.format else call.accept
    if media_type == JSON:
        return Reply(Page(await asyncio.to_thread(rows_of, table), following))
    write = csv_of if media_type == CSV else arrow_of
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if following is not None:
        headers = ((b"link", f'<?cursor={following}>; rel="next"'.encode()),)
    return Reply(content=await write(table), media_type=media_type, headers=headers)


async def _query(services: Services, call: Call, devices: tuple[DeviceId, ...]) -> HistoryQuery:
    asked: SpanQuery = call.query
    tenant = call.principal.tenant
    end = services.clock.now() + 1 if asked.end is None else from_rfc3339(asked.end)
    start = end - DAY_NS if asked.start is None else from_rfc3339(asked.start)
    if start >= end:
        raise Invalid("The time asked for is empty.", remedy="Let start be before end.")
    keys = asked.keys
    if not keys:
        found = [await services.history.keys(tenant, device) for device in devices]
        keys = tuple(sorted({key for held in found for key in held}))
    return HistoryQuery(
        tenant=tenant,
        devices=devices,
        keys=keys,
        start=start,
        end=end,
        bucket_ns=None if asked.bucket is None else _bucket(asked.bucket, end - start),
        aggregates=asked.aggregates,
        descending=asked.descending,
        limit=asked.limit,
        max_points=asked.max_points,
        after=None if asked.cursor is None else read_cursor(tenant, "history", asked.cursor, Place),
    )


def _bucket(text: str, span_ns: int) -> int:
    bucket = read_duration(text)
    if bucket <= 0 or span_ns // bucket > 1_000_000:
        raise Invalid(
            "There would be more than a million buckets.", remedy="Ask for longer buckets."
        )
    return bucket


def _nothing(query: HistoryQuery) -> dict[str, Sequence[Any]]:
    names = ("value",) if query.bucket_ns is None else query.aggregates
    return {name: [] for name in ("device", "key", "at", *names)}


_TARGET = "device:{device_id}"
_PRODUCES = (JSON, CSV, ARROW)
_COLUMNS = ("at", "device", "key", "value", "aggregates")

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_device_history",
        "GET",
        "/devices/{device_id}/history",
        "Read a device's telemetry over time",
        get_device_history,
        action="history.read",
        target=_TARGET,
        tag="history",
        query=SpanQuery,
        result=Page[HistoryRow],
        produces=_PRODUCES,
        errors=(NotFound,),
        command=Command("history", "show", columns=_COLUMNS),
    ),
    Operation(
        "list_history_keys",
        "GET",
        "/devices/{device_id}/history/keys",
        "List the keys that a device has samples of",
        list_history_keys,
        action="history.read",
        target=_TARGET,
        tag="history",
        result=HistoryKeys,
        errors=(NotFound,),
        command=Command("history", "keys"),
    ),
    Operation(
        "get_history",
        "GET",
        "/history",
        "Read the telemetry of several devices over time",
        get_history,
        action="history.read",
        query=HistoryAsk,
        result=Page[HistoryRow],
        produces=_PRODUCES,
        errors=(NotFound,),
        command=Command("history", "read", columns=_COLUMNS),
    ),
)
