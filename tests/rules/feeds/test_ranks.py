"""Percentiles against sorting everything."""

import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.errors import Invalid
from weft.model.ids import DeviceId, TenantId
from weft.rules.feeds.base import NEVER, Count, Origin, Span
from weft.rules.feeds.ranks import KEPT_MAX, Ranks, make_ranks

ORIGIN = Origin(tenant=TenantId("main"), device_id=DeviceId("pump-7"), began_at=0)


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 9), st.sampled_from([0, 0, 1, 7, 30]), st.integers(-9, 9).map(float)
        ),
        max_size=40,
    ),
    span=st.sampled_from([0, 20]),
)
def test_a_percentile_is_that_of_the_samples_in_the_window(
    steps: list[tuple[int, int, float]], span: int
) -> None:
    """Any order, duplicates, lateness; the median is what statistics says."""
    ranks = Ranks(0.5, span, 0 if span else 5)
    kept: dict[int, float] = {}
    received = 1_000
    for step, age, value in steps:
        received += step
        at = received - age
        newest = max(kept, default=at)
        told = ranks.take(at, received, value)
        if not span or at > newest - span:
            kept[at] = value
        ordered = sorted(kept)
        inside = [one for one in ordered if one > ordered[-1] - span] if span else ordered[-5:]
        kept = {one: kept[one] for one in inside}
        assert told == statistics.median(kept.values())


def test_it_interpolates_between_ranks() -> None:
    """The 95th of 0 to 10 stands half-way between 9 and 10."""
    ranks = Ranks(0.95, 0, 100)
    assert [ranks.take(n, n, float(n)) for n in range(11)][-1] == 9.5


def test_a_busy_window_looks_at_fewer_samples_and_stays_close() -> None:
    """Ten thousand in the window; hundreds are kept, and the percentile hardly moves."""
    ranks = Ranks(0.9, 100_000, 0)
    for number in range(10_000):
        told = ranks.take(number * 10, number * 10, float(number * 7919 % 1_000))
    assert told == pytest.approx(900, abs=30)
    assert len(ranks.state()[1]) <= KEPT_MAX


def test_a_window_that_nothing_reaches_is_empty() -> None:
    """By the clock, as any window."""
    ranks = Ranks(0.5, 20, 0)
    ranks.take(5, 5, 1.0)
    assert ranks.due == 25
    ranks.advance(25)
    assert (ranks.due, ranks.state()[1]) == (NEVER, [])


@pytest.mark.parametrize(
    ("percent", "window"), [(101.0, Span(5)), (-1.0, Span(5)), (50.0, Count(0)), (50.0, Count(999))]
)
def test_what_makes_no_sense_is_refused(percent: float, window: Span | Count) -> None:
    """On save, in words."""
    with pytest.raises(Invalid):
        make_ranks({"percent": percent, "window": window}, ORIGIN)
