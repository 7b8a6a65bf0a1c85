"""Units: numbers and inputs in one unit, and what does not fit refused with its column."""

import re

import pytest
from msgspec import UNSET

from weft.errors import Invalid
from weft.rules.language import ANY, Scope, compile_condition
from weft.rules.language.evaluate import evaluator
from weft.rules.language.syntax import Type
from weft.rules.language.units import Measure, Units, read_unit, steps

SCOPE = Scope(
    telemetry=dict.fromkeys(("t", "f", "p", "v", "own", "plain"), Type.DOUBLE),
    reported={"limit": Type.DOUBLE},
    units={"t": "Cel", "f": "[degF]", "p": "bar", "v": "km/h", "own": "widgets"},
    reported_units={"limit": "K"},
)


def holds(text: str, **values: float) -> bool:
    condition = compile_condition(text, SCOPE)
    paths = sorted(condition.paths)
    row = [values.get(path[1], UNSET) for path in paths]
    return bool(evaluator(condition.tree, {path: n for n, path in enumerate(paths)})(row))


@pytest.mark.parametrize(
    ("text", "values", "answer"),
    [
        ("t > 176[degF]", {"t": 80.1}, True),
        ("t > 176[degF]", {"t": 79.9}, False),
        ("176[[degF]] < t", {"t": 80.1}, True),
        ("t > 353.15[K]", {"t": 80.5}, True),
        ("t < -40[degF]", {"t": -41.0}, True),
        ("t < -40.5[degF]", {"t": -40.1}, False),
        ("p > 100[kPa]", {"p": 1.01}, True),
        ("v > 10[m/s]", {"v": 36.5}, True),
        ("v > 10[m/s]", {"v": 35.5}, False),
        # An input in another unit is converted when it is read.
        ("t > f", {"t": 80.0, "f": 175.0}, True),
        ("t > f", {"t": 80.0, "f": 177.0}, False),
        ("t > twin.reported.limit", {"t": 80.0, "limit": 353.0}, True),
        # More, and a difference, have no zero point.
        ("t + 9[degF] > 85[Cel]", {"t": 80.5}, True),
        ("t + 9[degF] > 85[Cel]", {"t": 79.5}, False),
        ("t - f > 5[K]", {"t": 85.5, "f": 176.0}, True),
        ("t - f > 5[K]", {"t": 84.5, "f": 176.0}, False),
        ("min(t, f) > 79[Cel]", {"t": 81.0, "f": 176.0}, True),
        ("max(t, 176[degF]) == 80.0", {"t": 20.0}, False),  # 79.99…: a double's rounding
        ("abs(t) > 176[degF]", {"t": -80.5}, True),
        ("t * 2 > 320[degF]", {"t": 80.5}, True),
        ("(t > 0 ? t : f) > 10[Cel]", {"t": 11.0, "f": 0.0}, True),
        ("p in [1[bar], 200[kPa]]", {"p": 2.0}, True),
        # A plain number is taken in the input's own unit, as ever.
        ("t > 80", {"t": 80.5}, True),
        ("own > plain", {"own": 2.0, "plain": 1.0}, True),
    ],
)
def test_both_sides_are_in_one_unit(text: str, values: dict[str, float], answer: bool) -> None:
    """Converted by the table that mappings use."""
    assert holds(text, **values) is answer


@pytest.mark.parametrize(
    ("text", "value", "answer"),
    [
        ("mean(t, 5m) > 176[degF]", 80.5, True),
        ("delta(t, 5m) > 9[degF]", 5.5, True),
        ("stddev(t, 5m) > 9[degF]", 4.5, False),
        ("rate(t, 5m) > 6[K/min]", 0.11, True),
        ("rate(t, 5m) > 6[K/min]", 0.09, False),
        ("slope(p, 5m) > 60[kPa/min]", 0.011, True),
        ("previous(t) > 176[degF]", 80.5, True),
    ],
)
def test_what_is_remembered_has_a_unit(text: str, value: float, answer: bool) -> None:
    """A mean has its samples' unit, a delta no zero point, a rate is a second."""
    condition = compile_condition(text, SCOPE)
    assert evaluator(condition.tree, {condition.feeds[0].path: 0})([value]) is answer


def test_the_thresholds_of_a_switch_have_units() -> None:
    """They are converted to that of the sample."""
    (feed,) = compile_condition("hysteresis(t, 176[degF], 75[Cel])", SCOPE).feeds
    assert dict(feed.settings) == {"on": pytest.approx(80.0), "off": 75.0}


@pytest.mark.parametrize(
    ("text", "scope", "column", "what", "remedy"),
    [
        ("t > 5[bar]", SCOPE, 5, "Cel and bar do not measure the same", "Cel"),
        ("p + 5[Cel] > 1", SCOPE, 5, "bar and Cel do not measure", "kPa"),
        ("t > p", SCOPE, 5, "do not measure the same", "Units of"),
        ("t > 80[degC]", SCOPE, 8, "'degC' is no unit", "Did you mean 'Cel'?"),
        ("t > 80[Xyzzy]", SCOPE, 8, "no unit that is known", "UCUM"),
        ("t > 80[", SCOPE, 7, "has no end", "80[Cel]"),
        ("plain > 80[Cel]", SCOPE, 1, "this has no unit", "Declare the unit"),
        ("t > 80[Cel]", ANY, 1, "this has no unit", "select that type"),
        ("hysteresis(t, 5[bar], 1)", SCOPE, 15, "Cel and bar", "Cel"),
        ("hysteresis(plain, 5[bar], 1)", SCOPE, 19, "has no unit", "Declare"),
        ("p in [1[bar], 2[Cel]]", SCOPE, 1, "bar and Cel", "kPa"),
        ("count(t, 5m) > 5[Cel]", SCOPE, 1, "has no unit", "brackets"),
    ],
)
def test_what_does_not_fit_is_refused(
    text: str, scope: Scope, column: int, what: str, remedy: str
) -> None:
    """On save, with the column and what would fit."""
    with pytest.raises(Invalid, match=f"Column {column}: .*{re.escape(what)}") as caught:
        compile_condition(text, scope)
    assert remedy in caught.value.remedy


def test_a_unit_a_time_is_converted_part_by_part() -> None:
    """Cel a second in K a minute."""
    assert steps("Cel/s", "K/min") == (pytest.approx(60.0), 0.0)
    assert steps("Cel/s", "bar/min") is None
    assert read_unit("degF", 1) == "[degF]"


def test_a_measure_is_known_without_any_value() -> None:
    """From the inputs' declarations alone."""
    units = Units(SCOPE.unit_of, SCOPE.remembers.get)
    tree = compile_condition("t * 2 + 1 > 0", SCOPE).tree.arguments[0]  # type: ignore[union-attr]  # a comparison
    assert units.measure(tree) == Measure("Cel")
