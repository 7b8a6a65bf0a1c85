"""Tracking: where on its planned route a vehicle is, which stops it has served, when it arrives.

A position is put on the line near where the vehicle was, as far on as it can have come since:
a road that is driven out and back has each place twice. Beside the line it goes on beside it,
up to some kilometres, and what it still has to drive grows by the way back.

What is left to drive takes as long as planned, by the pace of this vehicle: how fast it has
been against the plan, over the last kilometres. Pace is learnt by the way, not by the clock,
so that standing (a jam, a pause) delays an arrival by its own length and no more.
"""

from math import exp, inf
from typing import Any, Final

from weft.rules.places.plans import Place, Plan
from weft.rules.places.sphere import distance_m

NS: Final = 1_000_000_000
ON_ROUTE_M: Final = 200.0  # nearer than this it is on the line
BESIDE_M: Final = 5_000.0  # nearer than this it goes on beside it
_WINDOW_M: Final = 1_000.0  # back and forth of where it was, however short the time
_BACK_M: Final = 20.0  # nearer than this a place behind is no nearer: a receiver wanders
_FASTEST_M_S: Final = 60.0
_MOVING_M_S: Final = 1.5  # slower is standing, with a receiver that wanders
_LEARN_M: Final = 10_000.0  # the way by which an old pace is forgotten to a third
_PACE: Final = (0.3, 1.5)  # of the plan; beyond it a figure is no pace but a mistake
_LEFT: Final = 1.25  # a stop is left beyond its radius times this
_PASSED_M: Final = 300.0  # beyond a stop and its radius, that one has been passed


