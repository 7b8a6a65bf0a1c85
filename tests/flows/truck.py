"""What the story of the truck is made of: the plant, the route, and the rules of a cold chain."""

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
from tests.registry.support import ALICE as DISPATCH
from tests.registry.support import Registry
from tests.rules.support import ALICE, START, FakeTypes, Line, Plant, S, device

from weft.backends.memory.records import MemoryRecords
from weft.model.device import DeviceType, Field
from weft.model.ids import TenantId, TypeName
from weft.model.telemetry import Reading
from weft.registry.devices import NewDevice
from weft.rules.places.book import Given
from weft.rules.places.books import PlaceBooks, make_places
from weft.rules.places.trips import NewTrip

MAIN = TenantId("main")


def _example(name: str) -> ModuleType:
    """Load a program of the examples: it stands by itself, in no package."""
    path = Path(__file__).parents[2] / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ROAD = _example("drive_a_route")
Detour = ROAD.Detour
HOUR = 3_600
TRUCK = DeviceType(
    tenant=MAIN,
    name=TypeName("truck"),
    version=1,
    title="Truck",
    telemetry={
        "latitude": Field(type="number"),
        "longitude": Field(type="number"),
        "accuracy": Field(type="number"),
        "cargo": Field(type="number", unit="Cel"),
    },
    properties={},
    commands={},
    events={},
    document={},
    created_at=0,
)


TruckValues = msgspec.defstruct(
    "TruckValues", [(key, float) for key in ("latitude", "longitude", "accuracy", "cargo")]
)


def _stop(
    name: str, place: list[float], arrive_s: int, depart_s: int, **more: Any
) -> dict[str, Any]:
    told = {"name": name, "arrive_s": arrive_s, "depart_s": depart_s, **more}
    point = {"type": "Point", "coordinates": place}
    return {"type": "Feature", "geometry": point, "properties": told}


# Leipzig, Halle, Magdeburg, by the motorway as a child would draw it.
TOUR: dict[str, Any] = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "geometry": {
                "type": "LineString",
                "coordinates": [
                    [12.3731, 51.3397], [12.2400, 51.4200], [11.9688, 51.4969],
                    [11.8500, 51.7000], [11.7200, 51.9500], [11.6276, 52.1205],
                ],
            },
            "properties": {},
        },
        _stop("leipzig", [12.3731, 51.3397], 0, 0),
        _stop("halle", [11.9688, 51.4969], HOUR, HOUR + 1_800, dwell_max_s=3_000),
        _stop("magdeburg", [11.6276, 52.1205], 3 * HOUR, 3 * HOUR + 600),
    ],
}  # fmt: skip
YARD = {"type": "Point", "coordinates": [12.3731, 51.3397]}


def rule(name: str, when: str, **more: Any) -> dict[str, Any]:
    """Make a rule for trucks."""
    return {
        "name": name,
        "selector": {"type": "truck"},
        "when": when,
        "severity": "major",
        "message": "{device}: " + name,
        **more,
    }


RULES = (
    rule("cargo-warm", "held(cargo > 8, 5m)", clear="held(cargo < 7, 5m)"),
    rule(
        "late",
        "late_by(latitude, longitude) > 15[min]",
        clear="late_by(latitude, longitude) < 5[min]",
    ),
    rule(
        "off-route",
        "held(off_route(latitude, longitude) > 500, 2m)",
        clear="off_route(latitude, longitude) < 200",
    ),
    rule("missed", "missed_stop(latitude, longitude)"),
    rule("overstay", "overstays(latitude, longitude)"),
    rule("left-yard", "leaves(latitude, longitude, 'yard', accuracy * 2.0, 1m)"),
)


class Dispatch:
    """A plant with one truck on its tour, a yard, and all rules."""

    def __init__(self, records: MemoryRecords | None = None) -> None:
        self.records = records or MemoryRecords()
        self.registry = Registry(self.records)
        self.registry.clock.turn((START - self.registry.clock.now()) / S)
        given = Given(self.records, self.registry.audit, self.registry.clock)
        self.places: PlaceBooks = make_places(
            given, self.registry.devices, self.registry.assets, self.registry.attachments
        )
        self.plant = Plant(
            device("truck-1", type_name="truck"), records=self.records, places=self.places.atlas
        )
        types = self.plant.around.types
        assert isinstance(types, FakeTypes)
        types.types[MAIN, "truck"] = TRUCK

    async def plan(self) -> None:
        """Draw the yard, plan the tour, make the trip, save the rules."""
        await self.registry.devices.create(DISPATCH, NewDevice("truck-1"))
        circle = {"type": "Feature", "geometry": YARD, "properties": {"radius_m": 300}}
        await self.places.fences.save(DISPATCH, "yard", circle)
        await self.places.routes.save(DISPATCH, "tour", TOUR)
        trip = NewTrip("monday", "tour", START, START + 5 * HOUR * S, device_id="truck-1")
        await self.places.trips.create(DISPATCH, trip)
        for document in RULES:
            await self.plant.rules.create(ALICE, document)

    async def restarted(self) -> "Dispatch":
        """Kill it and start again; the journal is there, and what was on disk."""
        again = Dispatch(self.records)
        again.plant.line = self.plant.line
        await again.registry.load()
        await again.places.load()
        await again.plant.engine.load()
        for batch in again.plant.line.batches:
            if batch.last > again.plant.engine.position:
                again.plant.engine.apply(batch)
        await again.plant.engine.flush()
        return again

    async def hear(self, fix: Any, cargo: float, *, received: float | None = None) -> None:
        """Take one message in, as the truck sent it; received just then, or so many seconds in."""
        values = TruckValues(fix.latitude, fix.longitude, fix.accuracy, cargo)
        at = START + round(fix.second * S)
        received_at = at if received is None else START + round(received * S)
        line, engine = self.plant.line, self.plant.engine
        engine.apply(line.commit([Reading(at, values)], received_at, "truck-1", "truck"))
        await engine.flush()

    async def end(self, second: float) -> None:
        """Let time go on without a message."""
        await self.plant.engine.tick(START + round((second + 1) * S))
        await self.plant.engine.flush()

    async def told(self) -> list[tuple[str, int, int | None]]:
        """Return (rule, raised, cleared) of every alarm, in minutes of the trip."""
        raised = sorted(await self.plant.raised(), key=lambda one: (one.raised_at, one.rule_id))
        return [(one.rule_id, _minute(one.raised_at), _until(one.cleared_at)) for one in raised]


def _minute(at: int) -> int:
    return (at - START) // S // 60


def _until(at: int | None) -> int | None:
    return None if at is None else _minute(at)


def journey(*, held_s: float = 0.0, detour: Any = None, seed: int = 1) -> Iterator[Any]:
    """Drive the tour; `held_s` is how much longer it is kept in Halle."""
    fixes: Iterator[Any] = ROAD.drive(TOUR, hold={"halle": held_s}, detour=detour, seed=seed)
    return fixes


def cargo_at(second: float, warm: Sequence[float] | None) -> float:
    """Return the temperature of the load; the cooling fails between two seconds."""
    return 11.5 if warm and warm[0] <= second < warm[1] else 4.5


__all__ = [
    "HOUR",
    "MAIN",
    "RULES",
    "START",
    "TOUR",
    "Detour",
    "Dispatch",
    "Line",
    "S",
    "cargo_at",
    "journey",
]
