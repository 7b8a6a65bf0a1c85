"""Encoding: CloudEvents 1.0 in HTTP requests, structured, binary or in batches.

The id is made of where the event is kept, so it is the same at every try and the receiver
knows a repetition by `source` and `id`. Every request is signed as webhooks are; in binary
mode the attributes stand in headers, so these are signed as well. (CloudEvents 1.0.2, HTTP
protocol binding 1.0.2, JSON event format 1.0.2.)
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from weft.connectors.webhook import DELIVERY
from weft.model.ids import TenantId, derived_id
from weft.model.moments import to_rfc3339
from weft.model.subscription import JOURNALED, Change, Mode

_JSON = "application/json"
_CONTENT_TYPES = {
    Mode.STRUCTURED: "application/cloudevents+json; charset=utf-8",
    Mode.BATCH: "application/cloudevents-batch+json; charset=utf-8",
}


class Encoded(Struct, frozen=True):
    """A request, and what of it is signed."""

    body: bytes
    headers: Mapping[str, str]
    signed: bytes


def event_id(change: Change) -> str:
    """Return the id of an event, unique in its tenant."""
    kept = "message" if change.topic in JOURNALED else "change"
    return f"{kept}-{change.sequence}"


def cloud_event(tenant: TenantId, change: Change) -> dict[str, Any]:
    """Return an event in the JSON event format."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id(change),
        "source": f"weft/{tenant}",
        "type": change.type,
        "subject": change.subject,
        "time": to_rfc3339(change.at),
    }
    if change.base64:
        event["datacontenttype"] = "application/octet-stream"
        event["data_base64"] = change.data
    else:
        event["datacontenttype"] = _JSON
        event["data"] = change.data
    return event


def encode(tenant: TenantId, changes: Sequence[Change], mode: Mode) -> Encoded:
    """Return the request that tells of changes: of one, or in batch mode of several."""
    events = [cloud_event(tenant, change) for change in changes]
    if mode is Mode.BINARY:
        return _binary(events[0])
    if mode is Mode.BATCH:
        body = msgspec.json.encode(events)
        delivery = derived_id("batch", *(event["id"] for event in events))
    else:
        body = msgspec.json.encode(events[0])
        delivery = events[0]["id"]
    headers = {"Content-Type": _CONTENT_TYPES[mode], DELIVERY: delivery}
    return Encoded(body, headers, body)


def _binary(event: dict[str, Any]) -> Encoded:
    attributes = dict(event)
    content_type = attributes.pop("datacontenttype")
    if "data_base64" in attributes:
        body = base64.b64decode(attributes.pop("data_base64"))
    else:
        body = msgspec.json.encode(attributes.pop("data"))
    headers = {f"ce-{name}": header_text(str(value)) for name, value in attributes.items()}
    signed = signed_of(headers, body)
    more = {"Content-Type": content_type, DELIVERY: str(event["id"])}
    return Encoded(body, headers | more, signed)


def signed_of(headers: Mapping[str, str], body: bytes) -> bytes:
    """Return what a signature in binary mode is over: the sorted `ce-` headers and the body.

    Each is `name:value` in lower-case name and ends with a line feed; an empty line follows.
    """
    named = sorted((name.lower(), value) for name, value in headers.items())
    lines = [f"{name}:{value}\n" for name, value in named if name.startswith("ce-")]
    return "".join([*lines, "\n"]).encode() + body


def header_text(text: str) -> str:
    """Percent-encode an attribute for a header (HTTP binding, 3.1.3.2)."""
    return "".join(
        one
        if "!" <= one <= "~" and one not in '"%'
        else "".join(f"%{byte:02X}" for byte in one.encode("utf-8", "replace"))
        for one in text
    )
