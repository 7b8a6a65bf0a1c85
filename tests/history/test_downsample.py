"""Fewer points, the same picture."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.history.downsample import evenly, largest_triangles


@given(st.integers(0, 300), st.integers(1, 50))
@settings(deadline=None)  # a busy machine is no fault
def test_as_many_points_as_asked_in_order_with_both_ends(total: int, points: int) -> None:
    """Whatever the sizes: no point twice, none more than asked, the ends stay."""
    at = np.arange(total, dtype=np.int64) * 10
    values = np.sin(at.astype(np.float64))
    kept = largest_triangles(at, values, points).tolist()
    assert len(kept) == min(total, points)
    assert kept == sorted(set(kept))
    if total and points > 1:
        assert (kept[0], kept[-1]) == (0, total - 1)


def test_the_spike_stays() -> None:
    """A fault that lasted one sample of a hundred thousand is what the chart is for."""
    at = np.arange(100_000, dtype=np.int64)
    values = np.zeros(100_000)
    values[54_321] = 80.0
    assert 54_321 in largest_triangles(at, values, 200)


def test_a_straight_line_needs_no_more_than_its_ends() -> None:
    """Two points are the two ends; one is the first."""
    at = np.arange(9, dtype=np.int64)
    assert largest_triangles(at, at.astype(float), 2).tolist() == [0, 8]
    assert largest_triangles(at, at.astype(float), 1).tolist() == [0]


@pytest.mark.parametrize(("total", "points", "kept"), [(5, 9, 5), (100, 10, 10), (0, 3, 0)])
def test_words_are_spread_evenly(total: int, points: int, kept: int) -> None:
    """They have no picture to keep."""
    indices = evenly(total, points).tolist()
    assert len(set(indices)) == kept
