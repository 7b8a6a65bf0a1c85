"""Tracking: progress, stops, pace and arrival of a vehicle on its route."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rules.places.support import plan, road, stop

from weft.rules.places.plans import Plan
from weft.rules.places.tracking import Track

S = 1_000_000_000


def drive(made: Plan, track: Track, steps: list[tuple[float, float]]) -> None:
    """Go to longitudes at seconds, on the road."""
    for second, longitude in steps:
        track.move(made, round(second * S), 51.0, longitude)


def seconds_to(made: Plan, track: Track, name: str) -> float:
    target = next(one for one in made.places if one.stop.name == name)
    return track.arrives_in_ns(made, 0, target) / S


def even(start: float, end: float, begin: float, longitude: float, speed: float) -> Any:
    """Steps of 10 s at so many degrees a second."""
    return [
        (second, longitude + (second - begin) * speed) for second in range(int(start), int(end), 10)
    ]


PLANNED = 0.5 / 1800  # degrees a second


def test_stops_are_served_in_their_order_and_left() -> None:
    """Depot, a halt in the middle, the end."""
    made, track = plan(), Track(1)
    drive(made, track, even(0, 1800, 0, 12.0, PLANNED))
    assert [one.stop.name for one in track.following(made)] == ["middle", "end"]
    assert track.standing_at(made) is None
    drive(made, track, [(1800 + n, 12.5) for n in range(0, 900, 60)])
    here = track.standing_at(made)
    assert here is not None
    assert here.stop.name == "middle"
    drive(made, track, even(2700, 4510, 2700, 12.5, PLANNED))
    assert track.served["depot"][1]
    assert track.served["middle"][0] == pytest.approx(1800 * S, abs=20 * S)
    assert track.following(made) == []
    assert not any(track.missed(made, one) for one in made.places)


def test_on_plan_the_arrival_is_the_plans() -> None:
    """To the next stop, and to the one behind it with the halt between."""
    made, track = plan(), Track(1)
    drive(made, track, even(0, 910, 0, 12.0, PLANNED))
    assert seconds_to(made, track, "middle") == pytest.approx(900, abs=10)
    assert seconds_to(made, track, "end") == pytest.approx(3600, abs=10)


def test_a_slow_vehicle_is_expected_later() -> None:
    """Half as fast as planned for 17 km: the rest of this leg takes nearly twice as long."""
    made, track = plan(), Track(1)
    drive(made, track, even(0, 1810, 0, 12.0, PLANNED / 2))
    assert track.pace == pytest.approx(0.58, abs=0.05)
    assert seconds_to(made, track, "middle") == pytest.approx(900 / 0.58, rel=0.1)


def test_a_jam_delays_by_its_own_length() -> None:
    """Standing for ten minutes, with a receiver that wanders, says nothing of the pace."""
    made, track = plan(), Track(1)
    drive(made, track, even(0, 910, 0, 12.0, PLANNED))
    before = seconds_to(made, track, "middle")
    wander = [12.25 + (0.0001 if n % 20 else -0.0001) for n in range(0, 600, 10)]
    drive(made, track, [(910 + 10 * n, one) for n, one in enumerate(wander)])
    assert track.pace == pytest.approx(1.0, abs=0.02)
    assert seconds_to(made, track, "middle") == pytest.approx(before, rel=0.03)


def test_leaving_before_its_time_is_not_expected_of_a_vehicle_at_a_stop() -> None:
    """Early at the middle: it waits for the planned departure; late: it still takes its halt."""
    made, track = plan(), Track(1)
    drive(made, track, [*even(0, 1500, 0, 12.0, PLANNED * 1.2), (1500, 12.5)])
    assert seconds_to(made, track, "end") == pytest.approx(1200 + 1800 / track.pace, abs=5)
    late = Track(1)
    drive(made, late, [*even(0, 3600, 0, 12.0, PLANNED / 2), (3600, 12.5)])
    assert seconds_to(made, late, "end") == pytest.approx(890 + 1800 / late.pace, abs=5)


def test_a_detour_goes_on_beside_the_road_and_adds_the_way_back() -> None:
    """Two kilometres north of the road; its speed there says nothing of the pace on it."""
    made, track = plan(), Track(1)
    drive(made, track, even(0, 900, 0, 12.0, PLANNED))
    for second in range(900, 1300, 10):
        track.move(made, second * S, 51.02, 12.25 + (second - 900) * PLANNED / 2)
    assert track.off_m == pytest.approx(2_225, abs=5)
    assert track.pace == pytest.approx(1.0, abs=0.01)
    left = 0.25 - 390 * PLANNED / 2
    on_road = (left * 70_200 + 2_225) / (0.5 * 70_200) * 1800
    assert seconds_to(made, track, "middle") == pytest.approx(on_road, rel=0.03)
    track.move(made, 1310 * S, 51.0, 12.4)
    assert track.off_m < 1


def test_far_from_the_road_it_keeps_its_place() -> None:
    """Fifty kilometres north; where it comes back, it goes on, a way ahead or not."""
    made, track = plan(), Track(1)
    drive(made, track, even(0, 900, 0, 12.0, PLANNED))
    along = track.along_m
    track.move(made, 910 * S, 51.5, 12.3)
    assert (track.along_m, track.off_m) == (along, pytest.approx(55_600, rel=0.01))
    track.move(made, 920 * S, 51.0, 12.9)
    assert track.along_m == pytest.approx(0.9 * made.line.length_m, rel=0.01)


def test_a_stop_that_is_passed_is_missed() -> None:
    """By the way beyond it; one that is not on the way any more is not next."""
    made, track = plan(), Track(1)
    drive(made, track, [(0, 12.0), (1700, 12.497)])
    middle = made.places[1]
    assert not track.missed(made, middle)
    drive(made, track, [(1900, 12.51)])
    assert track.missed(made, middle)
    assert [one.stop.name for one in track.following(made)] == ["end"]
    drive(made, track, [(2000, 12.5)])
    assert not track.missed(made, middle)  # it turned back


def test_a_round_trip_does_not_end_where_it_begins() -> None:
    """One depot, first and last: home is served when it comes home."""
    made = plan(
        road(
            stop("out", 12.0, 51.0, 0, 0),
            stop("turn", 12.5, 51.0, 1800, 1800),
            stop("home", 12.0, 51.0, 3600, 3600),
            line=[[12.0, 51.0], [12.5, 51.0], [12.0, 51.0]],
        )
    )
    track = Track(1)
    drive(made, track, even(0, 1810, 0, 12.0, PLANNED))
    assert [one.stop.name for one in track.following(made)] == ["home"]
    drive(made, track, even(1810, 2700, 1810, 12.5, -PLANNED))
    assert track.along_m == pytest.approx(0.75 * made.line.length_m, rel=0.02)
    drive(made, track, even(2700, 3630, 2700, 12.25, -PLANNED))
    assert set(track.served) == {"out", "turn", "home"}


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.integers(1, 600), st.floats(50.95, 51.05), st.floats(11.9, 13.1)),
        max_size=40,
    ),
    cut=st.integers(0, 40),
)
def test_a_restart_changes_nothing(steps: list[tuple[int, float, float]], cut: int) -> None:
    """State out and in again at any place; whatever is driven, what is told is bounded."""
    made, one, other, at = plan(), Track(1), Track(1), 0
    for place, (wait, latitude, longitude) in enumerate(steps):
        at += wait * S
        if place == cut:
            other = Track.of(other.state())
        for track in (one, other):
            track.move(made, at, latitude, longitude)
        assert one.state() == other.state()
        assert 0.3 <= one.pace <= 1.5
        assert one.along_m <= made.line.length_m + 1e-6
        for target in one.following(made):
            assert one.arrives_in_ns(made, 0, target) >= 0
