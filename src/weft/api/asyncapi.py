"""AsyncAPI 3.0: what the devices of a type say and hear over MQTT, for code and docs.

One document has both sides. Operations named `device...` are what a device of the type does
(it sends telemetry, it receives commands); those named `application...` are what a business
system does. Payloads are the type's own fields, with units as `x-unit`.
"""

import re
from collections.abc import Iterable
from collections.abc import Mapping as Mapped
from typing import Any, Final
from urllib.parse import urlsplit

from weft.api.operation import JSON
from weft.api.snippets import Endpoints
from weft.model.device import DeviceType, Field, Output
from weft.model.mapping import Mapping
from weft.registry.schemas import Schema, object_of, output_of

ASYNCAPI_VERSION: Final = "3.0.0"
Fields = dict[str, Field]

UNIT_WORD: Final = "x-unit"
_MOMENT: Final[Schema] = {
    "description": "Milliseconds since 1970, or RFC 3339.",
    "oneOf": [{"type": "number"}, {"type": "string", "format": "date-time"}],
}
_DEVICE_ID: Final = {"description": "The device; one that speaks for itself may write `me`."}
_REQUEST_ID: Final = {"description": "Which request it is; the answer carries the same."}


def asyncapi_document(device_type: DeviceType, endpoints: Endpoints) -> dict[str, Any]:
    """Return the AsyncAPI document of a device type at its version."""
    made = _Document(device_type.mapping)
    made.telemetry(device_type.telemetry)
    if device_type.properties:
        made.properties(device_type.properties)
    for name, fields in device_type.events.items():
        made.event(name, fields)
    for name, fields in device_type.commands.items():
        made.command(name, fields)
    if device_type.commands:
        made.result(device_type.commands, device_type.outputs)
    document: dict[str, Any] = {
        "asyncapi": ASYNCAPI_VERSION,
        "id": f"urn:weft:type:{device_type.name}",
        "info": {
            "title": device_type.title,
            "version": str(device_type.version),
            "description": f"What devices of the type {device_type.name} say and hear over MQTT.",
        },
        "defaultContentType": JSON,
        "servers": _servers(endpoints),
        "channels": made.channels,
        "operations": made.operations,
        "components": {
            "messages": made.messages,
            "schemas": made.schemas,
            "securitySchemes": {
                "token": {
                    "type": "userPassword",
                    "description": "The token as password, with any user name.",
                },
                "certificate": {
                    "type": "X509",
                    "description": "A client certificate, where TLS is spoken.",
                },
            },
        },
    }
    return {name: part for name, part in document.items() if part != {}}


def _servers(endpoints: Endpoints) -> dict[str, Any]:
    token = {"$ref": "#/components/securitySchemes/token"}
    certificate = {"$ref": "#/components/securitySchemes/certificate"}
    listening = {
        "mqtt": ("mqtt", endpoints.mqtt, [token]),
        "mqtts": ("secure-mqtt", endpoints.mqtts, [token, certificate]),
    }
    servers: dict[str, Any] = {
        name: {"host": host, "protocol": protocol, "protocolVersion": "5.0", "security": security}
        for name, (protocol, host, security) in listening.items()
        if host
    }
    for address, security in ((endpoints.ws, [token]), (endpoints.wss, [token, certificate])):
        if address:
            found = urlsplit(address)
            servers[found.scheme] = {
                "host": found.netloc,
                "pathname": found.path,
                "protocol": found.scheme,
                "description": "MQTT 5 in a WebSocket, with the subprotocol mqtt.",
                "security": security,
            }
    return servers


