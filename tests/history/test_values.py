"""A value is a number or a text in history, and comes back as it was."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from weft.history.scalars import is_absent
from weft.history.values import Split, from_text, to_text

VALUES = st.recursive(
    st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(VALUES)
@settings(deadline=None)  # a busy machine is no fault
def test_a_text_comes_back(value: Any) -> None:
    """Whatever JSON can say."""
    read = from_text(to_text(value))
    assert read == value
    assert type(read) is type(value)


@given(
    st.lists(
        st.none()
        | st.just(UNSET)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.integers(-(2**60), 2**60)
        | st.just(10**400)
        | st.booleans()
        | st.text(max_size=2)
    )
)
@settings(deadline=None)  # a busy machine is no fault
def test_a_column_is_told_apart_and_nothing_is_lost(column: list[Any]) -> None:
    """Numbers, texts and absent values, each where it was."""
    split = Split(column)
    at = range(len(column)) if split.at is None else split.at.tolist()
    read = dict(zip(at, split.numbers.tolist(), strict=True))
    read |= dict(zip(split.texts_at.tolist(), map(from_text, split.texts), strict=True))
    assert read == {row: value for row, value in enumerate(column) if not is_absent(value)}


def test_a_column_of_numbers_is_taken_whole() -> None:
    """The usual case makes no Python object per value."""
    assert Split([1.5, 2, 3.0]).at is None
    assert Split((1.5, UNSET)).at is not None
