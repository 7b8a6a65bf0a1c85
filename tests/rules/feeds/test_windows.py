"""Windows against a model that keeps everything and counts afresh."""

import statistics
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from weft.errors import Invalid
from weft.model.ids import DeviceId, TenantId
from weft.rules.feeds.base import NEVER, Count, Origin, Span
from weft.rules.feeds.folds import FOLDS
from weft.rules.feeds.trends import TRENDS
from weft.rules.feeds.windows import (
    EXACT_MAX,
    PANES,
    SAMPLES_MAX,
    Window,
    make_window,
    window_cost,
)  # fmt: skip

ORIGIN = Origin(tenant=TenantId("main"), device_id=DeviceId("pump-7"), began_at=0)
PLAIN: dict[str, Any] = {
    "count": len, "sum": sum, "mean": statistics.fmean, "min": min, "max": max,
    "stddev": lambda values: statistics.stdev(values) if len(values) > 1 else UNSET,
}  # fmt: skip
EMPTY = {"count": 0, "sum": 0.0}


class Model:
    """Every sample by its moment; the window is cut out of them anew each time."""

    def __init__(self, name: str, span: int, at_most: int) -> None:
        self.name, self.span, self.at_most = name, span, at_most
        self.samples: dict[int, float] = {}
        self.received = 0
        self.told: Any = UNSET

    def take(self, at: int, received: int, value: float) -> Any:
        newest = max(self.samples, default=at)
        if received < newest:  # our clock was set back
            self.samples = {one: v for one, v in self.samples.items() if one <= received}
            self.received = received
            newest = max(self.samples, default=at)
        inside = at > newest - self.span if self.span else True
        full = self.at_most and len(self.samples) >= self.at_most
        if self.at_most and at not in self.samples and full and at < min(self.samples):
            inside = False
        if inside:
            self.received = max(self.received, received)
            self.samples[at] = value
            self.cut(max(self.samples))
            self.tell()
        return self.told

    def cut(self, end: int) -> None:
        if self.span:
            self.samples = {one: v for one, v in self.samples.items() if one > end - self.span}
        else:
            newest = sorted(self.samples)[-self.at_most :]
            self.samples = {one: self.samples[one] for one in newest}

    def tell(self) -> None:
        values = [self.samples[at] for at in sorted(self.samples)]
        self.told = PLAIN[self.name](values) if values else EMPTY.get(self.name, UNSET)

    @property
    def due(self) -> int:
        return self.received + self.span if self.span and self.samples else NEVER


def same(left: Any, right: Any) -> bool:
    if left is UNSET or right is UNSET:
        return left is right
    return bool(left == pytest.approx(right, rel=1e-9, abs=1e-6))


