"""Schemas that generators can read."""

from typing import Any

from msgspec import Struct

from weft.api.schemas import schemas_of
from weft.api.views import Page


class Thing(Struct):
    """A thing."""

    free: Any
    many: list[Any]
    names: dict[str, Any]
    maybe: int | None = None


def test_free_values_are_written_out_and_pages_have_names() -> None:
    """No empty schema, no bracket in a name."""
    schemas, components = schemas_of([Page[Thing], Any, dict[str, Any]])
    assert schemas[0] == {"$ref": "#/components/schemas/PageOfThing"}
    anything = {"$ref": "#/components/schemas/AnyValue"}
    assert schemas[1] == anything
    assert schemas[2]["additionalProperties"] == anything
    thing = components["Thing"]["properties"]
    assert thing["free"] == anything
    assert thing["many"]["items"] == anything
    assert {"type": "null"} in thing["maybe"]["anyOf"]
