"""Seasons: a value is judged by what was usual at this time of the day."""

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.rules.feeds.norms import SCORE_MAX
from weft.rules.feeds.seasons import Seasons

MINUTE = 60_000_000_000
DAY = 1440 * MINUTE
STEP = 10 * MINUTE


def seasons(*, warm: int = 300) -> Seasons:
    return Seasons(DAY, 7 * DAY, clip=2.0, warm=warm)


def daily(at: int, made: random.Random) -> float:
    """Between 10 at night and 30 at noon, give or take a half."""
    return 20 - 10 * math.cos(2 * math.pi * (at % DAY) / DAY) + made.gauss(0, 0.5)


def lived(days: int, *, trend: float = 0.0) -> tuple[Seasons, int, list[Any]]:
    one, made = seasons(), random.Random(4)
    told = [one.score(at, daily(at, made) + trend * at / DAY) for at in range(0, days * DAY, STEP)]
    return one, days * DAY, told


def test_nothing_is_said_for_two_seasons() -> None:
    """The first tells the shape, the second how far samples are from it."""
    _one, _at, told = lived(6)
    at = 2 * DAY // STEP
    first = next(place for place, score in enumerate(told) if score is not None)
    assert at <= first <= 3.2 * DAY // STEP
    assert None not in told[first:]


def test_the_heat_of_noon_is_a_fault_at_night() -> None:
    """25 degrees are in every day, but not at midnight."""
    one, at, _told = lived(14)
    assert (one.score(at, 25.0) or 0) > 8
    made = random.Random(5)
    for passed in range(STEP, DAY // 2, STEP):
        one.score(at + passed, daily(at + passed, made))
    assert abs(one.score(at + DAY // 2, 29.5) or 0) < 4


def test_a_usual_day_scores_as_noise_does() -> None:
    """The line between phases follows the rhythm: few are beyond 3, none beyond 6."""
    _one, _at, told = lived(28)
    late = told[14 * DAY // STEP :]
    assert sum(abs(score) > 3 for score in late) / len(late) < 0.01
    assert max(abs(score) for score in late) < 6


def test_a_trend_is_followed() -> None:
    """Spring comes: half a degree a day for a month, and no alarm."""
    _one, _at, told = lived(35, trend=0.5)
    late = told[14 * DAY // STEP :]
    assert sum(abs(score) > 4 for score in late) / len(late) < 0.01


def test_an_episode_of_hours_leaves_the_next_day_usual() -> None:
    """Eight hours of fault: high to the end, and the day after is judged as before."""
    one, at, _told = lived(14)
    made = random.Random(6)
    scores = []
    for passed in range(0, 2 * DAY, STEP):
        fault = 8.0 if passed < DAY // 3 else 0.0
        scores.append(one.score(at + passed, daily(at + passed, made) + fault) or 0.0)
    assert min(scores[:48]) > 4
    assert max(abs(score) for score in scores[144:]) < 4


def test_a_phase_never_seen_is_unknown() -> None:
    """A shop that has been measured by day alone says nothing about the night."""
    one, made = seasons(), random.Random(7)
    for at in range(0, 14 * DAY, STEP):
        if DAY // 4 <= at % DAY < 3 * DAY // 4:
            one.score(at, daily(at, made))
    assert one.score(14 * DAY + 60 * MINUTE, 20.0) is None
    assert one.score(14 * DAY + DAY // 2, 30.0) is not None


def test_a_constant_series_scores_nothing() -> None:
    """No spread, no score; the first step is √12 of the least that can be told."""
    one = seasons()
    told = [one.score(at, 5.0) for at in range(0, 5 * DAY, STEP)]
    assert set(told[-100:]) == {0.0}
    assert one.score(5 * DAY, 6.0) == pytest.approx(12**0.5)


ANY = st.floats(-1e149, 1e149) | st.sampled_from([0.0, 5e-324, 1e149, -1e149, 1.0])


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(ANY, max_size=60),
    steps=st.lists(
        st.sampled_from([0, 1, STEP, DAY // 5, DAY, 90 * DAY]), min_size=60, max_size=60
    ),
    cut=st.integers(0, 59),
)
def test_any_values_are_judged_and_a_restart_changes_nothing(
    values: list[float], steps: list[int], cut: int
) -> None:
    """Huge, tiny, constant, years apart: a bounded score, and the same from a copy."""
    one, other, at = seasons(warm=5), seasons(warm=5), 0
    for place, (value, step) in enumerate(zip(values, steps, strict=False)):
        at += step
        if place == cut:
            other = seasons(warm=5)
            other.restore(one.state())
        told = one.score(at, value)
        assert told is None or -SCORE_MAX <= told <= SCORE_MAX
        if place >= cut:
            assert other.score(at, value) == told
