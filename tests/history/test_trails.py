"""A device's way, in as few points as a map needs."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from weft.history.trails import trail_of
from weft.ports import HistoryTrace


def trace(key: str, at: list[int], values: list[float]) -> HistoryTrace:
    return HistoryTrace("truck-1", key, np.array(at, np.int64), np.array(values, np.float64))


def test_places_are_joined_by_their_moments() -> None:
    """A latitude without its longitude is no place, nor is a word or what is off the Earth."""
    north = trace("latitude", [1, 2, 3, 4, 5], [50.0, 51.0, 52.0, np.nan, 95.0])
    east = trace("longitude", [1, 3, 4, 5, 6], [10.0, 12.0, 13.0, 14.0, 15.0])
    found = trail_of(north, east, 100)
    assert (found.at.tolist(), found.latitude.tolist()) == ([1, 3], [50.0, 52.0])
    assert trail_of(north, None, 100).at.tolist() == []


def test_a_halt_is_its_first_and_last_place() -> None:
    """So that one sees from when to when; what lies between says nothing."""
    steps = [50.0, 50.1, 50.1, 50.1, 50.1, 50.1, 50.2]
    at = list(range(len(steps)))
    found = trail_of(trace("n", at, steps), trace("e", at, [10.0] * len(at)), 100)
    assert found.at.tolist() == [0, 1, 5, 6]


def test_corners_stay() -> None:
    """Along three sides of a square, a handful of points are the square."""
    side = np.linspace(0, 1, 101)
    north = np.concatenate([np.zeros(101), side[1:], np.ones(100)])
    east = np.concatenate([side, np.ones(100), side[::-1][1:]])
    at = np.arange(len(north))
    found = trail_of(HistoryTrace("d", "n", at, north), HistoryTrace("d", "e", at, east), 12)
    kept = set(zip(found.latitude.round(1), found.longitude.round(1), strict=True))
    assert len(found.at) == 12
    assert {(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0)} <= kept


@given(
    st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), max_size=80),
    st.integers(2, 20),
)
def test_a_way_begins_and_ends_where_it_did_and_is_no_longer_than_asked(
    places: list[tuple[float, float]], points: int
) -> None:
    """Whatever the way, the points are of it, in the order of time."""
    at = list(range(len(places)))
    north, east = [one[0] for one in places], [one[1] for one in places]
    found = trail_of(trace("n", at, north), trace("e", at, east), points)
    assert len(found.at) <= points
    kept = found.at.tolist()
    assert kept == sorted(set(kept))
    if places:
        assert (kept[0], kept[-1]) == (0, len(places) - 1)
    for moment, latitude in zip(kept, found.latitude.tolist(), strict=True):
        assert latitude == north[moment]
