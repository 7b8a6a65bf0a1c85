"""Baselines: learned once, then nothing moves them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.rules.feeds.baselines import KEPT_MAX, Baseline
from weft.rules.feeds.norms import SCORE_MAX

S = 1_000_000_000
HOUR = 3600 * S


def learned(values: list[float], *, every: int = 10 * S) -> Baseline:
    one = Baseline(HOUR, least=100)
    for place, value in enumerate(values):
        assert one.score(place * every, value) is None
    return one


def test_the_first_hour_says_what_is_usual() -> None:
    """Values 0 to 10 by turns: the median is 5, the median deviation 3."""
    one = learned([float(place % 11) for place in range(361)])
    assert one.score(361 * 10 * S, 5.0) == 0
    assert one.score(362 * 10 * S, 5.0 + 10 * 1.4826 * 3) == pytest.approx(10)


def test_wear_is_not_learnt() -> None:
    """What has crept up for a month is judged by the first hour still."""
    one = learned([float(place % 11) for place in range(361)])
    first = one.score(HOUR * 2, 30.0)
    for hour in range(700):
        one.score(HOUR * (3 + hour), 30.0)
    assert one.score(HOUR * 1_000, 30.0) == first


def test_a_slow_device_is_learned_for_longer() -> None:
    """A sample an hour: a hundred of them first."""
    one = Baseline(HOUR, least=100)
    told = [one.score(place * HOUR, float(place % 3)) for place in range(101)]
    assert told[:100] == [None] * 100
    assert told[100] is not None


def test_a_busy_device_keeps_no_more() -> None:
    """Ten samples a second for an hour: hundreds are kept, and they are as good."""
    one = Baseline(HOUR, least=100)
    for place in range(36_000):
        one.score(place * S // 10, float(place * 7919 % 1_000))
        if place % 1_000 == 0:
            assert len(one.state()[1]) <= KEPT_MAX
    assert one.score(HOUR, 0.0) is None
    assert abs(one.score(HOUR + S, 500.0) or 0) < 0.2


def test_what_never_varied_has_no_spread() -> None:
    """The same value scores 0, and any other as far as a score goes."""
    one = learned([3.0] * 361)
    assert [one.score(HOUR * 2, value) for value in (3.0, 3.1, 2.9)] == [0.0, SCORE_MAX, -SCORE_MAX]


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.floats(-1e149, 1e149), max_size=30),
    steps=st.lists(st.integers(0, 10**12), min_size=30, max_size=30),
    cut=st.integers(0, 29),
)
def test_any_values_are_judged_and_a_restart_changes_nothing(
    values: list[float], steps: list[int], cut: int
) -> None:
    """A copy in the middle tells the same to the end."""

    def fresh() -> Baseline:
        return Baseline(HOUR, least=5)

    one, other, at = fresh(), fresh(), 0
    for place, (value, step) in enumerate(zip(values, steps, strict=False)):
        at += step
        if place == cut:
            state: list[Any] = one.state()
            other = fresh()
            other.restore(state)
        told = one.score(at, value)
        assert told is None or -SCORE_MAX <= told <= SCORE_MAX
        if place >= cut:
            assert other.score(at, value) == told
