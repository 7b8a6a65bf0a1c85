"""Lines with an index: the same answers as without one."""

import itertools
from math import cos, hypot, inf, radians

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.rules.places.lines import Line
from weft.rules.places.sphere import Position, distance_m

degrees = st.floats(-0.5, 0.5).map(lambda one: round(one, 4))
points = st.tuples(degrees.map(lambda one: 12 + one), degrees.map(lambda one: 51 + one))


def sampled(line: list[Position], latitude: float, longitude: float) -> tuple[float, float]:
    """Return (distance, along) by walking the line in small steps: slow and plain."""
    best, where, along = inf, 0.0, 0.0
    for (west, south), (east, north) in itertools.pairwise(line):
        length = distance_m(south, west, north, east)
        for step in range(201):
            part = step / 200
            lon, lat = west + (east - west) * part, south + (north - south) * part
            away = distance_m(latitude, longitude, lat, lon)
            if away < best:
                best, where = away, along + length * part
        along += length
    return best, where


@settings(max_examples=60, deadline=None)
@given(line=st.lists(points, min_size=2, max_size=25, unique=True), point=points)
def test_the_nearest_place_is_found_though_most_is_left_out(
    line: list[Position], point: Position
) -> None:
    """Against small steps along the line: never farther, and not nearer than steps allow."""
    made = Line([line])
    away, along = made.nearest(point[1], point[0])
    slow, _where = sampled(line, point[1], point[0])
    assert away <= slow * 1.01 + 5
    assert away >= slow * 0.99 - 0.006 * made.length_m
    assert 0 <= along <= made.length_m + 1e-6


@settings(max_examples=60, deadline=None)
@given(
    line=st.lists(points, min_size=2, max_size=60, unique=True),
    point=points,
    low=st.floats(0, 1),
    high=st.floats(0, 1),
)
def test_a_part_of_the_line_is_searched_alone(
    line: list[Position], point: Position, low: float, high: float
) -> None:
    """A road that is driven out and back has each place twice."""
    made = Line([line])
    low_m, high_m = sorted((low * made.length_m, high * made.length_m))
    away, along = made.nearest(point[1], point[0], low_m, high_m)
    assert low_m - 1e-6 <= along <= high_m + 1e-6
    assert away >= made.nearest(point[1], point[0])[0] - 0.02


def test_of_two_places_as_near_the_earlier_counts() -> None:
    """There and back again: the way out is found, unless the way back is asked for."""
    line = Line([[(12.0, 51.0), (12.1, 51.0), (12.0, 51.0)]])
    quarter = line.length_m / 4
    assert line.nearest(51.001, 12.05)[1] == pytest.approx(quarter, abs=1)
    assert line.nearest(51.001, 12.05, 2 * quarter)[1] == pytest.approx(3 * quarter, abs=1)
    assert line.nearest(51.001, 12.05, 5 * quarter) == (inf, 0.0)


def test_a_line_across_a_continent_is_measured_in_pieces() -> None:
    """One plane would be wrong by far: Lisbon to Warsaw along a parallel's chord in degrees."""
    line = Line([[(-9.1, 38.7), (21.0, 52.2)]])
    assert line.nearest(52.2, 21.0) == (pytest.approx(0, abs=1), pytest.approx(line.length_m))
    middle = line.nearest((38.7 + 52.2) / 2 + 0.1, (-9.1 + 21.0) / 2)[0]
    up, across = 0.1 * 111_132, 0.1 * 111_132 * 13.5 / (30.1 * cos(radians(45.45)))
    assert middle == pytest.approx(
        up * across / hypot(up, across) * 30.1 * cos(radians(45.45)) / 13.5, rel=0.05
    )


def test_the_antimeridian_is_crossed() -> None:
    """A ferry near Fiji; positions come on both sides."""
    line = Line([[(179.9, -17.0), (180.1, -17.0)]])
    west, east = line.nearest(-17.01, 179.95), line.nearest(-17.01, -179.95)
    assert west[0] == pytest.approx(east[0], abs=0.01)
    assert (west[1], east[1]) == (
        pytest.approx(line.length_m / 4),
        pytest.approx(3 * line.length_m / 4),
    )