class _Document:
    """Channels, messages and operations as they gather."""

    def __init__(self, mapping: Mapping | None) -> None:
        self._mapping = mapping or Mapping()
        self.channels: dict[str, Any] = {}
        self.messages: dict[str, Any] = {}
        self.schemas: dict[str, Any] = {}
        self.operations: dict[str, Any] = {}

    def telemetry(self, fields: Fields) -> None:
        """A reading, a reading with its moment, or several of either."""
        self.schemas["values"] = _closed(fields, partial=False)
        values = {"$ref": "#/components/schemas/values"}
        self.schemas["stampedValues"] = {
            "type": "object",
            "properties": {"ts": _MOMENT, "values": values},
            "required": ["ts", "values"],
            "additionalProperties": False,
        }
        reading = {"oneOf": [values, {"$ref": "#/components/schemas/stampedValues"}]}
        payload: Schema = {"oneOf": [*reading["oneOf"], {"type": "array", "items": reading}]}
        if self._mapping.maps_telemetry:
            payload = _mapped(payload)
        self._up("telemetry", "devices/{device_id}/telemetry", payload, "Measurements")

    def properties(self, fields: Fields) -> None:
        """What is reported, and what is desired and not reported yet."""
        reported = _nullable(_closed(fields, partial=True))
        if self._mapping.properties:
            reported = _mapped(reported)
        self._up(
            "reported",
            "devices/{device_id}/properties/reported",
            reported,
            "Properties as they are, a merge patch (RFC 7396)",
        )
        wanted = {key: field for key, field in fields.items() if not field.read_only}
        delta = {
            "type": "object",
            "properties": {
                "version": {"type": "integer"},
                "properties": object_of(wanted, unit_word=UNIT_WORD, partial=True),
            },
            "required": ["version", "properties"],
        }
        if wanted:
            self._down(
                "desired",
                "devices/{device_id}/properties/desired",
                delta,
                "Properties that are desired and not reported yet, with their version",
            )

    def event(self, name: str, fields: Fields) -> None:
        """Something that has happened."""
        payload = _closed(fields, partial=False)
        if name in self._mapping.events:
            payload = _mapped(payload)
        self._up(f"event.{name}", f"devices/{{device_id}}/events/{name}", payload, f"Event {name}")

    def command(self, name: str, fields: Fields) -> None:
        """Something that is asked of the device."""
        self._down(
            f"command.{name}",
            f"devices/{{device_id}}/commands/{{request_id}}/{name}",
            _closed(fields, partial=False),
            f"Command {name}",
        )

    def result(self, commands: Iterable[str], outputs: Mapped[str, Output]) -> None:
        """What became of a command; each command with an output names it as `x-output`."""
        declared: list[Schema] = []
        for name, output in outputs.items():
            schema = f"output.{_key(name)}"
            self.schemas[schema] = output_of(output, unit_word=UNIT_WORD)
            declared.append({"$ref": f"#/components/schemas/{schema}"})
            self.messages[_key(f"command.{name}")]["x-output"] = declared[-1]
        knows_all = outputs.keys() >= set(commands)
        self._up(
            "commandResult",
            "devices/{device_id}/commands/{request_id}/result",
            {
                "type": "object",
                "description": "Without a status, the whole object is the output of a success.",
                "properties": {
                    "status": {"enum": ["succeeded", "failed", "rejected"]},
                    "output": {"anyOf": declared} if knows_all else {},
                    "error": {"type": "string"},
                },
            },
            "What became of a command",
        )

    def _up(self, name: str, address: str, payload: Schema, summary: str) -> None:
        """Add what devices send and applications receive."""
        self._channel(name, address, payload, summary)
        self._operation("device", "send", name, summary)
        self._operation("application", "receive", name, summary)

    def _down(self, name: str, address: str, payload: Schema, summary: str) -> None:
        """Add what devices receive; applications ask for it over the API, not by a message."""
        self._channel(name, address, payload, summary)
        self._operation("device", "receive", name, summary)

    def _channel(self, name: str, address: str, payload: Schema, summary: str) -> None:
        name = _key(name)
        parameters = {"device_id": _DEVICE_ID}
        if "{request_id}" in address:
            parameters["request_id"] = _REQUEST_ID
        self.messages[name] = {
            "name": name,
            "summary": summary,
            "contentType": JSON,
            "payload": payload,
        }
        self.channels[name] = {
            "address": address,
            "parameters": parameters,
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        }

    def _operation(self, side: str, action: str, name: str, summary: str) -> None:
        name = _key(name)
        channel = f"#/channels/{name}"
        self.operations[f"{side}.{action}.{name}"] = {
            "action": action,
            "channel": {"$ref": channel},
            "summary": summary,
            "tags": [{"name": side}],
            "messages": [{"$ref": f"{channel}/messages/{name}"}],
            "bindings": {"mqtt": {"qos": 1}},
        }


def _key(name: str) -> str:
    """Write a name as a key that AsyncAPI allows: letters, digits and . _ - only."""
    return re.sub(r"[^A-Za-z0-9._-]", lambda found: f"_{ord(found[0]):x}_", name)


def _mapped(read: Schema) -> Schema:
    """Return the schema of what a device sends in its own words, and what is read of it."""
    return {
        "description": "As the device sends it; the type's mapping reads x-read-as of it.",
        "x-read-as": read,
    }


def _closed(fields: Fields, *, partial: bool) -> Schema:
    """Return an object that holds nothing beside its fields: the gate refuses what it does."""
    schema = object_of(fields, unit_word=UNIT_WORD, partial=partial)
    return schema | {"additionalProperties": False}


def _nullable(schema: Schema) -> Schema:
    """Let null stand for a property that is gone."""
    either = {key: {"oneOf": [one, {"type": "null"}]} for key, one in schema["properties"].items()}
    return schema | {"properties": either}
