"""Schemas: JSON Schema of the table's types, as OpenAPI 3.1 wants it.

Generators choke on an empty schema and on names with brackets, so a free value is written
out as what JSON allows, and a page of devices is called PageOfDevice.
"""

import re
from typing import Any

import msgspec

REFERENCE = "#/components/schemas/"

ANY_VALUE = {
    "AnyValue": {
        "description": "Any JSON value.",
        "anyOf": [
            {"type": "string"},
            {"type": "number"},
            {"type": "boolean"},
            {"type": "null"},
            {"type": "array", "items": {"$ref": f"{REFERENCE}AnyValue"}},
            {"type": "object", "additionalProperties": {"$ref": f"{REFERENCE}AnyValue"}},
        ],
    }
}

_ANY = {"$ref": f"{REFERENCE}AnyValue"}
_GENERIC = re.compile(r"^(\w+?)_(\w+?)_$")
_SCHEMAS_INSIDE = ("items", "additionalProperties")


def schemas_of(types: list[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the schema of each type, and the components that they refer to."""
    schemas, components = msgspec.json.schema_components(types, ref_template=REFERENCE + "{name}")
    named = {_clean_name(name): _clean(schema) for name, schema in components.items()}
    return [_clean(schema) or _ANY for schema in schemas], named | ANY_VALUE


def _clean_name(name: str) -> str:
    match = _GENERIC.match(name)
    return f"{match[1]}Of{match[2].removesuffix('View')}" if match else name


def _clean(schema: Any) -> Any:
    """Return a schema without empty parts and without what 3.1 does not need."""
    if isinstance(schema, list):
        return [_clean(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        return {**schema, "$ref": REFERENCE + _clean_name(name)}
    cleaned = {key: _clean_part(key, value) for key, value in schema.items()}
    if cleaned.get("type") == "object" and not cleaned.keys() & {
        "properties",
        "additionalProperties",
    }:
        cleaned["additionalProperties"] = _ANY
    if cleaned.get("type") == "array" and not cleaned.keys() & {"items", "prefixItems"}:
        cleaned["items"] = _ANY
    if cleaned.get("required") == []:
        del cleaned["required"]
    if isinstance(cleaned.get("title"), str):
        cleaned["title"] = re.sub(r"\W", " ", cleaned["title"]).strip()
    return cleaned


def _clean_part(key: str, value: Any) -> Any:
    if key in {"default", "enum", "const", "examples"}:
        return value
    if key == "properties":
        return {name: _clean(part) or _ANY for name, part in value.items()}
    if key in _SCHEMAS_INSIDE and value == {}:
        return _ANY
    return _clean(value)
