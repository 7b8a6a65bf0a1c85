"""Cells: what a person reads of one value."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.cli.cells import is_empty, is_plain, number_text, short_moment, text_of


def test_values_are_written_for_people() -> None:
    """Yes and no, commas, names with values, and a dash for nothing."""
    assert text_of("on", True) == "yes"
    assert text_of("roles", ["operator", "viewer"]) == "operator, viewer"
    assert text_of("values", {"rpm": 900, "hot": False}) == "rpm=900, hot=no"
    assert text_of("deep", {"a": {"b": [1]}}) == '{"a": {"b": [1]}}'
    assert [text_of("x", nothing) for nothing in (None, "", [], {})] == ["-"] * 4
    assert text_of("count", 0) == "0"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1021.0, "1021"), (52.97553846153846, "52.9755"), (12345678.25, "12345678.2"), (-0.5, "-0.5")],
)
def test_numbers_have_the_digits_that_are_read(value: float, text: str) -> None:
    """A mean of a thousand samples is not read to the sixteenth digit."""
    assert number_text(value) == text


def test_todays_moments_are_times_and_older_ones_have_a_date() -> None:
    """Local, short, and never to be taken for another day."""
    now = datetime.now(UTC)
    local = now.astimezone()
    exact = f"{now:%Y-%m-%dT%H:%M:%S}.123456789Z"
    assert short_moment("raised_at", exact) == f"{local:%H:%M:%S}"
    assert short_moment("at", exact) == f"{local:%H:%M:%S}.123"
    past = now - timedelta(days=400)
    old = f"{past:%Y-%m-%dT%H:%M:%S}Z"
    assert short_moment("raised_at", old) == f"{past.astimezone():%Y-%m-%d %H:%M}"
    assert short_moment("at", old) == f"{past.astimezone():%Y-%m-%d %H:%M:%S}"


def test_only_fields_that_are_moments_are_read_as_such() -> None:
    """A label that looks like a moment stays what somebody wrote."""
    assert text_of("label", "2026-03-01T00:00:00Z") == "2026-03-01T00:00:00Z"
    assert text_of("raised_at", "soon") == "soon"


LEAVES = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
DOCUMENTS = st.recursive(LEAVES, lambda part: st.lists(part) | st.dictionaries(st.text(), part))


@given(DOCUMENTS)
def test_no_value_of_a_device_breaks_a_line_or_steers_a_terminal(value: object) -> None:
    """Whatever JSON holds, a cell is one printable line."""
    assert text_of("values", value).isprintable()
    assert is_empty(value) in {True, False}
    assert is_plain(value) in {True, False}
