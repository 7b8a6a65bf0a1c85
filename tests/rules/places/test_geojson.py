"""GeoJSON in: what is wrong is said with its place."""

from typing import Any

import pytest

from weft.errors import Invalid
from weft.rules.places.geojson import (
    VERTICES_MAX,
    read_line,
    read_point,
    read_polygons,
)

SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]


def test_the_three_kinds_are_read() -> None:
    """A height is passed over; a position that stands still is one."""
    assert read_point({"type": "Point", "coordinates": [12.4, 51.3, 110.0]}) == (12.4, 51.3)
    line = {"type": "LineString", "coordinates": [[0, 0], [0, 0], [1, 1]]}
    assert read_line(line) == [(0.0, 0.0), (1.0, 1.0)]
    ((ring,),) = read_polygons({"type": "Polygon", "coordinates": [SQUARE]})
    assert len(ring) == 5
    two = read_polygons({"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE, SQUARE]]})
    assert [len(rings) for rings in two] == [1, 2]


@pytest.mark.parametrize(
    ("geometry", "match"),
    [
        ({"type": "Polygon", "coordinates": [SQUARE[:4]]}, "the last is the first"),
        (
            {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [2, 2], [0, 0]]]},
            "encloses nothing",
        ),
        ({"type": "Polygon", "coordinates": []}, "has no ring"),
        ({"type": "MultiPolygon", "coordinates": [[]]}, "has no ring"),
        ({"type": "Polygon", "coordinates": SQUARE}, "is no position"),
        ({"type": "Polygon", "coordinates": 7}, "is no list"),
        ({"type": "Polygon"}, "with coordinates was expected"),
        ({"type": "Polygon", "coordinates": [[[0, 0], ["1", 0], [1, 1], [0, 0]]]}, "position 2"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [True, 0], [1, 1], [0, 0]]]}, "position 2"),
        ({"type": "Polygon", "coordinates": [[[51, 120], [1, 0], [1, 1], [51, 120]]]}, "no place"),
        (
            {
                "type": "Polygon",
                "coordinates": [[[0, 80], [120, 80], [-120, 80], [0, 80]]],
            },
            "goes around a pole",
        ),
        (
            {"type": "Polygon", "coordinates": [[[0, 84], [1, 84], [1, 86], [0, 84]]]},
            "too near to a pole",
        ),
    ],
)
def test_a_wrong_polygon_is_refused(geometry: dict[str, Any], match: str) -> None:
    """Each says what it is that is wrong."""
    with pytest.raises(Invalid, match=match) as caught:
        read_polygons(geometry)
    assert caught.value.remedy


def test_a_line_that_goes_nowhere_is_refused() -> None:
    """One position, however often, is no line."""
    with pytest.raises(Invalid, match="two different positions"):
        read_line({"type": "LineString", "coordinates": [[1, 1], [1, 1]]})
    with pytest.raises(Invalid, match="LineString"):
        read_line({"type": "Point", "coordinates": [1, 1]})


def test_vertices_are_bounded() -> None:
    """A coastline to the metre is not taken."""
    many = [[place / 10_000, 0] for place in range(VERTICES_MAX + 1)]
    with pytest.raises(Invalid, match="at most 2000"):
        read_line({"type": "LineString", "coordinates": many})
    with pytest.raises(Invalid, match="at most 2000"):
        read_polygons({"type": "Polygon", "coordinates": [many]})


def test_a_ring_over_the_antimeridian_is_one_piece() -> None:
    """Written plainly, without the cut that RFC 7946 recommends."""
    ring = [[179, -17], [-179, -17], [-179, -16], [179, -16], [179, -17]]
    ((found,),) = read_polygons({"type": "Polygon", "coordinates": [ring]})
    assert [longitude for longitude, _ in found] == [179, 181, 181, 179, 179]
