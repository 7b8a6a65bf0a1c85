"""Evaluation: at each moment what Prometheus would say, as far as it is read."""

import numpy as np
import pytest

from weft.api.prometheus import evaluate as evaluation
from weft.api.prometheus.evaluate import Line, Samples, evaluate, selectors_of, written
from weft.api.prometheus.language import read_query
from weft.errors import Invalid, TooLarge

NS = 1_000_000_000


def series(device: str, *samples: tuple[float, float]) -> Samples:
    labels = {"__name__": "t", "device": device, "type": "pump"}
    at = np.array([round(at * NS) for at, _ in samples], np.int64)
    return Samples(labels, at, np.array([value for _, value in samples]))


def ask(text: str, steps: list[float], *found: Samples) -> list[Line] | float:
    query = read_query(text)
    moments = np.array([round(step * NS) for step in steps], np.int64)
    return evaluate(query, {one: list(found) for one in selectors_of(query)}, moments)


def values(answer: list[Line] | float) -> list[list[float | None]]:
    assert isinstance(answer, list)
    return [
        [None if np.isnan(value) else round(float(value), 6) for value in line.values]
        for line in answer
    ]


def test_the_newest_sample_counts_for_five_minutes() -> None:
    """Then nothing is there."""
    one = series("a", (0, 1.0), (60, 2.0))
    assert values(ask("t", [-1, 0, 59, 60, 359, 360], one)) == [[None, 1.0, 1.0, 2.0, 2.0, None]]


def test_functions_see_what_lies_within() -> None:
    """The end of the time is in, its beginning is out."""
    one = series("a", (0, 1.0), (10, 3.0), (20, 2.0), (30, 6.0))
    steps = [20.0, 30.0, 100.0]
    expected = {
        "avg_over_time": [2.5, 4.0, None],
        "min_over_time": [2.0, 2.0, None],
        "max_over_time": [3.0, 6.0, None],
        "sum_over_time": [5.0, 8.0, None],
        "count_over_time": [2.0, 2.0, None],
        "last_over_time": [2.0, 6.0, None],
    }
    for function, found in expected.items():
        assert values(ask(f"{function}(t[20s])", steps, one)) == [found], function
    assert values(ask("quantile_over_time(0.5, t[1m])", [30.0], one)) == [[2.5]]


def test_a_rate_goes_on_behind_a_reset() -> None:
    """A counter that begins anew has counted what it shows."""
    one = series("a", (0, 10.0), (10, 30.0), (20, 5.0))
    assert values(ask("rate(t[30s])", [20.0, 100.0], one)) == [[1.25, None]]
    assert values(ask("increase(t[40s])", [20.0], one)) == [[50.0]]
    assert values(ask("rate(t[5s])", [20.0], one)) == [[None]]


def test_a_huge_sample_spoils_only_the_windows_that_it_is_in() -> None:
    """A sensor says 1e17 once: what is summed behind it is as right as before."""
    one = series("a", (0, 1.0), (10, 2.0), (20, 1e17), (30, 3.0), (40, 4.0), (50, 5.5))
    steps = [10.0, 40.0, 50.0]
    for function, found in (
        ("sum_over_time", [3.0, 7.0, 9.5]),
        ("avg_over_time", [1.5, 3.5, 4.75]),
        ("rate", [0.1, 0.1, 0.15]),
        ("increase", [2.0, 2.0, 3.0]),
    ):
        assert values(ask(f"{function}(t[20s])", steps, one)) == [found], function


