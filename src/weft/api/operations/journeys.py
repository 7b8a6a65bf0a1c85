"""Operations on planned routes and trips: what vehicles are to follow, and who does when."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from weft.api.operation import JSON, YAML, Call, Command, Operation, Reply
from weft.api.operations.geofences import GEOJSON
from weft.api.services import Services
from weft.api.shelves import Shelf
from weft.api.views import Moment, Page, Paging, moment
from weft.errors import AlreadyExists, Conflict, Invalid, NotFound, QuotaExceeded
from weft.model.moments import from_rfc3339
from weft.rules.places import trips
from weft.rules.places.kinds import PlannedRoute, Trip
from weft.rules.places.routes import document_of
from weft.rules.places.shapes import vertices_of

Name = Annotated[str, Meta(max_length=128)]


class RouteLine(Struct, frozen=True):
    """A route in a list: its line is shown alone."""

    name: str
    stops: list[str]
    positions: int
    label: str
    updated_at: Moment
    version: int


class RouteView(Struct, frozen=True):
    """A planned route as the API shows it."""

    name: str
    label: str
    document: dict[str, Any]  # a FeatureCollection
    created_at: Moment
    created_by: str
    updated_at: Moment
    in_force_at: Moment | None  # None: for all messages, older ones too
    version: int


class NewTrip(Struct, frozen=True, forbid_unknown_fields=True):
    """A trip of a device or of an asset along a route."""

    name: Name
    route: Name
    starts_at: Annotated[Moment, Meta(description="When the times of the stops begin to count.")]
    ends_at: Annotated[Moment, Meta(description="When it is over; leave room for a delay.")]
    device_id: Annotated[Name, Meta(description="Which device travels.")] | None = None
    asset_id: Annotated[Name, Meta(description="Or which asset.")] | None = None
    label: str = ""


class TripPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be changed of a trip; an earlier end ends it."""

    route: Annotated[Name, Meta(description="Along which route.")] | UnsetType = UNSET
    starts_at: Annotated[Moment, Meta(description="RFC 3339.")] | UnsetType = UNSET
    ends_at: Annotated[Moment, Meta(description="RFC 3339; now or before ends it.")] | UnsetType = (
        UNSET
    )
    label: str | UnsetType = UNSET


class TripView(Struct, frozen=True):
    """A trip as the API shows it."""

    name: str
    route: str
    device_id: str | None
    asset_id: str | None
    starts_at: Moment
    ends_at: Moment
    label: str
    created_at: Moment
    created_by: str
    version: int


def _route_line(route: PlannedRoute) -> RouteLine:
    return RouteLine(
        name=route.name,
        stops=[stop.name for stop in route.stops],
        positions=vertices_of(route.geometry),
        label=route.label,
        updated_at=moment(route.updated_at) or "",
        version=route.version,
    )


def _route_view(route: PlannedRoute) -> RouteView:
    return RouteView(
        name=route.name,
        label=route.label,
        document=document_of(route),
        created_at=moment(route.created_at) or "",
        created_by=route.created_by,
        updated_at=moment(route.updated_at) or "",
        in_force_at=moment(route.in_force_at),
        version=route.version,
    )


def _trip_view(trip: Trip) -> TripView:
    return TripView(
        name=trip.name,
        route=trip.route,
        device_id=trip.device_id,
        asset_id=trip.asset_id,
        starts_at=moment(trip.starts_at) or "",
        ends_at=moment(trip.ends_at) or "",
        label=trip.label,
        created_at=moment(trip.created_at) or "",
        created_by=trip.created_by,
        version=trip.version,
    )


_ROUTE_SHELF = Shelf[PlannedRoute]("route", lambda places: places.routes, _route_line, _route_view)
_TRIP_SHELF = Shelf[Trip]("trip", lambda places: places.trips, _trip_view, _trip_view)


async def create_trip(services: Services, call: Call) -> Reply:
    """Make a trip."""
    body: NewTrip = call.body
    new = trips.NewTrip(
        name=body.name,
        route=body.route,
        starts_at=from_rfc3339(body.starts_at),
        ends_at=from_rfc3339(body.ends_at),
        device_id=body.device_id,
        asset_id=body.asset_id,
        label=body.label,
    )
    trip = await services.places.trips.create(call.principal, new)
    return _TRIP_SHELF.reply(trip)


async def update_trip(services: Services, call: Call) -> Reply:
    """Change a trip."""
    body: TripPatch = call.body
    patch = trips.TripPatch(
        route=body.route,
        starts_at=UNSET if body.starts_at is UNSET else from_rfc3339(body.starts_at),
        ends_at=UNSET if body.ends_at is UNSET else from_rfc3339(body.ends_at),
        label=body.label,
    )
    trip = await services.places.trips.patch(
        call.principal, call.path["trip"], patch, version=call.if_match
    )
    return _TRIP_SHELF.reply(trip)


