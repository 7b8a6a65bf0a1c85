"""Cost: bounded before it runs."""

import pytest
from tests.rules.support import MACHINE

from weft.errors import Invalid
from weft.rules.language import ANY, compile_condition, scope_of
from weft.rules.language.cost import MAX_COST


def test_usual_conditions_are_cheap() -> None:
    """Far from the bound."""
    assert compile_condition("temperature > 80 && rpm > 3", scope_of(MACHINE)).cost < 20
    assert compile_condition("a > 80 && b.c == 'x'", ANY).cost < MAX_COST / 100


def test_lists_and_texts_are_counted_at_their_worst() -> None:
    """Looking into a list that a device sends costs more than into one written down."""
    written = compile_condition("mode in ['a', 'b']", scope_of(MACHINE)).cost
    assert compile_condition("mode in gps", scope_of(MACHINE)).cost > 100 * written


def test_what_may_take_long_is_refused() -> None:
    """Thirty looks into lists of unknown length, in one condition."""
    text = " || ".join([f"a{n} in b" for n in range(30)])
    with pytest.raises(Invalid, match="may cost") as caught:
        compile_condition(text + " || c in b", ANY)
    assert caught.value.remedy
