"""Shapes of fences: a circle, polygons with holes, or a corridor along a line.

A shape tells whether a point is inside, and by how much. Edges of polygons are straight in
degrees (RFC 7946, 3.1.1); a polygon's edges stand in bands of latitude, so that a point is
tested against the few that it could cross: 1,000 corners cost under 2 µs (benchmarks/places.py).
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from weft.errors import Invalid
from weft.rules.places.geojson import Ring, read_line, read_point, read_polygons
from weft.rules.places.lines import Line
from weft.rules.places.sphere import degree_m, distance_m

RADIUS_MAX_M: Final = 100_000.0
_BANDS_MAX: Final = 1_024


class Shape(Protocol):
    """What a fence encloses; points are degrees, amounts metres."""

    def inside(self, latitude: float, longitude: float) -> bool:
        """Return whether a point is in it; of the border itself, one side may be."""
        ...

    def margin_m(self, latitude: float, longitude: float) -> float:
        """Return how far from the border a point is: inside above 0, outside below."""
        ...


class Circle:
    """All within a radius of a point."""

    def __init__(self, latitude: float, longitude: float, radius_m: float) -> None:
        self._latitude = latitude
        self._longitude = longitude
        self._radius_m = radius_m
        self._up = radius_m / 110_574.0  # no farther north or south is anything inside

    def inside(self, latitude: float, longitude: float) -> bool:
        """Return whether a point is within the radius."""
        if not -self._up <= latitude - self._latitude <= self._up:
            return False
        return distance_m(latitude, longitude, self._latitude, self._longitude) <= self._radius_m

    def margin_m(self, latitude: float, longitude: float) -> float:
        """Return the radius less the distance from the centre."""
        return self._radius_m - distance_m(latitude, longitude, self._latitude, self._longitude)


class Corridor:
    """All within a distance of a line."""

    def __init__(self, line: Line, radius_m: float) -> None:
        self._line = line
        self._radius_m = radius_m
        east = degree_m(min(max(abs(line.south), abs(line.north)) + 1.0, 89.0))[0]
        across, up = radius_m / east, radius_m / 110_574.0
        self._west, self._east = line.west - across, line.east + across
        self._south, self._north = line.south - up, line.north + up

    def inside(self, latitude: float, longitude: float) -> bool:
        """Return whether a point is near enough to the line."""
        if not self._south <= latitude <= self._north:
            return False
        if not self._west <= self._line.beside(longitude) <= self._east:
            return False
        return self._line.nearest(latitude, longitude)[0] <= self._radius_m

    def margin_m(self, latitude: float, longitude: float) -> float:
        """Return the radius less the distance from the line."""
        return self._radius_m - self._line.nearest(latitude, longitude)[0]


class Polygon:
    """What a ring encloses, less its holes: an edge crossed an odd number of times (even-odd)."""

    def __init__(self, rings: Sequence[Ring]) -> None:
        self.line = Line(rings)
        edges = [
            (*begin, *end)
            for ring in rings
            for begin, end in itertools.pairwise(ring)
            if begin[1] != end[1]  # one along a parallel is never crossed
        ]
        self._south, self._north = self.line.south, self.line.north
        tall = self._north - self._south
        crossings = [
            (min(south, north), max(south, north), lean, west - lean * south)
            for west, south, _east, north, lean in (
                (*edge, (edge[2] - edge[0]) / (edge[3] - edge[1])) for edge in edges
            )
        ]
        many = min(len(crossings), _BANDS_MAX)
        # Tall edges stand in many bands: fewer bands, rather than more memory than that.
        while sum((high - low) * many / tall for low, high, *_ in crossings) > 8 * len(crossings):
            many //= 2
        self._scale = many / tall
        self._bands: list[list[tuple[float, float, float, float]]] = [[] for _ in range(many)]
        for crossing in crossings:
            for band in range(self._band(crossing[0]), self._band(crossing[1]) + 1):
                self._bands[band].append(crossing)

    def _band(self, latitude: float) -> int:
        return min(int((latitude - self._south) * self._scale), len(self._bands) - 1)

    def inside(self, latitude: float, longitude: float) -> bool:
        """Return whether a line from the point to the west crosses the border an odd time."""
        if not self._south <= latitude <= self._north:
            return False
        longitude = self.line.beside(longitude)
        if not self.line.west <= longitude <= self.line.east:
            return False
        crossed = False
        for low, high, lean, offset in self._bands[self._band(latitude)]:
            if low <= latitude < high and offset + lean * latitude < longitude:
                crossed = not crossed
        return crossed

    def margin_m(self, latitude: float, longitude: float) -> float:
        """Return the distance from the nearest edge, above 0 inside."""
        away = self.line.nearest(latitude, longitude)[0]
        return away if self.inside(latitude, longitude) else -away


class Several:
    """Inside any of some polygons."""

    def __init__(self, polygons: Sequence[Polygon]) -> None:
        self._polygons = tuple(polygons)

    def inside(self, latitude: float, longitude: float) -> bool:
        """Return whether a point is in one of them."""
        return any(one.inside(latitude, longitude) for one in self._polygons)

    def margin_m(self, latitude: float, longitude: float) -> float:
        """Return the margin of the one that says most."""
        return max(one.margin_m(latitude, longitude) for one in self._polygons)


def shape_of(geometry: Mapping[str, Any], radius_m: float | None) -> Shape:
    """Return the shape of a GeoJSON geometry; raise `Invalid` for one that cannot be.

    A Point with a radius is a circle, a LineString with a radius a corridor; a Polygon or a
    MultiPolygon has none.
    """
    kind = geometry.get("type")
    if kind in {"Polygon", "MultiPolygon"}:
        if radius_m is not None:
            raise Invalid(f"A {kind} has no radius_m.", remedy="Leave it out.")
        polygons = [Polygon(rings) for rings in read_polygons(geometry)]
        return polygons[0] if len(polygons) == 1 else Several(polygons)
    if kind not in {"Point", "LineString"}:
        raise Invalid(
            f"{kind!r} is no geometry of a fence.",
            remedy="Give a Polygon or MultiPolygon, or a Point or LineString with radius_m.",
        )
    if radius_m is None or not 1 <= radius_m <= RADIUS_MAX_M:
        raise Invalid(
            f"A fence of a {kind} needs radius_m, from 1 to {RADIUS_MAX_M:g} metres.",
            remedy="Give how far from the point, or to either side of the line, it reaches.",
        )
    if kind == "Point":
        longitude, latitude = read_point(geometry)
        return Circle(latitude, longitude, radius_m)
    return Corridor(Line([read_line(geometry)]), radius_m)


def vertices_of(geometry: Mapping[str, Any]) -> int:
    """Return how many positions a geometry that was read before has."""

    def count(value: Any) -> int:
        flat = not isinstance(value[0], list)
        return 1 if flat else sum(count(one) for one in value)

    return count(geometry["coordinates"])
