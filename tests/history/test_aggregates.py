"""Aggregates mean what their words say, and a rate survives a reset."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.history.support import S, ask

from weft.errors import Invalid
from weft.history.aggregates import (
    aggregate,
    bucket_start,
    increases,
    percentile_of,
    require_sound,
    unit_of,
)


@pytest.mark.parametrize(
    ("name", "share"), [("p50", 0.5), ("p99.9", 0.999), ("p0", 0.0), ("p100", 1.0), ("p5", 0.05)]
)
def test_a_percentile_is_named_by_its_number(name: str, share: float) -> None:
    """Also between whole ones."""
    assert percentile_of(name) == pytest.approx(share)


@pytest.mark.parametrize("name", ["p", "p101", "p-1", "p1000", "50", "pp5", "p5.", "p9e1"])
def test_what_is_no_percentile_is_none(name: str) -> None:
    """No guess is made."""
    assert percentile_of(name) is None
    with pytest.raises(Invalid, match="no aggregate"):
        require_sound(ask(bucket_ns=S, aggregates=(name,)))


def test_a_counter_that_starts_again_has_counted_since() -> None:
    """A meter is replaced: what the new one shows is what it has counted."""
    assert increases([5, 7, 2, 2, "x", 6]) == [None, 2, 2, 0, None, 4]


@given(st.lists(st.integers(0, 9)))
@settings(deadline=None)  # a busy machine is no fault
def test_a_counter_never_runs_backwards(values: list[int]) -> None:
    """Whatever a meter shows, no increase is below nothing."""
    assert all(grown is None or grown >= 0 for grown in increases(values))


@given(st.integers(-(2**62), 2**62), st.integers(1, 2**40))
@settings(deadline=None)  # a busy machine is no fault
def test_a_moment_is_in_its_bucket(at: int, width: int) -> None:
    """Before 1970 as well."""
    start = bucket_start(at, width)
    assert start <= at < start + width
    assert start % width == 0


def test_a_bucket_without_numbers_has_no_mean() -> None:
    """It has a first, a last and a count."""
    results = [aggregate(name, ["a", True], [None, None], S) for name in ("mean", "p50", "rate")]
    assert results == [None, None, None]
    assert aggregate("count", ["a", True], [], S) == 2
    assert aggregate("first", ["a", True], [], S) == "a"
    assert aggregate("last", ["a", True], [], S) is True


def test_a_percentile_lies_between_its_neighbours() -> None:
    """Linear, as spreadsheets do it."""
    assert aggregate("p50", [1, 2, 3, 10], [], S) == 2.5
    assert aggregate("sum", [1, 2.5], [], S) == 3.5
    assert aggregate("rate", [1, 3], [None, 2], 4 * S) == 0.5


@pytest.mark.parametrize(
    ("name", "unit", "found"),
    [
        ("mean", "Cel", "Cel"),
        ("p95", "mm/s", "mm/s"),
        ("count", "Cel", ""),
        ("rate", "kW.h", "kW.h/s"),
        ("rate", "", "1/s"),
        ("max", "", ""),
    ],
)
def test_an_aggregate_is_in_a_unit_of_its_own(name: str, unit: str, found: str) -> None:
    """How many there are is a plain number, how fast they grow is by the second."""
    assert unit_of(name, unit) == found
