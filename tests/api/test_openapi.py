"""The document that the table writes of itself: valid, complete, and easy on generators."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from tests.api.support import World

from weft.api.openapi import errors_of, make_document
from weft.api.operations.table import TABLE
from weft.api.problems import status_of

DOCUMENT = make_document(TABLE, "0.1.0")


def operations() -> Iterator[dict[str, Any]]:
    for item in DOCUMENT["paths"].values():
        yield from item.values()


def schemas(part: Any, *, inside: str = "") -> Iterator[Any]:
    """Yield every schema object, wherever it stands."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key in {"schema", "items", "additionalProperties"}:
                yield value
            if key in {"properties", "schemas"}:
                yield from value.values()
            if key not in {"default", "example", "enum"}:
                yield from schemas(value, inside=key)
    elif isinstance(part, list):
        for value in part:
            yield from schemas(value)


def test_routes_and_document_are_the_same() -> None:
    """Whatever is routed is described, and nothing else (HT-4)."""
    described = {
        (path, method.upper()) for path, item in DOCUMENT["paths"].items() for method in item
    }
    assert described == {(operation.full_path, operation.method) for operation in TABLE}


def test_ids_are_unique_and_summaries_are_there() -> None:
    """A generator makes one method of each id."""
    ids = [operation["operationId"] for operation in operations()]
    assert len(set(ids)) == len(ids)
    assert all(operation["summary"] for operation in operations())


def test_no_schema_is_empty() -> None:
    """An empty schema becomes `object` in one generator and an error in the next."""
    assert [schema for schema in schemas(DOCUMENT) if schema == {}] == []


def test_nullable_is_written_as_in_3_1() -> None:
    """As a type, not as the keyword of 3.0."""
    assert all("nullable" not in schema for schema in schemas(DOCUMENT) if isinstance(schema, dict))


def test_every_reference_leads_somewhere() -> None:
    """A dangling reference stops a generator."""
    known = DOCUMENT["components"]["schemas"]
    for schema in schemas(DOCUMENT):
        if isinstance(schema, dict) and "$ref" in schema:
            assert schema["$ref"].removeprefix("#/components/schemas/") in known


def test_component_names_are_identifiers() -> None:
    """They become the names of classes."""
    assert all(name.isidentifier() for name in DOCUMENT["components"]["schemas"])


def test_component_schemas_are_json_schema() -> None:
    """Valid in the dialect of OpenAPI 3.1."""
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$defs": DOCUMENT["components"]["schemas"], **schema})


def test_every_error_is_documented_by_the_one_schema() -> None:
    """A client meets no answer that it has not heard of."""
    for operation in TABLE:
        described = DOCUMENT["paths"][operation.full_path][operation.method.lower()]["responses"]
        for error in errors_of(operation):
            answer = described[str(status_of(error))]
            schema = answer["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}


def test_no_view_has_a_secret_in_it() -> None:
    """Digests, hashes of passwords and peppers are in no answer (AZ-2)."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field in schema.get("properties", {}):
            assert field not in {"digest", "password_hash", "pepper", "tenant_id"} or (
                field == "tenant_id" and "Tenant" in name
            )


@pytest.mark.parametrize("path", ["/openapi.json", "/metrics", "/health", "/devices", "/nothing"])
async def test_nothing_is_told_without_a_credential(world: World, path: str) -> None:
    """Neither the document nor the counters, nor which paths there are (HT-4, AU-1)."""
    answer = await world.call("GET", path)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_the_document_is_served(world: World) -> None:
    """Where DESIGN says it is."""
    answer = await world.call("GET", "/openapi.json", token=world.admin())
    assert answer.json["openapi"] == "3.1.0"
    assert answer.json["paths"].keys() == DOCUMENT["paths"].keys()
