"""Expressions that give a value: checked as conditions are, of any type."""

import pytest

from weft.errors import Invalid
from weft.rules.language.evaluate import FAILURES
from weft.rules.language.expression import compile_expression
from weft.rules.language.scope import ANY
from weft.rules.language.syntax import Type
from weft.rules.language.values import AbsentError


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("'A-' + device.id", Type.STRING, "A-pump-7"),
        ("2 + 3", Type.INT, 5),
        ("device.id == 'pump-7' ? '1' : '3'", Type.STRING, "1"),
        ("device.attributes.cost_centre", Type.DYN, 4711.0),
        ("has(device.attributes.absent) ? 'a' : 'b'", Type.STRING, "b"),
    ],
)
def test_an_expression_gives_a_value_of_its_type(text: str, kind: Type, value: object) -> None:
    """What a field is filled with is known by type before the first alarm."""
    made = compile_expression(text, ANY)
    held = {("device", "id"): "pump-7", ("attribute", "cost_centre"): 4711.0}
    assert (made.type, made.value(held)) == (kind, value)


def test_a_value_that_is_absent_leaves_it_without_one() -> None:
    """Absence is told apart from failure, and neither is a value."""
    with pytest.raises(AbsentError):
        compile_expression("device.attributes.absent", ANY).value({})
    with pytest.raises(FAILURES):
        compile_expression("1 / 0", ANY).value({})


@pytest.mark.parametrize(("text", "column"), [("1 +", 4), ("device.id + 1", 11), ("size(1)", 6)])
def test_what_does_not_fit_is_refused_with_its_column(text: str, column: int) -> None:
    """As for conditions: before anything runs."""
    with pytest.raises(Invalid, match=f"Column {column}:"):
        compile_expression(text, ANY)


def test_an_expression_remembers_nothing() -> None:
    """A field is filled at one moment; a window belongs into the condition."""
    with pytest.raises(Invalid, match=r"mean\(\) remembers samples"):
        compile_expression("mean(temperature, 5m)", ANY)
