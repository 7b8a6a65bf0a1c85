"""Ids and names: unique, in order, and harmless wherever they stand."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import Invalid
from weft.model.ids import NAME_MAX_CHARACTERS, derived_id, derived_id_at, new_id, require_name

PARTS = st.lists(
    st.text(st.characters(exclude_characters="\x1f", exclude_categories=("Cs",))),
    min_size=1,
    max_size=4,
)


def test_new_ids_are_uuids_of_version_seven_in_the_order_they_were_made() -> None:
    """So that a list by id is a list by time (RFC 9562, 5.7)."""
    made = [new_id() for _ in range(1_000)]
    assert len(set(made)) == len(made)
    parsed = [uuid.UUID(text) for text in made]
    assert {one.version for one in parsed} == {7}
    assert {one.variant for one in parsed} == {uuid.RFC_4122}
    millis = [one.int >> 80 for one in parsed]
    assert millis == sorted(millis)


def test_the_same_parts_derive_the_same_id() -> None:
    """An alarm that is raised again after a crash is the same alarm."""
    assert derived_id("rule-1", "3", "pump-7") == derived_id("rule-1", "3", "pump-7")


@given(PARTS, PARTS)
def test_other_parts_derive_another_id(some: list[str], others: list[str]) -> None:
    """Also where they only differ in where one part ends: ("ab", "c") is not ("a", "bc")."""
    assert (derived_id(*some) == derived_id(*others)) == (some == others)


@given(st.integers(0, 2**47), st.integers(0, 2**47), PARTS)
def test_derived_ids_sort_by_their_moment(first_ms: int, other_ms: int, parts: list[str]) -> None:
    """Alarms are listed newest first, page by page, though their ids are derived."""
    first = derived_id_at(first_ms * 1_000_000, *parts)
    other = derived_id_at(other_ms * 1_000_000, *parts)
    assert (first < other) == (first_ms < other_ms)
    assert uuid.UUID(first).version == 8
    assert first == derived_id_at(first_ms * 1_000_000 + 999_999, *parts)


@pytest.mark.parametrize("name", ["pump-7", "7", "a.b_c:d@e~f", "x" * NAME_MAX_CHARACTERS])
def test_a_good_name_is_kept_as_it_is(name: str) -> None:
    """No folding, no trimming: what was written is what is found."""
    assert require_name(name, "device id") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "a/b",
        "+",
        "#",
        "pump+",
        "$SYS",
        ".",
        "..",
        "-v",
        "_x",
        "pümp",
        "a\n",
        "a\0",
        "%2e",
    ],
)
def test_a_name_that_could_mean_something_else_is_refused(name: str) -> None:
    """In a topic, a path, a file name, an option or a log line (MQ-5)."""
    with pytest.raises(Invalid) as caught:
        require_name(name, "device id")
    assert "device id" in caught.value.detail
    assert caught.value.remedy


def test_a_name_that_is_too_long_is_refused_by_its_length() -> None:
    """Not with ten thousand characters in the answer."""
    with pytest.raises(Invalid) as caught:
        require_name("x" * 10_000, "device id")
    assert len(caught.value.detail) < 200


@given(st.text())
def test_no_name_gets_through_that_a_topic_or_path_would_read(text: str) -> None:
    """Whatever it is made of."""
    try:
        require_name(text, "name")
    except Invalid:
        return
    assert not set(text) & set("/+#$\\ \t\n\0%\"'<>")
    assert text[0].isalnum()
