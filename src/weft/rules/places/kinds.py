"""Kinds: fences, planned routes and trips as they are kept, and by what they are found."""

from typing import Any, Final, TypeVar

from msgspec import Struct, field

from weft.model.ids import TenantId
from weft.ports import Kind


class Kept(Struct, frozen=True, kw_only=True):
    """What every place has. Moments are nanoseconds."""

    tenant: TenantId
    name: str
    uid: str
    label: str = ""
    created_at: int
    created_by: str
    updated_at: int
    in_force_at: int = 0  # messages received from then on are judged by this version
    version: int = 1


class Geofence(Kept, frozen=True, kw_only=True):
    """An area with a name."""

    geometry: dict[str, Any]  # GeoJSON
    radius_m: float | None = None  # of a Point or a LineString


class Stop(Struct, frozen=True, kw_only=True):
    """Where a vehicle stops on its route, and when; times are seconds since the trip's start."""

    name: str
    latitude: float
    longitude: float
    radius_m: float = 150.0
    arrive_s: float = 0.0
    depart_s: float = 0.0
    dwell_max_s: float | None = None  # longer than this it should not stand there


class PlannedRoute(Kept, frozen=True, kw_only=True):
    """A line to follow, with stops in their order."""

    geometry: dict[str, Any]  # a GeoJSON LineString
    stops: tuple[Stop, ...] = field(default=())


class Trip(Kept, frozen=True, kw_only=True):
    """One journey along a route: by a device, or by whatever is attached to an asset."""

    route: str
    starts_at: int
    ends_at: int
    device_id: str | None = None
    asset_id: str | None = None


K = TypeVar("K", bound=Kept)

# The current version by name, and each that is kept by name/number.
GEOFENCES: Final = Kind("geofence", Geofence)
GEOFENCE_VERSIONS: Final = Kind("geofence_version", Geofence, lambda one: {"name": one.name})
ROUTES: Final = Kind("planned_route", PlannedRoute)
ROUTE_VERSIONS: Final = Kind("planned_route_version", PlannedRoute, lambda one: {"name": one.name})
TRIPS: Final = Kind("trip", Trip, lambda one: {"route": one.route})
TRIP_VERSIONS: Final = Kind("trip_version", Trip, lambda one: {"name": one.name})
