"""Moments: nanoseconds inside, RFC 3339 outside, and no zone is ever guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import Invalid
from weft.model.moments import from_rfc3339, to_rfc3339

YEAR_9999_NS = 253_402_300_799 * 10**9


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_772_366_400_000_000_000, "2026-03-01T12:00:00Z"),
        (1_772_366_400_250_000_000, "2026-03-01T12:00:00.250Z"),
        (1_772_366_400_000_001_000, "2026-03-01T12:00:00.000001Z"),
        (1_772_366_400_000_000_001, "2026-03-01T12:00:00.000000001Z"),
        (-1_000_000, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_a_moment_is_written_with_the_decimals_it_needs(at: int, text: str) -> None:
    """None, three, six or nine, so that no digit is lost and none is noise."""
    assert to_rfc3339(at) == text


@given(st.integers(0, YEAR_9999_NS))
def test_a_moment_is_read_as_it_was_written(at: int) -> None:
    """To the nanosecond."""
    assert from_rfc3339(to_rfc3339(at)) == at


@pytest.mark.parametrize(
    "text",
    ["2026-03-01T12:00:00Z", "2026-03-01T13:00:00+01:00", "2026-03-01T06:30:00-05:30"],
)
def test_an_offset_is_honoured(text: str) -> None:
    """The same moment, wherever it was written."""
    assert from_rfc3339(text) == 1_772_366_400_000_000_000


@pytest.mark.parametrize(
    ("text", "says"),
    [("2026-03-01T12:00:00", "time zone"), ("yesterday", "not a moment"), ("", "not a moment"),
     ("2026-02-30T00:00:00Z", "not a moment"), ("2026-03-01", "time zone")],
)  # fmt: skip
def test_what_is_no_moment_is_refused_with_how_to_write_one(text: str, says: str) -> None:
    """A moment without a zone is off by hours, twice a year by one more."""
    with pytest.raises(Invalid) as caught:
        from_rfc3339(text)
    assert says in caught.value.detail
    assert caught.value.remedy


@given(st.integers(0, YEAR_9999_NS // 1_000).map(lambda micros: micros * 1_000))
def test_what_was_written_is_read_as_it_was(at: int) -> None:
    """To the microsecond, which is what RFC 3339 in Python's own reader keeps."""
    assert from_rfc3339(to_rfc3339(at)) == at
