"""Distances on the Earth, against what geodesists published."""

import pytest

from weft.errors import Invalid
from weft.rules.places.sphere import degree_m, distance_m, is_place, require_place, unwrapped


@pytest.mark.parametrize(
    ("latitude", "east", "north"),
    [(0.0, 111_320.0, 110_574.0), (45.0, 78_847.0, 111_132.0), (60.0, 55_800.0, 111_412.0)],
)
def test_a_degree_is_as_long_as_the_ellipsoid_says(
    latitude: float, east: float, north: float
) -> None:
    """The table of any geodesy book, to the metre."""
    found_east, found_north = degree_m(latitude)
    assert found_east == pytest.approx(east, abs=1.0)
    assert found_north == pytest.approx(north, abs=1.0)


def test_near_points_are_measured_to_a_thousandth() -> None:
    """Vincenty's own example of a line: Flinders Peak to Buninyong, 54,972.271 m."""
    found = distance_m(-37.951033417, 144.424867889, -37.652821139, 143.926495528)
    assert found == pytest.approx(54_972.271, rel=1e-4)


def test_far_points_are_measured_to_half_a_percent() -> None:
    """A quarter of the meridian is 10,001,966 m on WGS 84."""
    assert distance_m(0.0, 10.0, 90.0, 10.0) == pytest.approx(10_001_966, rel=5e-3)


def test_the_antimeridian_is_no_wall() -> None:
    """Two islands of Fiji are neighbours though their longitudes are 360 degrees apart."""
    across = distance_m(-17.0, 179.99, -17.0, -179.99)
    assert across == pytest.approx(distance_m(-17.0, 10.0, -17.0, 10.02), rel=1e-9)
    assert across == distance_m(-17.0, -179.99, -17.0, 179.99)


def test_a_line_goes_the_short_way_round() -> None:
    """Longitudes leave the turn rather than jump; half around is neither way."""
    assert unwrapped([(179.0, 0.0), (-179.0, 1.0), (179.0, 2.0)]) == [
        (179.0, 0.0),
        (181.0, 1.0),
        (179.0, 2.0),
    ]
    with pytest.raises(Invalid, match="half around"):
        unwrapped([(0.0, 0.0), (180.0, 0.0)])


@pytest.mark.parametrize(
    ("longitude", "latitude", "match"),
    [
        (181.0, 0.0, "no place on Earth"),
        (0.0, 91.0, "no place on Earth"),
        (float("nan"), 0.0, "no place on Earth"),
        (0.0, float("inf"), "no place on Earth"),
        (12.0, 85.5, "too near to a pole"),
        (12.0, -89.0, "too near to a pole"),
    ],
)
def test_what_is_no_place_for_a_fence_is_refused(
    longitude: float, latitude: float, match: str
) -> None:
    """Longitude and latitude the wrong way round are the usual cause."""
    with pytest.raises(Invalid, match=match):
        require_place(longitude, latitude, "the point")


def test_a_receiver_without_a_fix_is_nowhere() -> None:
    """Some send 999 or nothing that is a number."""
    assert is_place(51.0, 12.0)
    assert not is_place(999.0, 12.0)
    assert not is_place(float("nan"), 12.0)