STEPS = st.lists(
    st.tuples(
        st.sampled_from([-30, 0, 1, 1, 2, 5, 11, 60]),  # how receipt moves on
        st.sampled_from([0, 0, 0, 1, 3, 9, 40]),  # how much older the sample is
        st.integers(-20, 20).map(float),
        st.sampled_from(["", "", "", "restart", "silence"]),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(sorted(PLAIN)), span=st.sampled_from([0, 1, 5, 20]), steps=STEPS)
def test_a_window_is_what_a_model_counts(
    name: str, span: int, steps: list[tuple[int, int, float, str]]
) -> None:
    """Any order, duplicates, lateness, a clock set back, restarts in the middle."""
    at_most = 0 if span else 4
    window, model = Window(FOLDS[name], span, at_most), Model(name, span, at_most)
    received = 1_000
    for step, age, value, happens in steps:
        received += step
        assert same(
            window.take(received - age, received, value),
            model.take(received - age, received, value),
        )
        assert window.due == model.due
        if happens == "restart":
            stored = msgspec.json.decode(msgspec.json.encode(window.state()))
            window = Window(FOLDS[name], span, at_most)
            assert same(window.restore(stored), model.told)
        elif happens == "silence" and window.due < NEVER:
            received = window.due
            model.samples, model.received = {}, 0
            model.tell()
            assert same(window.advance(received), model.told)
            assert window.due == NEVER


@settings(max_examples=10, deadline=None)
@given(
    gaps=st.lists(st.integers(1, 40), min_size=EXACT_MAX, max_size=600),
    name=st.sampled_from(sorted(PLAIN)),
)
def test_a_busy_window_forgets_in_panes(gaps: list[int], name: str) -> None:
    """It tells what a window would that is longer by at most one pane, in bounded room."""
    span = 6_400
    pane = span // PANES
    window = Window(FOLDS[name], span, 0)
    kept: list[tuple[int, float]] = []
    at = 1_000_000
    for number, gap in enumerate(gaps):
        at += gap
        value = float(number * 7919 % 101)
        kept.append((at, value))
        told = window.take(at, at, value)
        if number % 50:
            continue
        possible = [
            PLAIN[name]([value for one, value in kept if one > at - span - more])
            for more in range(0, pane + 1, 1)
        ]
        assert any(same(told, one) for one in possible)
    assert (
        len(msgspec.json.encode(window.state()))
        <= window_cost(name, {"window": Span(span)}).state_bytes
    )


def test_late_samples_of_a_busy_window_find_their_pane() -> None:
    """The count is right, and there is one pane a slice of time."""
    window = Window(FOLDS["count"], 6_400, 0)
    for number in range(2 * EXACT_MAX):
        window.take(10_000 + number * 10, 20_000, 1.0)
    for number in range(2 * EXACT_MAX):
        told = window.take(10_003 + number * 10, 20_000, 1.0)
    assert told == 4 * EXACT_MAX
    assert len(window.state()[0]) <= 2 * PANES


def test_the_sum_is_right_after_a_giant_has_left() -> None:
    """Nothing is subtracted, so 1e100 leaves no rounding behind."""
    window = Window(FOLDS["sum"], 10, 0)
    window.take(1, 1, 1e100)
    window.take(2, 2, 0.5)
    assert window.take(11, 11, 0.25) == 0.75


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), 1e200])
def test_what_is_no_measurement_is_passed_over(value: float) -> None:
    """An expression may divide by zero; the window goes on with what it has."""
    window = Window(FOLDS["mean"], 10, 0)
    window.take(1, 1, 2.0)
    assert window.take(2, 2, value) == 2.0


def test_what_comes_too_late_is_counted() -> None:
    """It changes nothing, and one can see that it came."""
    window = Window(FOLDS["mean"], 10, 0)
    window.take(100, 100, 2.0)
    assert window.take(90, 100, 50.0) == 2.0
    assert window.ignored == 1


def test_windows_have_a_size_that_fits() -> None:
    """No sample, or too many: refused when the rule is saved."""
    for samples in (0, SAMPLES_MAX + 1):
        with pytest.raises(Invalid, match="between 1 and"):
            make_window("mean", {"window": Count(samples)}, ORIGIN)
    assert make_window("mean", {"window": Count(SAMPLES_MAX)}, ORIGIN).due == NEVER


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(st.sampled_from([1, 1, 2, 3, 3, 9, 40, 700]), max_size=900),
    name=st.sampled_from(sorted({**FOLDS, **TRENDS})),
    size=st.sampled_from([(1, 0), (30, 0), (600, 0), (0, 4)]),
    cut=st.integers(0, 900),
)
def test_many_samples_at_once_are_as_many_one_by_one(
    steps: list[int], name: str, size: tuple[int, int], cut: int
) -> None:
    """Quiet and busy, in panes and not, with silences; and the window is the same afterwards."""
    fold = {**FOLDS, **TRENDS}[name]
    one, many = Window(fold, *size), Window(fold, *size)
    moments, values, told, at = [], [], [], 10**18
    for place, step in enumerate(steps):
        at += step
        moments.append(at)
        values.append(1e200 if place % 97 == 5 else place * 7919 % 101 / 7)
        if at > one.due:
            one.advance(one.due)
        told.append(one.take(at, at, values[-1]))
    found = many.take_many(moments[:cut], values[:cut])
    assert found + many.take_many(moments[cut:], values[cut:]) == told
    assert many.state() == one.state()
