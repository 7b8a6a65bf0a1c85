"""GeoJSON geometries in: checked, bounded, without the jump at the antimeridian (RFC 7946).

Positions are [longitude, latitude]; a height behind them is passed over. A ring may cross
the antimeridian as it is (each edge goes the short way) or come in two parts (3.1.9).
"""

from collections.abc import Mapping
from typing import Any, Final

from weft.errors import Invalid
from weft.rules.places.sphere import Position, require_place, unwrapped

VERTICES_MAX: Final = 2_000  # of a fence
LINE_MAX: Final = 5_000  # of a planned route

Ring = list[Position]


def read_point(geometry: Mapping[str, Any]) -> Position:
    """Return the position of a Point; raise `Invalid` for anything else."""
    return _position(_coordinates(geometry, "Point"), "the point")


def read_line(geometry: Mapping[str, Any], vertices_max: int = VERTICES_MAX) -> list[Position]:
    """Return the positions of a LineString, unwrapped; raise `Invalid` saying what is wrong."""
    items = _list(_coordinates(geometry, "LineString"), "the line")
    _require_few(len(items), vertices_max)
    line = unwrapped([_position(one, f"position {place}") for place, one in enumerate(items, 1)])
    line = [one for place, one in enumerate(line) if not place or one != line[place - 1]]
    if len(line) < 2:
        raise Invalid("A line has two different positions at least.", remedy="Add the others.")
    return line


def read_polygons(geometry: Mapping[str, Any]) -> list[list[Ring]]:
    """Return the rings of a Polygon or of each of a MultiPolygon: the outer one, then holes."""
    kind = geometry.get("type")
    coordinates = _coordinates(geometry, str(kind))
    items = _list(coordinates, "the polygons") if kind == "MultiPolygon" else [coordinates]
    polygons = [_list(one, "the polygon") for one in items]
    rings = [_list(ring, "the ring") for polygon in polygons for ring in polygon]
    _require_few(sum(len(ring) for ring in rings), VERTICES_MAX)
    if not rings or not all(polygons):
        raise Invalid("The polygon has no ring.", remedy="Give [[[lon, lat], …, [lon, lat]]].")
    return [[_ring(ring) for ring in polygon] for polygon in polygons]


def _ring(items: list[Any]) -> Ring:
    given = [_position(one, f"position {place}") for place, one in enumerate(items, 1)]
    if len(given) < 4 or given[0] != given[-1]:
        raise Invalid(
            "A ring has four positions at least, and the last is the first again.",
            remedy="Close the ring (RFC 7946, 3.1.6).",
        )
    ring = unwrapped(given)
    if ring[0] != ring[-1]:
        raise Invalid(
            "The ring goes around a pole.",
            remedy="Cut it: Weft has no fences around a pole.",
        )
    doubled = sum(
        (ring[place][0] - ring[0][0]) * (ring[place + 1][1] - ring[0][1])
        - (ring[place + 1][0] - ring[0][0]) * (ring[place][1] - ring[0][1])
        for place in range(len(ring) - 1)
    )
    if doubled == 0:
        raise Invalid("The ring encloses nothing.", remedy="Give three corners that are apart.")
    return ring


def _coordinates(geometry: Mapping[str, Any], kind: str) -> Any:
    if geometry.get("type") != kind or "coordinates" not in geometry:
        raise Invalid(
            f"The geometry is {geometry.get('type')!r}, and {kind} with coordinates was expected.",
            remedy='Write {"type": "…", "coordinates": […]} (RFC 7946, 3.1).',
        )
    return geometry["coordinates"]


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise Invalid(f"{what} is no list.", remedy="See RFC 7946, 3.1, for how deep it nests.")
    return value


def _position(value: Any, what: str) -> Position:
    if (
        not isinstance(value, list)
        or not 2 <= len(value) <= 4
        or not all(one.__class__ in (int, float) for one in value)
    ):
        raise Invalid(f"{what} is no position.", remedy="Write [longitude, latitude], in degrees.")
    return require_place(float(value[0]), float(value[1]), what)


def _require_few(count: int, most: int) -> None:
    if count > most:
        raise Invalid(
            f"The geometry has {count} positions; at most {most} are taken.",
            remedy="Simplify it: a fence need not follow every bend.",
        )