class Track:
    """What is known of one trip so far; bounded by the stops of its route."""

    __slots__ = (
        "along_at", "along_m", "at", "latitude", "longitude", "off_m", "pace", "served",
        "version",
    )  # fmt: skip

    def __init__(self, version: int) -> None:
        self.version = version  # of the route
        self.at = -1  # of the newest position; -1: none yet
        self.latitude = 0.0
        self.longitude = 0.0
        self.off_m = 0.0
        self.along_m = -1.0  # -1: it has not been on the line yet
        self.along_at = 0
        self.pace = 1.0
        self.served: dict[str, list[int]] = {}  # stop -> [arrived, left or 0]

    def move(self, plan: Plan, at: int, latitude: float, longitude: float) -> None:
        """Take a position in, newer than all before."""
        before_m, before_at, before_off_m = self.along_m, self.at, self.off_m
        self._project(plan, at, latitude, longitude)
        # A pace is learnt on the road alone, from one position to the next.
        on_road = max(before_off_m, self.off_m) <= ON_ROUTE_M
        if on_road and before_m >= 0 and self.along_at == at:
            self._learn_pace(plan, before_m, at - before_at)
        self.at, self.latitude, self.longitude = at, latitude, longitude
        self._serve(plan, at)

    def _project(self, plan: Plan, at: int, latitude: float, longitude: float) -> None:
        line, beside, along = plan.line, inf, 0.0
        if self.along_m >= 0:
            reach = _WINDOW_M + _FASTEST_M_S * max(at - self.along_at, 0) / NS
            here = self.along_m
            ahead, along = line.nearest(latitude, longitude, here, here + reach)
            back, before = line.nearest(latitude, longitude, max(here - _WINDOW_M, 0.0), here)
            # Forward, where both fit: behind the turn of a road that is driven back as well.
            beside, along = (ahead, along) if ahead <= back + _BACK_M else (back, before)
        self.off_m, anywhere = beside, along
        if beside > ON_ROUTE_M:
            self.off_m, anywhere = line.nearest(latitude, longitude)
        if self.off_m <= ON_ROUTE_M:  # where it was expected, or where it came back to the line
            self.along_m, self.along_at = anywhere, at
        elif beside <= BESIDE_M:
            self.along_m, self.along_at = along, at

    def _learn_pace(self, plan: Plan, before_m: float, took: int) -> None:
        driven = self.along_m - before_m
        if took <= 0 or driven * NS < _MOVING_M_S * took:
            return
        if any(before_m <= one.along_m <= self.along_m for one in plan.places):
            return  # a halt may lie within
        planned = plan.planned_ns(before_m, self.along_m)
        if planned > 0:
            pace = min(max(planned / took, _PACE[0]), _PACE[1])
            self.pace += (1 - exp(-driven / _LEARN_M)) * (pace - self.pace)

    def _serve(self, plan: Plan, at: int) -> None:
        for place in plan.places:
            stop = place.stop
            held = self.served.get(stop.name)
            if held is not None and held[1]:
                continue
            away = self._away(place)
            if held is not None:
                if away > stop.radius_m * _LEFT:
                    held[1] = at
            elif away <= stop.radius_m and self._is_due(place):
                self.served[stop.name] = [at, 0]

    def _away(self, place: Place) -> float:
        stop = place.stop
        # Far away in latitude alone: most stops, most of the time.
        if abs(self.latitude - stop.latitude) * 110_000 > stop.radius_m * 2:
            return inf
        return distance_m(self.latitude, self.longitude, stop.latitude, stop.longitude)

    def _is_due(self, place: Place) -> bool:
        """Return whether a vehicle at a stop can be there for it: a depot is its first and last."""
        return self.along_m < 0 or abs(self.along_m - place.along_m) <= (
            2 * place.stop.radius_m + ON_ROUTE_M
        )

    # --- what is told ---

    def missed(self, plan: Plan, place: Place) -> bool:
        """Return whether a stop was passed without a halt: by the way, or by a later stop."""
        if place.stop.name in self.served:
            return False
        behind = plan.places[plan.places.index(place) + 1 :]
        if any(one.stop.name in self.served for one in behind):
            return True
        return self.along_m > place.along_m + place.stop.radius_m + _PASSED_M

    def following(self, plan: Plan) -> list[Place]:
        """Return the stops that are still to come, the next one first."""
        places = plan.places
        return [
            one for one in places if one.stop.name not in self.served and not self.missed(plan, one)
        ]

    def standing_at(self, plan: Plan) -> Place | None:
        """Return the stop at which it is, or None."""
        for place in plan.places:
            held = self.served.get(place.stop.name)
            if held is not None and not held[1]:
                return place
        return None

    def arrives_in_ns(self, plan: Plan, starts_at: int, target: Place) -> float:
        """Return how long it takes to a stop that is still to come, with the halts between."""
        now = float(self.at - starts_at)
        here = self.standing_at(plan)
        if here is not None:
            arrived = self.served[here.stop.name][0] - starts_at
            now = max(now, here.depart, arrived + here.depart - here.arrive)
        along = max(self.along_m, 0.0)
        pace, detour = self.pace, self.off_m if self.off_m > ON_ROUTE_M else 0.0
        for place in self.following(plan):
            if place.along_m > target.along_m:
                break
            now += self._leg_ns(plan, along, place, detour) / pace
            pace, detour, along = 1.0, 0.0, place.along_m
            if place is target:
                break
            now = max(now + place.depart - place.arrive, place.depart)
        return now - (self.at - starts_at)

    @staticmethod
    def _leg_ns(plan: Plan, along: float, place: Place, detour: float) -> float:
        planned, length = plan.planned_ns(along, place.along_m), place.along_m - along
        if planned <= 0 or length <= 0:
            # The plan says nothing of this part (before the first stop): as fast as all of it.
            first, last = plan.places[0], plan.places[-1]
            whole = last.along_m - first.along_m
            total = plan.planned_ns(first.along_m, last.along_m)
            speed = total / whole if whole > 0 and total > 0 else NS / 14.0  # 50 km/h
            return (max(length, 0.0) + detour) * speed
        return planned * (1 + detour / length)

    # --- on disk ---

    def state(self) -> list[Any]:
        """Return all as plain values."""
        return [
            self.version, self.at, self.latitude, self.longitude, self.off_m,
            self.along_m, self.along_at, self.pace, self.served,
        ]  # fmt: skip

    @classmethod
    def of(cls, state: list[Any]) -> "Track":
        """Make what `state` gave."""
        made = cls(state[0])
        (
            made.version, made.at, made.latitude, made.longitude, made.off_m,
            made.along_m, made.along_at, made.pace, served,
        ) = state  # fmt: skip
        made.served = {name: list(times) for name, times in served.items()}
        return made
