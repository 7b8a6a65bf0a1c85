"""Schemas: declared fields as JSON Schema."""

from weft.model.device import Field, Output
from weft.registry.schemas import object_of, output_of, plain_number, schema_of


def test_a_schema_says_what_its_field_says_and_nothing_else() -> None:
    """Each word of a field, in the word of the schema."""
    field = Field("number", unit="Cel", minimum=-40, maximum=99.5, description="of the oil")
    assert schema_of(field, unit_word="x-unit") == {
        "type": "number",
        "description": "of the oil",
        "x-unit": "Cel",
        "minimum": -40,
        "maximum": 99.5,
    }
    assert schema_of(Field("string", enum=("a", "b"), max_length=3)) == {
        "type": "string",
        "enum": ["a", "b"],
        "maxLength": 3,
    }
    assert schema_of(Field("boolean")) == {"type": "boolean"}


def test_an_object_requires_what_its_fields_require_unless_it_is_partial() -> None:
    """A report of properties is always partial."""
    fields = {"rpm": Field("number", required=True), "ramp": Field("number")}
    assert object_of(fields, partial=False)["required"] == ["rpm"]
    assert "required" not in object_of(fields, partial=True)


def test_whole_numbers_have_no_point() -> None:
    """3600 stays what its owner wrote."""
    assert [repr(plain_number(value)) for value in (3600.0, 0.5, -1.0)] == ["3600", "0.5", "-1"]


def test_an_output_is_an_object_of_its_fields_or_one_value() -> None:
    rpm = Field("number", unit="/min", required=True)
    assert output_of(Output({"rpm": rpm}), unit_word="x-unit") == {
        "type": "object",
        "properties": {"rpm": {"type": "number", "x-unit": "/min"}},
        "required": ["rpm"],
    }
    assert output_of(Output(value=rpm)) == {"type": "number", "unit": "/min"}
