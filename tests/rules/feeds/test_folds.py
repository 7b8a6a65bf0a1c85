"""Folds: parts join to what the whole gives."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from weft.rules.feeds.folds import FOLDS
from weft.rules.feeds.trends import TRENDS

VALUES = st.lists(st.integers(-1_000, 1_000).map(float), min_size=2, max_size=20)
PLAIN = {
    "count": len, "sum": sum, "mean": statistics.fmean, "min": min, "max": max,
    "stddev": statistics.stdev,
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDS)
@given(values=VALUES, cut=st.integers(1, 19))
def test_parts_join_to_the_whole(name: str, values: list[float], cut: int) -> None:
    """Wherever the samples are cut in two."""
    fold = FOLDS[name]

    def whole(part: list[float]) -> object:
        made = fold.one(1, part[0])
        for value in part[1:]:
            made = fold.join(made, fold.one(1, value))
        return made

    cut = min(cut, len(values) - 1)
    told = fold.tell(fold.join(whole(values[:cut]), whole(values[cut:])))
    assert told == pytest.approx(PLAIN[name](values), rel=1e-9, abs=1e-9)


def test_one_value_has_no_deviation() -> None:
    """Unknown, which neither raises nor clears; not zero, which would."""
    fold = FOLDS["stddev"]
    assert fold.tell(fold.one(1, 3.0)) is UNSET


def test_deviation_survives_a_large_mean() -> None:
    """The sum of squares would have lost all digits."""
    fold = FOLDS["stddev"]
    part = fold.one(1, 1e9)
    for value in (1e9 + 1, 1e9 + 2):
        part = fold.join(part, fold.one(1, value))
    assert fold.tell(part) == pytest.approx(1.0)


@pytest.mark.parametrize("name", [*FOLDS, *TRENDS])
@given(values=st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=12), cut=st.integers(1, 11))
def test_short_ways_give_the_same_bits(name: str, values: list[float], cut: int) -> None:
    """A window takes them; what was joined before a restart and after it must be one number."""
    fold = {**FOLDS, **TRENDS}[name]
    start, step = 1_760_000_000_000_000_000, 700_000_001
    samples = [(start + place * step, value) for place, value in enumerate(values)]

    def joined(part: list[tuple[int, float]]) -> object:
        made = fold.one(*part[0])
        for at, value in part[1:]:
            made = fold.join(made, fold.one(at, value))
        return made

    def added(part: list[tuple[int, float]]) -> object:
        made = fold.one(*part[0])
        for at, value in part[1:]:
            made = fold.add(made, at, value)
        return made

    cut = min(cut, len(samples) - 1)
    older, newer = samples[:cut], samples[cut:]
    assert added(samples) == joined(samples)
    assert fold.both(joined(older), joined(newer)) == fold.tell(
        fold.join(joined(older), joined(newer))
    )
