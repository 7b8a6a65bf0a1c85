"""Plans: stops on their line, and how long the plan takes between two places."""

import pytest
from tests.rules.places.support import plan, road, stop

from weft.errors import Invalid

S = 1_000_000_000


def test_stops_stand_where_they_are_on_the_line() -> None:
    """In their order, at their times."""
    made = plan()
    assert [one.stop.name for one in made.places] == ["depot", "middle", "end"]
    along = [one.along_m for one in made.places]
    assert along == pytest.approx([0, made.line.length_m / 2, made.line.length_m], abs=1)
    assert [one.arrive for one in made.places] == [0, 1800 * S, 4500 * S]
    assert made.places[1].dwell_max == 1800 * S


def test_a_round_trip_begins_and_ends_at_one_depot() -> None:
    """Out and back on one road: the depot is first at its begin, then at its end."""
    there_and_back = [[12.0, 51.0], [12.5, 51.0], [12.0, 51.0]]
    made = plan(
        road(
            stop("out", 12.0, 51.0, 0, 0),
            stop("turn", 12.5, 51.0, 1800, 1800),
            stop("home", 12.0, 51.0, 3600, 3600),
            line=there_and_back,
        )
    )
    whole = made.line.length_m
    assert [one.along_m for one in made.places] == pytest.approx([0, whole / 2, whole], abs=1)


def test_planned_time_is_driving_alone() -> None:
    """A halt at the stop between is not driven."""
    made = plan()
    whole = made.line.length_m
    assert made.planned_ns(0, whole) == pytest.approx(3600 * S)
    assert made.planned_ns(whole / 4, 3 * whole / 4) == pytest.approx(1800 * S)
    assert made.planned_ns(whole, 0) == 0


def test_a_stop_far_from_the_line_is_refused() -> None:
    """Or one that comes before the one in front of it."""
    with pytest.raises(Invalid, match="'aside' lies 1112 m beside the line"):
        plan(road(stop("aside", 12.2, 51.01, 0, 0)))
    with pytest.raises(Invalid, match="'first' lies"):
        plan(road(stop("second", 12.5, 51.0, 0, 0), stop("first", 12.2, 51.0, 9, 9)))