def test_quantiles_are_those_of_each_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two samples in proportion; what all windows hold together is bounded."""
    dice = np.random.default_rng(7)
    numbers = dice.normal(size=50)
    one = series("a", *((float(at), value) for at, value in enumerate(numbers)))
    steps = [5.0, 20.0, 49.0, 500.0]
    windows = [numbers[:6], numbers[1:21], numbers[30:50]]
    for share in (0.0, 0.05, 0.5, 0.95, 1.0):
        expected = [round(float(np.quantile(window, share)), 6) for window in windows]
        found = values(ask(f"quantile_over_time({share}, t[20s])", steps, one))
        assert found == [[*expected, None]]
    monkeypatch.setattr(evaluation, "_A_WINDOW", 10)
    monkeypatch.setattr(evaluation, "QUANTILES_MAX", 46 + 3 * 10)
    assert ask("quantile_over_time(0.5, t[20s])", steps, one)
    with pytest.raises(TooLarge):
        ask("quantile_over_time(0.5, t[21s])", steps, one)
    with pytest.raises(TooLarge):
        ask("quantile_over_time(0.5, t[10s])", steps, one, one)
    assert ask("quantile_over_time(0.5, t[1m])", steps) == []


def test_windows_that_overlap_and_windows_of_nothing() -> None:
    """As plain loops would have it."""
    dice = np.random.default_rng(7)
    at = np.sort(dice.choice(1000, 60, replace=False)).astype(float)
    one = series("a", *zip(at, dice.normal(size=60), strict=True))
    steps = list(np.arange(0.0, 1100.0, 7.0))
    for function, reduce in (
        ("min_over_time", min),
        ("max_over_time", max),
        ("sum_over_time", sum),
    ):
        expected = []
        for step in steps:
            held = [
                float(value)
                for moment, value in zip(at, one.values, strict=True)
                if step - 40 < moment <= step
            ]
            expected.append(round(reduce(held), 6) if held else None)
        assert values(ask(f"{function}(t[40s])", steps, one)) == [expected]


def test_series_are_put_together_by_labels() -> None:
    """What has no value at a moment does not count there."""
    a, b = series("a", (0, 1.0)), series("b", (0, 3.0), (290, 5.0))
    steps = [0.0, 310.0]
    assert values(ask("sum(t)", steps, a, b)) == [[4.0, 5.0]]
    assert values(ask("avg by (type) (t)", steps, a, b)) == [[2.0, 5.0]]
    assert values(ask("min(t)", steps, a, b)) == [[1.0, 5.0]]
    assert values(ask("count(t)", [0.0, 310.0, 9999.0], a, b)) == [[2.0, 1.0, None]]
    by_device = ask("max by (device) (t)", steps, a, b)
    assert isinstance(by_device, list)
    assert [line.labels for line in by_device] == [{"device": "a"}, {"device": "b"}]
    without = ask("sum without (device) (t)", steps, a, b)
    assert isinstance(without, list)
    assert [line.labels for line in without] == [{"type": "pump"}]


def test_arithmetic() -> None:
    """Of numbers, and of a series with one; a division by nothing is no crash."""
    assert ask("1 + 1", [0.0]) == 2.0
    one = series("a", (0, 50.0))
    assert values(ask("(t - 32) / 1.8", [0.0], one)) == [[10.0]]
    assert values(ask("100 - t", [0.0], one)) == [[50.0]]
    assert values(ask("(t - 32) * (5 / 9) * -1", [0.0], one)) == [[-10.0]]
    zero = ask("t / 0", [0.0], one)
    assert isinstance(zero, list)
    assert written(float(zero[0].values[0])) == "+Inf"


def test_what_is_no_answer_is_refused() -> None:
    """A series with a time behind it, or a sum of a number."""
    for text in ("t[5m]", "sum(1)"):
        with pytest.raises(Invalid):
            ask(text, [0.0], series("a", (0, 1.0)))


def test_an_empty_series_has_no_values() -> None:
    """By no function."""
    for text in ("t", "rate(t[1m])", "last_over_time(t[1m])", "min_over_time(t[1m])"):
        assert values(ask(text, [0.0, 1.0], series("a"))) == [[None, None]], text


def test_numbers_are_written_as_prometheus_writes_them() -> None:
    """As texts; whole ones without a point."""
    assert [written(one) for one in (1.0, 0.5, float("inf"), float("-inf"), float("nan"))] == [
        "1",
        "0.5",
        "+Inf",
        "-Inf",
        "NaN",
    ]
