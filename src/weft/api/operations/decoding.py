"""The codec sandbox over the API: paste a payload, see what would become of it.

Nothing is stored and no device is asked: a type, saved or not, is all that is needed.
"""

import base64
import binascii
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from weft.api.operation import Call, Operation
from weft.api.services import Services
from weft.errors import Invalid, NotFound
from weft.ingest.trial import Asked, Trial, try_payload
from weft.model.device import DeviceType
from weft.model.message import Operation as Asks
from weft.registry.documents import require_plain
from weft.registry.thing_models import read_type

PAYLOAD_MAX_CHARACTERS = 512 * 1024  # 256 KiB in hex


class Encoding(StrEnum):
    """How the payload is written down."""

    TEXT = "text"
    BASE64 = "base64"
    HEX = "hex"


class What(StrEnum):
    """What the payload would be sent as."""

    TELEMETRY = "telemetry"
    REPORTED = "reported"
    EVENT = "event"


_OPERATIONS = {
    What.TELEMETRY: Asks.TELEMETRY,
    What.REPORTED: Asks.REPORTED,
    What.EVENT: Asks.EVENT,
}


class PayloadToTry(Struct, frozen=True, forbid_unknown_fields=True):
    """A payload, and how it would be sent."""

    payload: Annotated[str, Meta(max_length=PAYLOAD_MAX_CHARACTERS)]
    encoding: Encoding = Encoding.TEXT
    content_type: Annotated[
        str,
        Meta(
            max_length=128,
            description=(
                "As the device states it; else as its type says. `sparkplug` for a payload of "
                "Sparkplug B, whose topic says what it is."
            ),
        ),
    ] = ""
    operation: What = What.TELEMETRY
    event: Annotated[str, Meta(max_length=128)] = ""  # its name


class DocumentToTry(PayloadToTry, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same, with a device type that is not saved."""

    document: dict[str, Any]  # a Thing Model, or the short form


async def try_saved_type(services: Services, call: Call) -> Trial:
    """Answer with what a saved type makes of a payload."""
    device_type = services.types.get(call.principal.tenant, call.path["type_name"])
    return _try(services, device_type, call.body)


async def try_type(services: Services, call: Call) -> Trial:
    """Answer with what a document would make of a payload."""
    document = call.body.document
    require_plain(document, "document")
    at = services.clock.now()
    device_type = read_type(call.principal.tenant, "unsaved", document, version=0, at=at)
    return _try(services, device_type, call.body)


def _try(services: Services, device_type: DeviceType, body: PayloadToTry) -> Trial:
    asked = Asked(
        _OPERATIONS[body.operation],
        _payload_of(body),
        body.event,
        body.content_type,
    )
    return try_payload(device_type, asked, services.clock.now())


def _payload_of(body: PayloadToTry) -> bytes:
    try:
        match body.encoding:
            case Encoding.HEX:
                return bytes.fromhex(body.payload)
            case Encoding.BASE64:
                return base64.b64decode(body.payload, validate=True)
            case _:
                return body.payload.encode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise Invalid(
            f"payload is not {body.encoding}: {error}.",
            remedy=f"Write it in {body.encoding}, or name another encoding.",
        ) from error


_DESCRIPTION = (
    "Answers with each step: the format, the values read (of Sparkplug its metrics, then what they "
    "are by name), what the mapping makes of them, and what is checked; or with the step that "
    "fails, why, and what to do. Nothing is stored."
)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "try_saved_type",
        "POST",
        "/types/{type_name}/decode",
        "Try what a device type makes of a payload",
        try_saved_type,
        action="type.read",
        target="type:{type_name}",
        description=_DESCRIPTION,
        body=PayloadToTry,
        result=Trial,
        errors=(NotFound,),
        example={"payload": '{"temperature": 21.4}'},
    ),
    Operation(
        "try_type",
        "POST",
        "/types/decode",
        "Try what a device type that is not saved makes of a payload",
        try_type,
        action="type.read",
        description=_DESCRIPTION,
        body=DocumentToTry,
        result=Trial,
        example={
            "document": {
                "telemetry": {"temperature": {"type": "number", "unit": "Cel"}},
                "mapping": {"telemetry": {"temperature": {"from": "sensor.t", "scale": 0.1}}},
            },
            "payload": '{"sensor": {"t": 214}}',
        },
    ),
)
