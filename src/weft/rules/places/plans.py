"""Plans: a route ready to be followed, with each stop at its place on the line.

Compiled from a version of a route once, and shared by all trips that follow it.
"""

from itertools import pairwise
from math import inf
from typing import Final

from msgspec import Struct

from weft.errors import Invalid
from weft.rules.places.geojson import LINE_MAX, read_line
from weft.rules.places.kinds import PlannedRoute, Stop
from weft.rules.places.lines import Line

ASIDE_M: Final = 500.0  # a stop may lie this far from the line, or its radius if that is more
NS_PER_S: Final = 1_000_000_000


class Place(Struct, frozen=True):
    """A stop on its line; times are nanoseconds since the trip's start."""

    stop: Stop
    along_m: float
    arrive: int
    depart: int
    dwell_max: int | None


class Plan:
    """A route, ready to be followed."""

    def __init__(self, route: PlannedRoute) -> None:
        self.version = route.version
        self.line = Line([read_line(route.geometry, LINE_MAX)])
        self.places: list[Place] = []
        along = 0.0
        for stop in route.stops:
            away, along = self.line.nearest(stop.latitude, stop.longitude, along, inf)
            if away > max(stop.radius_m, ASIDE_M):
                raise Invalid(
                    f"The stop {stop.name!r} lies {away:.0f} m beside the line, or before the stop"
                    " in front of it.",
                    remedy="Draw the line through it, and give the stops in their order.",
                )
            dwell = None if stop.dwell_max_s is None else round(stop.dwell_max_s * NS_PER_S)
            arrive, depart = round(stop.arrive_s * NS_PER_S), round(stop.depart_s * NS_PER_S)
            self.places.append(Place(stop, along, arrive, depart, dwell))

    def planned_ns(self, from_m: float, to_m: float) -> float:
        """Return how long the plan drives from one place on the line to another, without stops."""
        total = 0.0
        for before, after in pairwise(self.places):
            length = after.along_m - before.along_m
            part = min(to_m, after.along_m) - max(from_m, before.along_m)
            if length > 0 and part > 0:
                total += (after.arrive - before.depart) * part / length
        return total
