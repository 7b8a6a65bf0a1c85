"""What a Thing Description and an AsyncAPI document have to have, as their standards say.

Written from W3C TD 1.1 (section 5.3) and AsyncAPI 3.0, without their schema files. Each
check raises AssertionError with the place.
"""

from collections.abc import Iterator
from typing import Any

PUMP = """
title: Pump
description: A cooling pump
telemetry:
  rpm: {type: number, unit: /min, minimum: 0, maximum: 3600, required: true}
  pressure: {type: number, unit: bar, description: at the outlet}
  state: {type: string, enum: [idle, running, fault]}
  starts: {type: integer, minimum: 0}
  wet: {type: boolean}
  "in.ch-1": {type: number}
properties:
  firmware: {type: string, readOnly: true, maxLength: 40}
  setpoint_rpm: {type: number, minimum: 0, maximum: 3000}
  mode: {type: string, enum: [auto, manual]}
commands:
  stop:
  start:
    title: Start it
    rpm: {type: number, minimum: 0, maximum: 3000, required: true}
events:
  overload:
    current: {type: number, unit: A, required: true}
  "door:open":
"""

_OPS = {
    "properties": {"readproperty", "writeproperty", "observeproperty", "unobserveproperty"},
    "actions": {"invokeaction", "queryaction", "cancelaction"},
    "events": {"subscribeevent", "unsubscribeevent"},
    "forms": {"readallproperties", "writemultipleproperties", "observeallproperties"},
}
_TYPES = {"number", "integer", "boolean", "string", "object", "array", "null"}


def require_td(td: dict[str, Any]) -> None:
    """Check a Thing Description."""
    assert td["@context"][0] == "https://www.w3.org/2022/wot/td/v1.1"
    assert td["id"].startswith("urn:uuid:")
    assert td["title"]
    assert td["security"] in td["securityDefinitions"]
    prefixes = {name for more in td["@context"][1:] for name in more}
    for scheme in td["securityDefinitions"].values():
        assert scheme["scheme"] in {"bearer", "basic", "psk", "apikey"}
    _require_forms(td["forms"], "forms", td, prefixes)
    for section in ("properties", "actions", "events"):
        for name, affordance in td.get(section, {}).items():
            assert affordance["forms"], f"{section}.{name} cannot be reached"
            _require_forms(affordance["forms"], section, td, prefixes)
            if section == "properties":
                require_schema(affordance, f"{section}.{name}")
            for word in ("input", "output", "data"):
                if word in affordance:
                    require_schema(affordance[word], f"{section}.{name}.{word}")
    for link in td.get("links", []):
        assert link["href"].startswith(("http://", "https://"))


_SCHEMES = {"http", "https", "mqtt", "mqtts", "coap", "coaps", "ws", "wss"}


def _require_forms(
    forms: list[dict[str, Any]], section: str, td: dict[str, Any], prefixes: set[str]
) -> None:
    for form in forms:
        ops = [form["op"]] if isinstance(form["op"], str) else form["op"]
        assert set(ops) <= _OPS[section], (section, ops)
        assert form["href"].split("://")[0] in _SCHEMES
        assert " " not in form["href"]
        assert form.get("security", td["security"]) in td["securityDefinitions"]
        for word in form:
            assert ":" not in word or word.split(":")[0] in prefixes, word


def require_schema(schema: dict[str, Any], place: str) -> None:
    """Check a data schema, and those in it."""
    assert schema.get("type", "object") in _TYPES, place
    assert not isinstance(schema.get("required"), bool), place
    if "enum" in schema:
        assert schema["enum"], place
    if {"minimum", "maximum"} <= schema.keys():
        assert schema["minimum"] <= schema["maximum"], place
    properties = schema.get("properties", {})
    assert set(schema.get("required", ())) <= properties.keys(), place
    for key, inner in properties.items():
        require_schema(inner, f"{place}.{key}")


def require_asyncapi(document: dict[str, Any]) -> None:
    """Check an AsyncAPI 3.0 document: its parts, its references, its parameters."""
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= document["info"].keys()
    for pointer in _references(document):
        _resolve(document, pointer)
    for server in document.get("servers", {}).values():
        assert {"host", "protocol"} <= server.keys()
        assert "://" not in server["host"]
    for name, channel in document["channels"].items():
        assert _is_key(name)
        named = {part[1:-1] for part in channel["address"].split("/") if part.startswith("{")}
        assert named == channel["parameters"].keys(), name
    for name, operation in document["operations"].items():
        assert _is_key(name)
        assert operation["action"] in {"send", "receive"}
        channel_at = operation["channel"]["$ref"]
        assert channel_at.startswith("#/channels/")
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel_at}/messages/")
    for section in document["components"].values():
        assert all(map(_is_key, section))
    for message in document["components"]["messages"].values():
        assert isinstance(message["payload"], dict)


def _is_key(name: str) -> bool:
    return name.isascii() and name.translate({ord(one): "" for one in "._-"}).isalnum()


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _resolve(document: dict[str, Any], pointer: str) -> None:
    found: Any = document
    for step in pointer.removeprefix("#/").split("/"):
        assert step in found, pointer
        found = found[step]
