"""Kinds: what is kept comes back as it was."""

import msgspec
from tests.registry.support import MAIN

from weft.rules.places.kinds import GEOFENCE_VERSIONS, ROUTES, TRIPS, PlannedRoute, Stop, Trip


def test_a_route_survives_the_disk() -> None:
    """With its stops, and found by its name among versions."""
    route = PlannedRoute(
        tenant=MAIN,
        name="tour",
        uid="r",
        created_at=1,
        created_by="alice",
        updated_at=2,
        geometry={"type": "LineString", "coordinates": [[0, 0], [1, 1]]},
        stops=(Stop(name="end", latitude=1.0, longitude=1.0, dwell_max_s=60.0),),
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(route), type=ROUTES.type) == route
    assert GEOFENCE_VERSIONS.index(route) == {"name": "tour"}  # type: ignore[arg-type]  # any Kept


def test_a_trip_is_found_by_its_route() -> None:
    """So that a route is not deleted beneath it."""
    trip = Trip(
        tenant=MAIN,
        name="monday",
        uid="t",
        created_at=1,
        created_by="alice",
        updated_at=1,
        route="tour",
        starts_at=5,
        ends_at=9,
        device_id="truck-1",
    )
    assert TRIPS.index(trip) == {"route": "tour"}
