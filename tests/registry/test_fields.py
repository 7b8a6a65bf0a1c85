"""A field says what is checked; what would not be checked is refused."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.errors import Invalid
from weft.model.device import Field
from weft.registry.fields import TYPES, fits, read_field


def test_a_schema_becomes_a_field() -> None:
    """All the words that we check, once."""
    schema = {
        "type": "number",
        "unit": "Cel",
        "minimum": -40,
        "maximum": 120,
        "description": "at the bearing",
        "required": True,
        "readOnly": True,
    }
    assert read_field(schema, "t") == Field(
        type="number",
        unit="Cel",
        minimum=-40.0,
        maximum=120.0,
        description="at the bearing",
        required=True,
        read_only=True,
    )


def test_text_has_a_length_and_choices() -> None:
    """An enumeration is a list, a constant a list of one."""
    assert read_field({"type": "string", "maxLength": 8}, "s").max_length == 8
    assert read_field({"type": "string", "enum": ["a", "b"]}, "s").enum == ("a", "b")
    assert read_field({"type": "integer", "const": 3}, "s").enum == (3,)


@pytest.mark.parametrize(
    ("schema", "detail", "remedy"),
    [
        ("number", "x is a text", "below x"),
        ({}, "x has no type", "number"),
        ({"type": "float"}, "x.type is 'float'", "number"),
        ({"type": "number", "min": 1}, "x.min is not a word", "Did you mean minimum"),
        ({"type": "number", "exclusiveMinimum": 1}, "x.exclusiveMinimum", "minimum"),
        ({"type": "string", "pattern": "a+"}, "x.pattern", "Leave it out"),
        ({"type": "string", "minimum": 1}, "x.minimum stands beside", "change the type"),
        ({"type": "number", "minimum": "1"}, "x.minimum is a text", "without quotes"),
        ({"type": "number", "minimum": 2, "maximum": 1}, "x.minimum .2. is above", "Swap"),
        ({"type": "integer", "enum": [1, "b"]}, r"x.enum\[1\] is a text", "integer"),
        ({"type": "integer", "enum": []}, "x.enum is no list", "at least one"),
        ({"type": "string", "maxLength": 0}, "x.maxLength is 0", "1 or more"),
        ({"type": "number", "unit": 3}, "x.unit is a number", "quotes"),
        ({"type": "number", "readOnly": "yes"}, "x.readOnly is a text", "true or false"),
    ],
)
def test_an_error_names_the_place_and_the_remedy(schema: Any, detail: str, remedy: str) -> None:
    """An author who mistyped a word finds it without a manual."""
    with pytest.raises(Invalid, match=detail) as refused:
        read_field(schema, "x")
    assert remedy in refused.value.remedy


def test_annotations_pass() -> None:
    """Words of other vocabularies describe; they do not constrain."""
    schema = {"type": "number", "title": "T", "saref:isAbout": "x", "$comment": "y"}
    assert read_field(schema, "x") == Field(type="number")


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none()))
@settings(deadline=None)  # a busy machine is no fault
def test_a_value_fits_one_kind_or_is_a_whole_number(value: Any) -> None:
    """Only a whole number is of two types: a number as well as an integer."""
    kinds = {kind for kind in TYPES if fits(value, kind)}
    assert len(kinds) <= 1 or kinds == {"number", "integer"}
