"""Trends: differences, rates, slopes and counters, against counting by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from weft.rules.feeds.trends import TRENDS

S = 1_000_000_000
START = 1_760_000_000 * S


def told(name: str, samples: list[tuple[int, float]], cut: int = 1) -> object:
    """Tell the fold of samples, joined in two halves."""
    fold = TRENDS[name]

    def whole(part: list[tuple[int, float]]) -> object:
        made = fold.one(*part[0])
        for at, value in part[1:]:
            made = fold.join(made, fold.one(at, value))
        return made

    if len(samples) == 1:
        return fold.tell(whole(samples))
    return fold.tell(fold.join(whole(samples[:cut]), whole(samples[cut:])))


@pytest.mark.parametrize("name", TRENDS)
def test_one_sample_has_no_trend(name: str) -> None:
    """Unknown, which neither raises nor clears."""
    assert told(name, [(START, 5.0)]) is UNSET


def test_a_rate_is_a_second() -> None:
    """Twelve degrees in two minutes."""
    samples = [(START, 20.0), (START + 60 * S, 50.0), (START + 120 * S, 32.0)]
    assert told("delta", samples) == 12.0
    assert told("rate", samples) == 0.1


def test_a_counter_that_began_anew_lost_nothing() -> None:
    """100 to 130, a reset, then 5 and 12 since: 42 in all."""
    counts = [100.0, 130.0, 5.0, 12.0]
    samples = [(START + n * S, count) for n, count in enumerate(counts)]
    assert [told("increase", samples, cut) for cut in (1, 2, 3)] == [42.0] * 3


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.integers(-100, 100), min_size=2, max_size=20),
    cut=st.integers(1, 19),
)
def test_the_slope_is_that_of_least_squares(values: list[int], cut: int) -> None:
    """Wherever the samples are cut in two, against the textbook's sums."""
    count = len(values)
    middle, mean = (count - 1) / 2, sum(values) / count
    products = sum((n - middle) * (value - mean) for n, value in enumerate(values))
    squares = sum((n - middle) ** 2 for n in range(count))
    samples = [(START + n * S, float(value)) for n, value in enumerate(values)]
    got = told("slope", samples, min(cut, count - 1))
    assert got == pytest.approx(products / squares, rel=1e-6, abs=1e-6)
