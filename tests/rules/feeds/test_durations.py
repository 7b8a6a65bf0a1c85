"""Durations: what a state lasts, and for how much of a time it was so, by the samples' moments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from weft.errors import Invalid
from weft.model.ids import DeviceId, TenantId
from weft.rules.feeds.base import Origin
from weft.rules.feeds.durations import PIECES_MAX, Lasted, TimeIn, make_lasted, make_time_in

S = 1_000_000_000
START = 1_772_366_400 * S
HOUR = 3_600 * S
ORIGIN = Origin(TenantId("main"), DeviceId("press-1"), START)


def test_a_state_lasts_from_its_first_sample_on() -> None:
    """And begins anew when it was interrupted."""
    feed = Lasted()
    said = [(0, True), (10, True), (25, True), (30, False), (40, True), (41, True)]
    told = [feed.take(START + at * S, START + at * S, value) for at, value in said]
    assert told == [0.0, 10.0, 25.0, 0.0, 0.0, 1.0]


def test_a_late_sample_changes_no_duration() -> None:
    """Nothing of what was told is taken back."""
    lasted, time_in = Lasted(), TimeIn(HOUR, is_share=False)
    for feed in (lasted, time_in):
        feed.take(START, START, True)
        assert feed.take(START + 10 * S, START + 10 * S, True) == 10.0
        assert feed.take(START + 5 * S, START + 11 * S, False) == 10.0


@given(
    st.lists(st.tuples(st.integers(1, 900), st.booleans()), min_size=2, max_size=60),
    st.sampled_from([600, 1_800, 3_600]),
)
def test_time_in_a_state_is_what_a_second_by_second_account_finds(
    steps: list[tuple[int, bool]], span: int
) -> None:
    """Each second of the span belongs to the sample before it."""
    time_in, share = TimeIn(span * S, is_share=False), TimeIn(span * S, is_share=True)
    seconds: list[bool] = []
    state = None
    at = START
    for step, value in steps:
        if state is not None:
            seconds += [state] * step
        at += step * S
        state = value
        kept = seconds[-span:]
        assert time_in.take(at, at, value) == sum(kept)
        told = share.take(at, at, value)
        assert told is UNSET if not kept else told == sum(kept) / len(kept)


def test_a_state_that_flutters_is_kept_within_bounds() -> None:
    """Thousands of changes: joined pieces count evenly where the span cuts them."""
    feed = TimeIn(HOUR, is_share=True)
    for second in range(10_000):
        told = feed.take(START + second * S, START + second * S, second % 2 == 0)
    assert len(feed.state()[2]) <= PIECES_MAX + 1
    assert told == pytest.approx(0.5, abs=0.01)


def test_our_clock_set_back_makes_no_time() -> None:
    """Nothing is known of the time between."""
    feed = TimeIn(HOUR, is_share=False)
    feed.take(START + 100 * S, START + 100 * S, True)
    feed.take(START + 110 * S, START + 110 * S, True)
    assert feed.take(START + 50 * S, START + 50 * S, True) == 10.0
    assert feed.take(START + 60 * S, START + 60 * S, True) == 20.0


def test_a_span_of_more_than_a_year_is_refused() -> None:
    """Nobody waits for that."""
    with pytest.raises(Invalid, match="year"):
        make_time_in({"time": 400 * 86_400 * S}, ORIGIN, is_share=True)
    assert make_lasted({}, ORIGIN).advance(START) is UNSET
    assert make_time_in({"time": HOUR}, ORIGIN, is_share=True).advance(START) is UNSET
