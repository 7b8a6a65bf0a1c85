"""A document means what JSON would mean, whichever of the two it is written in."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.errors import Invalid, TooLarge, WeftError
from weft.registry.documents import DOCUMENT_MAX_CHARACTERS, read_document

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
@settings(deadline=None)  # a busy machine is no fault
def test_json_is_read_as_json(document: dict[str, object]) -> None:
    """What a program wrote as JSON comes back as it was."""
    assert read_document(json.dumps(document, indent="\t"), "rule") == document


@given(st.text(max_size=60))
@settings(deadline=None)  # a busy machine is no fault
def test_no_text_is_a_surprise(text: str) -> None:
    """Whatever is pasted in: a mapping, or an error of ours."""
    try:
        document = read_document(text, "rule")
    except WeftError:
        return
    assert isinstance(document, dict)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: on", "on"),
        ("a: yes", "yes"),
        ("a: 12:30", "12:30"),
        ("a: 2026-03-01", "2026-03-01"),
        ("a: 010", "010"),
        ("a: 1e3", 1000.0),
        ("a: -4", -4),
        ("a: 0.5", 0.5),
        ("a: true", True),
        ("a:", None),
        ("a: null", None),
        ("a: <<", "<<"),
    ],
)
def test_yaml_has_no_surprises(text: str, value: object) -> None:
    """YAML 1.1 would read `on` as true and `12:30` as 750 minutes."""
    assert read_document(text, "rule") == {"a": value}


def test_a_property_may_be_called_on() -> None:
    """`on` is what every lamp calls its switch."""
    assert read_document("on: {type: boolean}", "type") == {"on": {"type": "boolean"}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\na: 2", "'a' stands twice.*line 2, column 1"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ("a: &x [1]\nb: *x", r"alias.*line 2, column 4"),
        ("a: [1", r"line \d"),
        ("a: .inf\nb: !!float inf", r"cannot be read|is inf"),
        ("a: 1e999", r"a is inf"),
        ('{"a": NaN}', "a is nan"),
        ("a: !!timestamp 2026-03-01", "a is a date"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("a: 99999999999999999999", "64 bits"),
        ('{"a": "\\ud800"}', "half a character"),
        ("1: a", "key 1"),
        ("- a", "no mapping"),
        ("", "no mapping"),
        ("{" * 5000, "cannot be read"),
        ("a: " + "[" * 40 + "]" * 40, "deeper than 32"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(text: str, says: str) -> None:
    """The author reads where it is and what to write."""
    with pytest.raises(Invalid, match=says) as refused:
        read_document(text, "rule")
    assert refused.value.remedy


def test_a_document_has_a_size() -> None:
    """A megabyte of YAML takes the parser seconds; it is not read at all."""
    with pytest.raises(TooLarge):
        read_document("a" * (DOCUMENT_MAX_CHARACTERS + 1), "rule")
