"""Planned routes: a line and its stops, written and read as a GeoJSON FeatureCollection.

The one LineString is the line; each Point is a stop, in the order of driving, with name,
radius_m, arrive_s, depart_s and dwell_max_s as its properties. Times are seconds since a
trip's start, so that one route serves the trips of every day.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from weft.errors import Conflict, Invalid
from weft.model.ids import TenantId, require_name
from weft.model.principal import Principal
from weft.ports import Reader
from weft.registry.device_checks import require_label
from weft.rules.places.book import Book, Given, Terms
from weft.rules.places.fences import feature_of
from weft.rules.places.geojson import read_point
from weft.rules.places.kinds import ROUTE_VERSIONS, ROUTES, TRIPS, PlannedRoute, Stop
from weft.rules.places.plans import Plan
from weft.rules.places.shapes import vertices_of

STOPS_MAX: Final = 100
STOP_RADIUS_MAX_M: Final = 5_000.0
TIME_MAX_S: Final = 60 * 86_400.0


class Routes:
    """The planned routes of all tenants."""

    def __init__(self, given: Given) -> None:
        self.book = Book(
            given,
            Terms(
                noun="route",
                kind=ROUTES,
                versions=ROUTE_VERSIONS,
                make=Plan,
                weigh=lambda one: vertices_of(one.geometry) + len(one.stops),
            ),
        )

    async def save(
        self,
        actor: Principal,
        name: str,
        document: Mapping[str, Any],
        *,
        version: int | None = None,
    ) -> PlannedRoute:
        """Save a route from a FeatureCollection, or raise `Invalid` saying what is wrong."""
        return await self.book.save(actor, name, read_route(document), version=version)

    async def delete(self, actor: Principal, name: str, *, version: int | None = None) -> None:
        """Delete a route that no trip follows, or raise `Conflict`."""

        def forbid(reader: Reader) -> None:
            trips = reader.list(TRIPS, actor.tenant, where=("route", name), limit=1)
            if trips:
                raise Conflict(
                    f"The trip {trips[0].key!r} follows the route {name!r}.",
                    remedy="Delete its trips first.",
                )

        await self.book.delete(actor, name, version=version, forbid=forbid)


def read_route(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a route; raise `Invalid` saying what is wrong with the document."""
    features = document.get("features")
    if document.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise Invalid(
            "A route is a FeatureCollection: one LineString, and a Point for each stop.",
            remedy='Write {"type": "FeatureCollection", "features": […]} (RFC 7946, 3.3).',
        )
    if len(features) > STOPS_MAX + 1:
        raise Invalid(
            f"The route has more than {STOPS_MAX} stops.", remedy="Make two routes of it."
        )
    parts = [_part(item, place) for place, item in enumerate(features)]
    lines = [geometry for geometry, _ in parts if geometry.get("type") == "LineString"]
    if len(lines) != 1:
        raise Invalid(
            f"The route has {len(lines)} LineStrings, and must have one.",
            remedy="Give the line to follow as one Feature.",
        )
    stops = tuple(
        _stop(geometry, properties, f"features[{place}]")
        for place, (geometry, properties) in enumerate(parts)
        if geometry is not lines[0]
    )
    _require_order(stops)
    label = document.get("label", "")
    fields = {
        "geometry": {"type": "LineString", "coordinates": lines[0].get("coordinates")},
        "stops": stops,
        "label": require_label(label if isinstance(label, str) else ""),
    }
    Plan(_sketch(fields))
    return fields


def document_of(route: PlannedRoute) -> dict[str, Any]:
    """Return a route as a FeatureCollection; `read_route` takes it back."""
    line = {"type": "Feature", "geometry": route.geometry, "properties": {}}
    stops = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [one.longitude, one.latitude]},
            "properties": {
                "name": one.name,
                "radius_m": one.radius_m,
                "arrive_s": one.arrive_s,
                "depart_s": one.depart_s,
                **({} if one.dwell_max_s is None else {"dwell_max_s": one.dwell_max_s}),
            },
        }
        for one in route.stops
    ]
    return {"type": "FeatureCollection", "label": route.label, "features": [line, *stops]}


def _sketch(fields: Mapping[str, Any]) -> PlannedRoute:
    return PlannedRoute(
        tenant=TenantId(""), name="", uid="", created_at=0, created_by="", updated_at=0, **fields
    )


def _part(item: Any, place: int) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    if not isinstance(item, Mapping) or item.get("type") != "Feature":
        raise Invalid(f"features[{place}] is no Feature.", remedy="See RFC 7946, 3.2.")
    return feature_of(item)


def _stop(geometry: Mapping[str, Any], properties: Mapping[str, Any], where: str) -> Stop:
    try:
        longitude, latitude = read_point(geometry)
        name = properties.get("name")
        if not isinstance(name, str):
            raise Invalid("The stop has no name.", remedy='Give "properties": {"name": "…"}.')
        radius_m = _number(properties, "radius_m", 150.0, STOP_RADIUS_MAX_M)
        if radius_m < 1:
            raise Invalid("radius_m is less than a metre.", remedy="Write metres, as in 150.")
        arrive_s = _number(properties, "arrive_s", 0.0, TIME_MAX_S)
        dwell = properties.get("dwell_max_s")
        return Stop(
            name=require_name(name, "name of a stop"),
            latitude=latitude,
            longitude=longitude,
            radius_m=radius_m,
            arrive_s=arrive_s,
            depart_s=_number(properties, "depart_s", arrive_s, TIME_MAX_S),
            dwell_max_s=None
            if dwell is None
            else _number(properties, "dwell_max_s", 0, TIME_MAX_S),
        )
    except Invalid as error:
        raise Invalid(f"{where}: {error.detail}", remedy=error.remedy) from error


def _number(properties: Mapping[str, Any], key: str, otherwise: float, most: float) -> float:
    value = properties.get(key, otherwise)
    if value.__class__ not in (int, float) or not isfinite(value) or not 0 <= value <= most:
        raise Invalid(f"{key} is no number from 0 to {most:g}.", remedy="Leave it out, or mend it.")
    return float(value)


def _require_order(stops: tuple[Stop, ...]) -> None:
    if len({one.name for one in stops}) != len(stops):
        raise Invalid("Two stops have one name.", remedy="Number them, as in depot-1, depot-2.")
    if not stops:
        raise Invalid("The route has no stop.", remedy="Give where it ends, at least.")
    before = 0.0
    for stop in stops:
        if not before <= stop.arrive_s <= stop.depart_s:
            raise Invalid(
                f"The stop {stop.name!r} is left before it is reached, or reached before the one"
                " in front of it is left.",
                remedy="Give arrive_s and depart_s in seconds since the trip's start, rising.",
            )
        before = stop.depart_s
