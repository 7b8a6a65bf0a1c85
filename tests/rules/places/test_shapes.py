"""Shapes of fences: inside, outside, and by how much."""

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.errors import Invalid
from weft.rules.places.shapes import Polygon, shape_of, vertices_of
from weft.rules.places.sphere import Position

RING = [[12.0, 51.0], [12.1, 51.0], [12.1, 51.1], [12.0, 51.1], [12.0, 51.0]]
HOLE = [[12.04, 51.04], [12.06, 51.04], [12.06, 51.06], [12.04, 51.06], [12.04, 51.04]]


def even_odd(rings: list[list[Position]], latitude: float, longitude: float) -> bool:
    """Cross every edge: the definition, without bands."""
    crossed = False
    for ring in rings:
        for (west, south), (east, north) in itertools.pairwise(ring):
            if (south > latitude) != (north > latitude):
                at = west + (latitude - south) * (east - west) / (north - south)
                crossed ^= at < longitude
    return crossed


degrees = st.floats(-1, 1).map(lambda one: round(one, 3))
corners = st.lists(st.tuples(degrees, degrees), min_size=3, max_size=80, unique=True)


@settings(max_examples=150, deadline=None)
@given(ring=corners, point=st.tuples(degrees, degrees))
def test_bands_change_no_answer(ring: list[Position], point: Position) -> None:
    """Any ring, crossing itself or not; points on a corner's latitude among them."""
    if len({latitude for _, latitude in ring}) == 1:
        return
    closed = [*ring, ring[0]]
    expected = even_odd([closed], point[1] + 1e-7, point[0] + 1e-7)
    assert Polygon([closed]).inside(point[1] + 1e-7, point[0] + 1e-7) is expected


def test_a_hole_is_outside() -> None:
    """The yard around the hall, without the hall."""
    yard = shape_of({"type": "Polygon", "coordinates": [RING, HOLE]}, None)
    assert yard.inside(51.02, 12.02)
    assert not yard.inside(51.05, 12.05)
    assert not yard.inside(51.2, 12.05)
    assert not yard.inside(51.05, 11.9)
    assert yard.margin_m(51.05, 12.05) == pytest.approx(-0.01 * 70_000, rel=0.02)
    assert yard.margin_m(51.001, 12.05) == pytest.approx(111, abs=1)


def test_a_circle_knows_its_radius_in_every_direction() -> None:
    """Round on the ground, not in degrees."""
    circle = shape_of({"type": "Point", "coordinates": [12.0, 60.0]}, 1_000)
    for degree in range(0, 360, 15):
        up = math.cos(math.radians(degree)) / 111_412
        across = math.sin(math.radians(degree)) / 55_800
        assert circle.inside(60.0 + up * 995, 12.0 + across * 995)
        assert not circle.inside(60.0 + up * 1_005, 12.0 + across * 1_005)
        assert circle.margin_m(60.0 + up * 900, 12.0 + across * 900) == pytest.approx(100, abs=2)


def test_a_corridor_follows_its_line() -> None:
    """Two hundred metres to either side, and around both ends."""
    line = {"type": "LineString", "coordinates": [[12.0, 51.0], [12.1, 51.0], [12.1, 51.1]]}
    corridor = shape_of(line, 200)
    assert corridor.inside(51.0015, 12.05)
    assert not corridor.inside(51.0025, 12.05)
    assert corridor.inside(51.05, 12.1025)
    assert not corridor.inside(51.05, 12.104)
    assert corridor.inside(51.1015, 12.1)
    assert not corridor.inside(51.11, 12.1)
    assert corridor.margin_m(51.0, 12.05) == pytest.approx(200, abs=0.1)


def test_fences_lie_across_the_antimeridian() -> None:
    """In one piece or cut in two (RFC 7946, 3.1.9): the same answers."""
    whole = {
        "type": "Polygon",
        "coordinates": [[[179, -17], [-179, -17], [-179, -16], [179, -16], [179, -17]]],
    }
    cut = {
        "type": "MultiPolygon",
        "coordinates": [
            [[[179, -17], [180, -17], [180, -16], [179, -16], [179, -17]]],
            [[[-180, -17], [-179, -17], [-179, -16], [-180, -16], [-180, -17]]],
        ],
    }
    for shape in (shape_of(whole, None), shape_of(cut, None)):
        assert shape.inside(-16.5, 179.5)
        assert shape.inside(-16.5, -179.5)
        assert not shape.inside(-16.5, 178.5)
        assert not shape.inside(-16.5, -178.5)
        assert not shape.inside(-16.5, 0.0)
        assert shape.margin_m(-16.5, 178.9) < 0 < shape.margin_m(-16.5, 179.1)
    line = {"type": "LineString", "coordinates": [[179.9, -17], [-179.9, -17]]}
    corridor = shape_of(line, 1_000)
    assert corridor.inside(-17.001, 179.95)
    assert corridor.inside(-17.001, -179.95)
    point = shape_of({"type": "Point", "coordinates": [180, -17]}, 1_000)
    assert point.inside(-17, 179.995)
    assert point.inside(-17, -179.995)


@pytest.mark.parametrize(
    ("geometry", "radius_m", "match"),
    [
        ({"type": "Point", "coordinates": [12, 51]}, None, "needs radius_m"),
        ({"type": "Point", "coordinates": [12, 51]}, 0.0, "needs radius_m"),
        ({"type": "LineString", "coordinates": [[1, 1], [2, 2]]}, 1e6, "needs radius_m"),
        ({"type": "Point", "coordinates": [12, 51]}, float("nan"), "needs radius_m"),
        ({"type": "Polygon", "coordinates": [RING]}, 5.0, "has no radius_m"),
        ({"type": "GeometryCollection", "geometries": []}, None, "is no geometry of a fence"),
        ({}, None, "None is no geometry of a fence"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(
    geometry: dict[str, Any], radius_m: float | None, match: str
) -> None:
    """With what to give instead."""
    with pytest.raises(Invalid, match=match) as caught:
        shape_of(geometry, radius_m)
    assert caught.value.remedy


def test_tall_edges_do_not_fill_the_memory() -> None:
    """A saw of 2,000 teeth, each as tall as the fence: bands are few, answers the same."""
    saw = [(place / 1_000, float(place % 2)) for place in range(1_000)]
    ring = [*saw, (1.0, -1.0), (0.0, -1.0), saw[0]]
    polygon = Polygon([ring])
    assert sum(len(band) for band in polygon._bands) <= 40 * len(ring)
    for longitude, latitude in [(0.5005, 0.2), (0.5005, 0.9), (0.3, -0.5)]:
        assert polygon.inside(latitude, longitude) is even_odd([ring], latitude, longitude)


def test_positions_are_counted() -> None:
    """For listings: how fine a fence is drawn."""
    assert vertices_of({"type": "Polygon", "coordinates": [RING, HOLE]}) == 10
    assert vertices_of({"type": "Point", "coordinates": [1, 2]}) == 1
