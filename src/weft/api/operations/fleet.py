"""Operations on the fleet as a map: where devices are, live, and where one has been."""

import asyncio
from typing import Annotated, Final

import numpy as np
from msgspec import Meta, Struct

from weft.api.cursors import make_cursor
from weft.api.fleet_watch import FleetQuery, MarkView, frames, mark_view, open_watch
from weft.api.operation import Call, Command, Operation, Reply
from weft.api.operations.history import DAY_NS
from weft.api.operations.live import EVENT_STREAM
from weft.api.services import Services
from weft.api.views import Cursor, Limit, Moment, Page, after_of, moment
from weft.errors import Invalid, NotFound, QuotaExceeded, TooLarge, Unavailable
from weft.history.trails import trail_of
from weft.model.device import Lifecycle
from weft.model.moments import from_rfc3339
from weft.ports import HistoryScan
from weft.twins.plane import ZOOM_MAX, Place, View

TRAIL_SAMPLES_MAX: Final = 1_000_000  # of both keys together: 20 MB, half a second
_Longitude = Annotated[float, Meta(ge=-180, le=180)]
_Latitude = Annotated[float, Meta(ge=-90, le=90)]


class _Box(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of the map, in degrees; a `west` beyond `east` crosses the date line."""

    west: Annotated[_Longitude, Meta(description="Degrees.")] = -180.0
    south: Annotated[_Latitude, Meta(description="Degrees.")] = -90.0
    east: Annotated[_Longitude, Meta(description="Below west: across the date line.")] = 180.0
    north: Annotated[_Latitude, Meta(description="Degrees.")] = 90.0
    type: Annotated[str, Meta(max_length=128, description="Devices of this type.")] | None = None


class MapQuery(_Box, frozen=True, kw_only=True):
    """What the map shows."""

    zoom: Annotated[float, Meta(ge=0, le=ZOOM_MAX, description="As MapLibre counts it.")] = 0.0
    limit: Annotated[int, Meta(ge=1, le=5000, description="How many marks at most.")] = 1000


class WatchQuery(MapQuery, frozen=True, kw_only=True):
    """What the map shows, and how often it may change."""

    every_s: Annotated[float, Meta(ge=0.5, le=60, description="Seconds between frames.")] = 1.0


class PlacesQuery(_Box, frozen=True, kw_only=True):
    """Which devices to list."""

    limit: Limit = 100
    cursor: Cursor | None = None


class TrailQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of a device's way. `start` is in, `end` is out."""

    start: Annotated[str, Meta(description="RFC 3339; a day before end if left out.")] | None = None
    end: Annotated[str, Meta(description="RFC 3339; now if left out.")] | None = None
    points: Annotated[int, Meta(ge=2, le=10_000, description="The same way in fewer.")] = 1000
    latitude: Annotated[str, Meta(max_length=256, description="The key it is measured by.")] = (
        "latitude"
    )
    longitude: Annotated[str, Meta(max_length=256, description="As well.")] = "longitude"


class MarksView(Struct, frozen=True):
    """Devices of a view, near ones drawn together."""

    marks: list[MarkView]
    zoom: float  # lower than asked for where there were too many marks
    devices: int


class PlaceView(Struct, frozen=True):
    """A device and where it is."""

    device_id: str
    label: str
    type: str | None
    lifecycle: Lifecycle
    connected: bool
    latitude: float
    longitude: float
    at: Moment | None  # when it was measured; none where somebody entered it


class TrailView(Struct, frozen=True):
    """A device's way: parallel columns in the order of time."""

    device_id: str
    samples: int  # that it is drawn from, of both keys
    at_ms: list[int]  # since 1970, UTC
    latitude: list[float]
    longitude: list[float]


def _view(query: _Box, zoom: float = 0.0) -> View:
    if query.south > query.north:
        raise Invalid("The part of the map is empty.", remedy="Let south be below north.")
    return View(query.west, query.south, query.east, query.north, zoom, query.type)


async def get_fleet_map(services: Services, call: Call) -> MarksView:
    """Answer with the marks of a view."""
    query: MapQuery = call.query
    tenant = call.principal.tenant
    view = _view(query, query.zoom)
    await services.fleet.refresh(tenant)
    found = services.fleet.marks(tenant, view, limit=query.limit)
    return MarksView([*map(mark_view, found.marks)], found.zoom, found.devices)


async def list_fleet(services: Services, call: Call) -> Page[PlaceView]:
    """Answer with a page of the devices of a view."""
    query: PlacesQuery = call.query
    tenant = call.principal.tenant
    view = _view(query)
    after = after_of(call, "fleet")
    await services.fleet.refresh(tenant)
    found = services.fleet.list_places(tenant, view, after=after, limit=query.limit + 1)
    following = None
    if len(found) > query.limit:
        found = found[: query.limit]
        following = make_cursor(tenant, "fleet", found[-1].device.device_id)
    return Page([_place_view(services, one) for one in found], following)


def _place_view(services: Services, place: Place) -> PlaceView:
    device = place.device
    return PlaceView(
        device.device_id,
        device.label,
        device.type_name,
        device.lifecycle,
        services.presence.is_connected(device.uid),
        place.latitude,
        place.longitude,
        moment(place.at),
    )


async def watch_fleet(services: Services, call: Call) -> Reply:
    """Open a stream of a view."""
    query: WatchQuery = call.query
    asked = FleetQuery(_view(query, query.zoom), query.limit, query.every_s)
    stream = open_watch(services, call)
    return Reply(
        stream=frames(services, call, stream, asked), ended=stream.ended, media_type=EVENT_STREAM
    )


async def get_trail(services: Services, call: Call) -> TrailView:
    """Answer with a device's way."""
    query: TrailQuery = call.query
    tenant = call.principal.tenant
    device = services.devices.get(tenant, call.path["device_id"])
    end = services.clock.now() + 1 if query.end is None else from_rfc3339(query.end)
    start = end - DAY_NS if query.start is None else from_rfc3339(query.start)
    if start >= end:
        raise Invalid("The time asked for is empty.", remedy="Let start be before end.")
    keys = (query.latitude, query.longitude)
    scan = HistoryScan(tenant, (device.device_id,), keys, start, end)
    samples = await services.history.count(scan)
    if samples > TRAIL_SAMPLES_MAX:
        raise TooLarge(
            f"The way would be drawn from {samples} samples.",
            remedy=f"Ask for a shorter time: at most {TRAIL_SAMPLES_MAX} are read.",
        )
    traces = {one.key: one for one in await services.history.scan(scan)}
    trail = await asyncio.to_thread(
        trail_of, traces.get(query.latitude), traces.get(query.longitude), query.points
    )
    return TrailView(
        device.device_id,
        samples,
        (trail.at // 1_000_000).tolist(),
        np.round(trail.latitude, 6).tolist(),
        np.round(trail.longitude, 6).tolist(),
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_fleet_map",
        "GET",
        "/fleet/map",
        "Show where devices are, near ones drawn together",
        get_fleet_map,
        action="twin.read",
        description=(
            "A device is where its newest `latitude` and `longitude` (or `lat` and `lon`, or the "
            "keys that its asset names) say, else where its attributes of those names do. A mark "
            "of several devices stands for a cell of the map as wide as a thumb."
        ),
        query=MapQuery,
        result=MarksView,
        errors=(Invalid,),
        command=Command("fleet", "map"),
    ),
    Operation(
        "list_fleet",
        "GET",
        "/fleet/devices",
        "List the devices on a part of the map",
        list_fleet,
        action="twin.read",
        query=PlacesQuery,
        result=Page[PlaceView],
        errors=(Invalid,),
        command=Command(
            "fleet",
            "list",
            columns=("device_id", "label", "connected", "latitude", "longitude", "at"),
        ),
    ),
    Operation(
        "watch_fleet",
        "GET",
        "/fleet/live",
        "Watch devices move on a part of the map",
        watch_fleet,
        action="twin.read",
        description=(
            "Server-sent events `fleet`: the marks of the view that are new or have changed "
            "(`set`) and the keys of those that are gone. The first one has `reset` and all "
            "marks; one that comes back begins anew."
        ),
        query=WatchQuery,
        result=str,
        produces=(EVENT_STREAM,),
        errors=(Invalid, QuotaExceeded, Unavailable),
    ),
    Operation(
        "get_trail",
        "GET",
        "/devices/{device_id}/trail",
        "Show where a device has been",
        get_trail,
        action="history.read",
        target="device:{device_id}",
        tag="fleet",
        query=TrailQuery,
        result=TrailView,
        errors=(Invalid, NotFound, TooLarge),
        command=Command("fleet", "trail"),
    ),
)
