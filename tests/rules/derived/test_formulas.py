"""Formulas: what can be computed is saved, what cannot is refused with its column."""

import pytest
from tests.rules.support import MACHINE

from weft.errors import Invalid
from weft.rules.derived.formulas import compile_value, require_key, telemetry_of
from weft.rules.language import scope_of

SCOPE = scope_of(MACHINE)


def test_the_inputs_of_a_formula_are_found_through_its_windows() -> None:
    """What feeds a window moves the value as well."""
    value = compile_value("mean(temperature, 5m) + pressure", SCOPE)
    assert telemetry_of(value) == ("pressure", "temperature")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("temprature * 2.0", "Column 1: 'temprature' is no telemetry key"),
        ("gps", "Column 1: the expression gives map"),
        ("1 + 2", "Column 3: the expression reads nothing that a device sends"),
        ("temperature +", "Column"),
        ("mode * 2", "Column 6"),
        ("mean(temperature)", "mean\\(\\) takes"),
        ("any(temperature > 80)", "no function any"),
    ],
)
def test_what_cannot_be_computed_is_refused_with_its_column(text: str, says: str) -> None:
    """On save, and not when the first message comes."""
    with pytest.raises(Invalid, match=says):
        compile_value(text, SCOPE)


@pytest.mark.parametrize("key", ["", "device", "a\nb", "x" * 129])
def test_a_key_that_could_not_be_named_is_refused(key: str) -> None:
    """An expression must be able to read it."""
    with pytest.raises(Invalid):
        require_key(key, frozenset({"device", "twin", "telemetry"}))