_ROUTE = "/routes/{route}"
_TRIP = "/trips/{trip}"

_ROUTES: tuple[Operation, ...] = (
    Operation(
        "list_routes",
        "GET",
        "/routes",
        "List planned routes",
        _ROUTE_SHELF.list,
        action="place.read",
        query=Paging,
        result=Page[RouteLine],
        command=Command("route", "list", columns=("name", "stops", "positions", "label")),
    ),
    Operation(
        "get_route",
        "GET",
        _ROUTE,
        "Show a planned route",
        _ROUTE_SHELF.get,
        action="place.read",
        target="route:{route}",
        result=RouteView,
        etag=True,
        errors=(NotFound,),
        command=Command("route", "show"),
    ),
    Operation(
        "save_route",
        "PUT",
        _ROUTE,
        "Save a planned route",
        _ROUTE_SHELF.save,
        action="place.write",
        target="route:{route}",
        description=(
            "The body is a GeoJSON FeatureCollection: one LineString, and a Point for each stop "
            "in the order of driving, with name, radius_m, arrive_s, depart_s and dwell_max_s "
            "among its properties. Times are seconds since the start of a trip."
        ),
        body=dict[str, Any],
        accepts=(JSON, GEOJSON, YAML),
        result=RouteView,
        if_match="optional",
        etag=True,
        errors=(Invalid, NotFound, QuotaExceeded),
        example={
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "geometry": {
                        "type": "LineString",
                        "coordinates": [[12.37, 51.34], [12.4, 51.4]],
                    },
                    "properties": {},
                },
                {
                    "type": "Feature",
                    "geometry": {"type": "Point", "coordinates": [12.4, 51.4]},
                    "properties": {"name": "customer", "arrive_s": 1200, "depart_s": 2100},
                },
            ],
        },
        command=Command("route", "save", file=True),
    ),
    Operation(
        "delete_route",
        "DELETE",
        _ROUTE,
        "Delete a planned route that no trip follows",
        _ROUTE_SHELF.delete,
        action="place.delete",
        target="route:{route}",
        if_match="optional",
        errors=(NotFound, Conflict),
        command=Command("route", "delete", confirm="Delete the route {route}?"),
    ),
)

_TRIPS: tuple[Operation, ...] = (
    Operation(
        "list_trips",
        "GET",
        "/trips",
        "List trips",
        _TRIP_SHELF.list,
        action="place.read",
        query=Paging,
        result=Page[TripView],
        command=Command(
            "trip",
            "list",
            columns=("name", "route", "device_id", "asset_id", "starts_at", "ends_at"),
        ),
    ),
    Operation(
        "create_trip",
        "POST",
        "/trips",
        "Make a trip along a route",
        create_trip,
        action="place.write",
        description=(
            "It is of a device, or of an asset and so of whatever device is attached to it at the "
            "moment. Of several that a device could be on, the one that began last counts."
        ),
        body=NewTrip,
        result=TripView,
        status=201,
        etag=True,
        errors=(AlreadyExists, Invalid, NotFound, QuotaExceeded),
        example={
            "name": "monday",
            "route": "leipzig-halle",
            "device_id": "truck-1",
            "starts_at": "2026-03-02T06:00:00Z",
            "ends_at": "2026-03-02T18:00:00Z",
        },
        command=Command(
            "trip",
            "add",
            arguments=("name", "route"),
            renames=(
                ("device_id", "device"),
                ("asset_id", "asset"),
                ("starts_at", "from"),
                ("ends_at", "until"),
            ),
        ),
    ),
    Operation(
        "get_trip",
        "GET",
        _TRIP,
        "Show a trip",
        _TRIP_SHELF.get,
        action="place.read",
        target="trip:{trip}",
        result=TripView,
        etag=True,
        errors=(NotFound,),
        command=Command("trip", "show"),
    ),
    Operation(
        "update_trip",
        "PATCH",
        _TRIP,
        "Change a trip, or end it",
        update_trip,
        action="place.write",
        target="trip:{trip}",
        body=TripPatch,
        result=TripView,
        if_match="optional",
        etag=True,
        errors=(NotFound, Invalid, QuotaExceeded),
        example={"ends_at": "2026-03-02T14:00:00Z"},
        command=Command("trip", "update", renames=(("starts_at", "from"), ("ends_at", "until"))),
    ),
    Operation(
        "delete_trip",
        "DELETE",
        _TRIP,
        "Delete a trip, as if it had never been",
        _TRIP_SHELF.delete,
        action="place.delete",
        target="trip:{trip}",
        if_match="optional",
        errors=(NotFound,),
        command=Command("trip", "delete", confirm="Delete the trip {trip}?"),
    ),
)

OPERATIONS: tuple[Operation, ...] = (*_ROUTES, *_TRIPS)
