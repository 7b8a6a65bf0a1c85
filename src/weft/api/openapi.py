"""OpenAPI 3.1: the document that the table of operations writes of itself (HT-4).

Each operation lists every status that it can answer, each error by the one problem schema,
so that a generated client never meets an answer that it has not heard of.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from weft import __doc__ as _summary
from weft.api.operation import JSON, PUBLIC, SIGNED_IN, Operation, is_json
from weft.api.problems import (
    MEDIA_TYPE,
    TITLES,
    Malformed,
    NotAcceptable,
    Problem,
    UnsupportedMediaType,
    VersionRequired,
    status_of,
)
from weft.api.schemas import schemas_of
from weft.errors import (
    Conflict,
    Forbidden,
    Invalid,
    RateLimited,
    StaleVersion,
    StorageError,
    TooLarge,
    Unauthenticated,
    WeftError,
)

_DESCRIPTIONS = {
    "device_id": "The owner's name for the device; a device may write `me` for its own.",
    "version": "Number of a kept version.",
}

# Bodies that are not the declared one in another notation.
_OTHER_BODIES: dict[str, dict[str, Any]] = {
    "application/cbor": {"type": "string", "format": "binary"},
    "application/octet-stream": {"type": "string", "format": "binary"},
    "application/senml+cbor": {"type": "string", "format": "binary"},
    "application/senml+json": {"type": "array", "items": {"type": "object"}, "minItems": 1},
    "text/plain": {"type": "string", "minLength": 1},
}


def make_document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """Write the OpenAPI document of a table of operations."""
    kinds: list[Any] = [Problem]
    for operation in operations:
        kinds += [
            kind for kind in (operation.described_body, operation.result) if _has_schema(kind)
        ]
        if operation.query is not None:
            kinds.append(operation.query)
    schemas, components = schemas_of(kinds)
    by_type = {id(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    queries = {op.query.__name__ for op in operations if op.query is not None}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        item = paths.setdefault(operation.full_path, {})
        item[operation.method.lower()] = _operation(operation, by_type, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Weft",
            "summary": (_summary or "").strip().splitlines()[0],
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in sorted({_tag(operation) for operation in operations})],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": {name: part for name, part in components.items() if name not in queries},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token, a service key or a device token.",
                },
                "certificate": {
                    "type": "mutualTLS",
                    "description": "A device's certificate from Weft's own CA.",
                },
            },
        },
    }


def encode_document(document: dict[str, Any]) -> bytes:
    """Write the document as bytes."""
    return msgspec.json.encode(document)


def _has_schema(kind: Any) -> bool:
    return kind is not None and kind is not bytes


def _tag(operation: Operation) -> str:
    return operation.tag or operation.path.split("/")[1]


def _operation(
    operation: Operation, by_type: dict[int, Any], components: dict[str, Any]
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [_tag(operation)],
        "responses": _responses(operation, by_type),
    }
    if operation.description:
        described["description"] = operation.description
    if parameters := _parameters(operation, components):
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = _request_body(operation, by_type)
    if operation.action == PUBLIC:
        described["security"] = []
    elif operation.action != SIGNED_IN:
        described["x-weft-action"] = operation.action
    return described


def _parameters(operation: Operation, components: dict[str, Any]) -> list[dict[str, Any]]:
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _DESCRIPTIONS.get(name, name.replace("_", " ").capitalize() + "."),
            "schema": {"type": "string", "minLength": 1},
        }
        for name in operation.parameters
    ]
    if operation.query is not None:
        parameters += _query_parameters(components[operation.query.__name__])
    if operation.if_match:
        parameters.append(
            {
                "name": "If-Match",
                "in": "header",
                # Left out where it is required, it is answered with 428, which says so better.
                "required": False,
                "description": "The ETag that was read, or * to write over any version.",
                "schema": {"type": "string", "pattern": r'^(\*|"\d{1,18}")$'},
                "example": '"3"',
            }
        )
    if operation.takes_key:
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "Sent again with the same key, the request is done only once.",
                "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
            }
        )
    return parameters


def _query_parameters(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", ())
    parameters: list[dict[str, Any]] = []
    for name, declared in schema.get("properties", {}).items():
        part = _without_null(declared)
        parameter: dict[str, Any] = {"name": name, "in": "query", "schema": part}
        parameter["required"] = name in required
        if "description" in part:
            parameter["description"] = part.pop("description")
        if part.get("type") == "array":
            parameter |= {"style": "form", "explode": False}
        parameters.append(parameter)
    return parameters


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter's schema: one that is left out is absent, not null."""
    schema = {key: value for key, value in schema.items() if key != "default" or value is not None}
    if "anyOf" in schema:
        rest = [part for part in schema.pop("anyOf") if part != {"type": "null"}]
        schema |= rest[0] if len(rest) == 1 else {"anyOf": rest}
    return schema


def _request_body(operation: Operation, by_type: dict[int, Any]) -> dict[str, Any]:
    schema = by_type.get(id(operation.described_body), {"type": "string", "format": "binary"})
    content: dict[str, Any] = {}
    for media_type in operation.accepts:
        content[media_type] = {"schema": _OTHER_BODIES.get(media_type, schema)}
        if operation.example is not None and media_type == JSON:
            content[media_type]["example"] = operation.example
    return {"required": not operation.body_optional, "content": content}


def _responses(operation: Operation, by_type: dict[int, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    if operation.result is None:
        responses["204"] = {"description": "Done."}
    else:
        status = str(operation.status)
        responses[status] = {"description": operation.summary, "content": {}}
        for media_type in operation.produces:
            schema = by_type.get(id(operation.result)) if is_json(media_type) else None
            responses[status]["content"][media_type] = {"schema": schema or {"type": "string"}}
        if operation.etag:
            responses[status]["headers"] = {
                "ETag": {"description": "The record's version.", "schema": {"type": "string"}}
            }
            if operation.method == "GET":
                responses["304"] = {"description": "Not changed since the version named."}
    problem = {MEDIA_TYPE: {"schema": by_type[id(Problem)]}}
    for status_code in sorted({status_of(error) for error in errors_of(operation)}):
        responses[str(status_code)] = {"description": TITLES[status_code], "content": problem}
    for status_code in operation.own_errors:
        own = {JSON: {"schema": by_type[id(operation.result)]}}
        responses[str(status_code)] = {
            "description": TITLES[status_code],
            "content": problem | own,
        }
    return responses


def errors_of(operation: Operation) -> frozenset[type[WeftError]]:
    """Return the errors that an operation can answer: its own and those of its shape."""
    errors: set[type[WeftError]] = {*operation.errors, Malformed, Invalid, RateLimited}
    errors |= {StorageError, NotAcceptable}
    if operation.action != PUBLIC:
        errors |= {Unauthenticated, Forbidden}
    if operation.body is not None:
        errors |= {TooLarge, UnsupportedMediaType}
    if operation.if_match:
        errors |= {StaleVersion}
    if operation.if_match == "required":
        errors |= {VersionRequired}
    if operation.method == "POST" and operation.action != PUBLIC:
        errors |= {Conflict}
    return frozenset(errors)
