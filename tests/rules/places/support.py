"""Shared by the tests of places: a registry with books, a square, and a road with stops."""

from typing import Any

from tests.registry.support import ALICE, MAIN, Registry

from weft.registry.devices import NewDevice
from weft.rules.places.book import Given
from weft.rules.places.books import PlaceBooks, make_places
from weft.rules.places.kinds import PlannedRoute
from weft.rules.places.plans import Plan
from weft.rules.places.routes import read_route

S = 1_000_000_000
SQUARE: dict[str, Any] = {
    "type": "Polygon",
    "coordinates": [[[12.0, 51.0], [12.1, 51.0], [12.1, 51.1], [12.0, 51.1], [12.0, 51.0]]],
}
CIRCLE: dict[str, Any] = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [12.5, 51.5]},
    "properties": {"radius_m": 300, "label": "Customer"},
}


def stop(
    name: str, longitude: float, latitude: float, arrive_s: float, depart_s: float, **more: Any
) -> dict[str, Any]:
    """Make the Feature of a stop."""
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [longitude, latitude]},
        "properties": {"name": name, "arrive_s": arrive_s, "depart_s": depart_s, **more},
    }


def road(*stops: dict[str, Any], line: list[list[float]] | None = None) -> dict[str, Any]:
    """Make the document of a route: by default due east for 70 km, at 51 degrees north."""
    coordinates = line or [[12.0, 51.0], [12.5, 51.0], [13.0, 51.0]]
    whole = {
        "type": "Feature",
        "geometry": {"type": "LineString", "coordinates": coordinates},
        "properties": {},
    }
    usual = (
        stop("depot", 12.0, 51.0, 0, 0),
        stop("middle", 12.5, 51.0, 1800, 2700, dwell_max_s=1800),
        stop("end", 13.0, 51.0, 4500, 4500),
    )
    return {"type": "FeatureCollection", "features": [whole, *(stops or usual)]}


def plan(document: dict[str, Any] | None = None, version: int = 1) -> Plan:
    """Compile a route that was never saved."""
    fields = read_route(document or road())
    return Plan(
        PlannedRoute(
            tenant=MAIN,
            name="tour",
            uid="r",
            created_at=0,
            created_by="",
            updated_at=0,
            version=version,
            **fields,
        )
    )


class Yard:
    """Books over a registry in memory."""

    def __init__(self, registry: Registry | None = None) -> None:
        self.registry = registry or Registry()
        self.records = self.registry.records
        self.clock = self.registry.clock
        self.audit = self.registry.audit
        given = Given(self.records, self.audit, self.clock)
        self.books: PlaceBooks = make_places(
            given, self.registry.devices, self.registry.assets, self.registry.attachments
        )

    async def restarted(self) -> "Yard":
        """Return what a new process knows."""
        again = Yard(await self.registry.restarted())
        await again.books.load()
        return again


async def fleet(*devices: str) -> Yard:
    """A yard with devices and the usual route."""
    yard = Yard()
    for name in devices or ("truck-1",):
        await yard.registry.devices.create(ALICE, NewDevice(name))
    await yard.books.routes.save(ALICE, "tour", road())
    return yard
