"""Conditions over arrays: a yes, a no, or what must be asked; never another answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from tests.rules.support import MACHINE

from weft.rules.language import ANY, compile_condition, scope_of
from weft.rules.language.evaluate import FAILURES, evaluator
from weft.rules.language.values import plain
from weft.rules.past.vectors import truth_vector

TEXTS = [
    "temperature > pressure", "temperature * pressure >= 1.0", "temperature / pressure < 0.5",
    "!(temperature == pressure) || rpm > 3", "rpm * rpm - rpm + 1 != 7 && temperature <= 2.5",
    "-temperature < pressure && (rpm < 2 || pressure > 1.0)", "true || temperature > 1",
    "rpm + temperature > 3",
]  # fmt: skip
NUMBER = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 1.0, 2.5])
ROWS = st.lists(
    st.tuples(NUMBER | st.none(), NUMBER | st.none(), st.integers(-(2**53), 2**53) | st.none()),
    min_size=1,
    max_size=20,
)


@given(text=st.sampled_from(TEXTS), rows=ROWS, typed=st.booleans())
def test_what_is_known_is_what_the_evaluator_says(
    text: str, rows: list[tuple[float | None, float | None, int | None]], *, typed: bool
) -> None:
    """Over infinities, zeros of both signs, products that no int holds, and absent values."""
    condition = compile_condition(text, scope_of(MACHINE) if typed else ANY)
    vector = truth_vector(condition.tree)
    assert vector is not None
    paths = [("telemetry", key) for key in ("temperature", "pressure", "rpm")]
    columns = [np.array([np.nan if one is None else one for one in column], np.float64)
               for column in zip(*rows, strict=True)]  # fmt: skip
    answer = vector(dict(zip(paths, columns, strict=True)))
    evaluate = evaluator(condition.tree, {path: slot for slot, path in enumerate(paths)})
    for place, row in enumerate(rows):
        if not answer.known[place]:
            continue
        seen = [UNSET if one is None else one if typed else plain(one) for one in row]
        try:
            exact = evaluate(seen)
        except FAILURES as error:
            pytest.fail(f"{text} on {row}: {error}")
        assert bool(answer.value[place]) is exact


@pytest.mark.parametrize(
    "text",
    ["mode == 'run'", "running", "rpm / 2 > 1", "rpm % 2 == 0", "temperature > 1 ? true : false",
     "abs(temperature) > 1", "rpm > 9007199254740993", "size(mode) > 2", "has(temperature)"],
)  # fmt: skip
def test_what_arrays_do_not_mean_the_same_of_is_not_made(text: str) -> None:
    """It is asked sample by sample."""
    assert truth_vector(compile_condition(text, scope_of(MACHINE)).tree) is None
