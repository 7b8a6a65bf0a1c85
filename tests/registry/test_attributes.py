"""Attributes are a small JSON document, changed by merge patch."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.errors import Invalid, TooLarge
from weft.registry.attributes import ATTRIBUTES_MAX_BYTES, merged, require_attributes

LEAVES = st.sampled_from([0, 1, "x", True])
DOCUMENTS = st.recursive(
    st.dictionaries(st.sampled_from("abc"), LEAVES, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), LEAVES | inner, max_size=3),
)


@pytest.mark.parametrize(
    ("old", "patch", "new"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": None}, {}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": [1]}, {"a": [2]}, {"a": [2]}),
        ({}, {"a": {"b": None}}, {"a": {}}),
    ],
)
def test_a_merge_patch_names_only_what_changes(
    old: dict[str, object], patch: dict[str, object], new: dict[str, object]
) -> None:
    """The cases of RFC 7396, appendix A, that concern objects."""
    assert merged(old, patch) == new


@given(DOCUMENTS, DOCUMENTS)
@settings(deadline=None)  # a busy machine is no fault
def test_patching_twice_changes_nothing_more(
    old: dict[str, object], patch: dict[str, object]
) -> None:
    """A client that repeats its PATCH after a timeout does no harm."""
    once = merged(old, patch)
    assert merged(once, patch) == once


def test_attributes_are_facts_not_files() -> None:
    """A photograph of the pump does not fit."""
    with pytest.raises(TooLarge, match="attributes"):
        require_attributes({"photo": "x" * ATTRIBUTES_MAX_BYTES})


def test_what_json_cannot_hold_is_refused_with_its_place() -> None:
    """A number without an end would break every reader behind us."""
    with pytest.raises(Invalid, match=r"attributes\.site\.height is inf"):
        require_attributes({"site": {"height": float("inf")}})
