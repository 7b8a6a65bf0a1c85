"""Schemas: declared fields as JSON Schema, for documents that others read.

One writer for the W3C's data schemas, for AsyncAPI and for whoever comes next, so that no
two documents of one type disagree. What a field leaves open, its schema leaves open too.
"""

from collections.abc import Mapping
from typing import Any

from weft.model.device import Field, Output

Schema = dict[str, Any]


def schema_of(field: Field, *, unit_word: str = "unit") -> Schema:
    """Return the schema of one value; `unit_word` is what the document calls a unit."""
    schema: Schema = {"type": field.type}
    if field.description:
        schema["description"] = field.description
    if field.unit:
        schema[unit_word] = field.unit
    for word, bound in (("minimum", field.minimum), ("maximum", field.maximum)):
        if bound is not None:
            schema[word] = plain_number(bound)
    if field.enum:
        schema["enum"] = list(field.enum)
    if field.max_length is not None:
        schema["maxLength"] = field.max_length
    if field.read_only:
        schema["readOnly"] = True
    return schema


def object_of(fields: Mapping[str, Field], *, unit_word: str = "unit", partial: bool) -> Schema:
    """Return the schema of an object of fields; a `partial` one requires none of them."""
    schema: Schema = {
        "type": "object",
        "properties": {key: schema_of(field, unit_word=unit_word) for key, field in fields.items()},
    }
    required = [key for key, field in fields.items() if field.required and not partial]
    if required:
        schema["required"] = required
    return schema


def output_of(output: Output, *, unit_word: str = "unit") -> Schema:
    """Return the schema of what a command gives back."""
    if output.value is not None:
        return schema_of(output.value, unit_word=unit_word)
    return object_of(output.fields, unit_word=unit_word, partial=False)


def plain_number(value: float) -> float | int:
    """Write a whole number without a point: 3600, not 3600.0."""
    return int(value) if value == int(value) and abs(value) < 2**53 else value
