"""Consumption: whatever a counter does, its parts are what it went up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from weft.errors import Invalid
from weft.model.ids import DeviceId, TenantId
from weft.rules.feeds.base import NEVER, Origin
from weft.rules.feeds.consumption import Consumed, make_consumed

S = 1_000_000_000
QUARTER = 900 * S
START = 1_772_366_400 * S  # a full hour
ORIGIN = Origin(TenantId("main"), DeviceId("meter-1"), START)

COUNTERS = st.lists(
    st.tuples(st.integers(1, 2_000), st.integers(0, 1_000)), min_size=1, max_size=40
)


@given(COUNTERS)
def test_of_all_samples_together_it_is_the_sum_of_the_increments(
    steps: list[tuple[int, int]],
) -> None:
    """Resets at any place: what is lower began anew at 0."""
    feed, at, told = Consumed(0), START, 0.0
    expected, before = 0, None
    for seconds, counter in steps:
        at += seconds * S
        added = feed.take(at, at, float(counter))
        if before is None:
            assert added is UNSET
        else:
            expected += counter - before if counter >= before else counter
            told += added
        before = counter
    assert told == expected


@given(COUNTERS)
def test_the_last_values_of_all_intervals_are_the_sum_of_the_increments(
    steps: list[tuple[int, int]],
) -> None:
    """Quarters of an hour by the clock; nothing is in two of them, nothing in none."""
    feed, at = Consumed(QUARTER), START
    of_interval: dict[int, float] = {}
    expected, before = 0, None
    for seconds, counter in steps:
        at += seconds * S
        added = feed.take(at, at, float(counter))
        if before is not None:
            expected += counter - before if counter >= before else counter
            of_interval[at // QUARTER] = added
        before = counter
    assert sum(of_interval.values()) == expected


def test_an_interval_begins_with_what_is_read_in_it() -> None:
    """A quarter of an hour by the clock, not since the first sample."""
    feed = Consumed(QUARTER)
    told = [
        feed.take(START + second * S, START + second * S, value)
        for second, value in [(600, 10.0), (800, 13.0), (899, 14.0), (901, 16.0), (1_000, 20.0)]
    ]
    assert told == [UNSET, 3.0, 4.0, 2.0, 6.0]


def test_a_late_sample_is_passed_over() -> None:
    """What came after it has counted it already."""
    feed = Consumed(0)
    feed.take(START, START, 10.0)
    assert feed.take(START + 2 * S, START + 2 * S, 14.0) == 4.0
    assert feed.take(START + S, START + 3 * S, 12.0) == 4.0
    assert feed.take(START + 4 * S, START + 4 * S, 15.0) == 1.0
    assert feed.due == NEVER


def test_an_interval_of_more_than_a_year_is_refused() -> None:
    """Nobody reads that."""
    with pytest.raises(Invalid, match="year"):
        make_consumed({"interval": 400 * 86_400 * S}, ORIGIN)
    assert make_consumed({}, ORIGIN).advance(START) is UNSET
