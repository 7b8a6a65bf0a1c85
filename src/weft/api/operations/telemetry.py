"""Operations by which devices report over HTTP: 2xx only after the commit (promise 1).

The body goes through the same gate as an MQTT payload on the same topic, and what is
refused stands in the rejection inbox as well as in the answer.
"""

from typing import Any

from msgspec import Struct

from weft.api.operation import JSON, Call, Operation
from weft.api.services import Services
from weft.errors import (
    Conflict,
    Forbidden,
    NotFound,
    PayloadInvalid,
    QuotaExceeded,
    RateLimited,
    Unavailable,
)
from weft.model.ids import DeviceId, require_name
from weft.model.principal import Principal, PrincipalKind
from weft.security.limits import LimitKind


class Accepted(Struct, frozen=True):
    """Where an accepted message stands in the journal."""

    position: int  # 0 where there was nothing to keep


async def submit(services: Services, call: Call, rest: str) -> Accepted:
    """Admit a body as a message on a topic of a device; return where it is kept."""
    device_id = call.path["device_id"]
    services.devices.get(call.principal.tenant, device_id)
    _charge(services, call)
    position = await services.ingest.submit(
        call.principal,
        f"devices/{device_id}/{rest}",
        call.body,
        address=call.address,
        content_type=call.headers[b"content-type"].decode("latin-1"),
    )
    note_heard(services, call.principal, call.address)
    return Accepted(position)


def note_heard(services: Services, principal: Principal, address: str) -> None:
    """Take note that a device is there which keeps no connection: what it posted was kept."""
    if principal.kind is not PrincipalKind.DEVICE:
        return
    device = services.devices.find(principal.tenant, DeviceId(principal.id))
    if device is not None and device.uid == principal.uid:
        services.silences.heard_itself(
            device,
            "http",
            address,
            at=services.clock.now(),
            silence_s=services.settings.post_silence_s,
        )


def _charge(services: Services, call: Call) -> None:
    """Count it as what it is, a message, whatever the protocol that it came by (promise 3)."""
    principal, size = call.principal, len(call.body)
    for kind, amount in ((LimitKind.MESSAGES, 1), (LimitKind.BYTES, size)):
        wait_s = services.limiter.take(principal.tenant, principal, kind, amount)
        if wait_s > 0:
            raise RateLimited(
                f"{principal}, or its tenant, sends more {kind} than it may.",
                retry_after_s=wait_s,
                remedy="Send more slowly, or several readings in one message.",
            )


async def send_telemetry(services: Services, call: Call) -> Accepted:
    """Admit one or more readings."""
    return await submit(services, call, "telemetry")


async def report_properties(services: Services, call: Call) -> Accepted:
    """Admit a merge patch onto the reported properties."""
    return await submit(services, call, "properties/reported")


async def send_event(services: Services, call: Call) -> Accepted:
    """Admit an event."""
    name = require_name(call.path["name"], "event name")
    return await submit(services, call, f"events/{name}")


MESSAGE_ERRORS = (NotFound, Forbidden, Conflict, PayloadInvalid, QuotaExceeded, Unavailable)
_TARGET = "device:{device_id}"

# What the formats of wire.payload are called; CBOR and JSON say the same in all three.
DOCUMENTS = (JSON, "application/cbor")
_TELEMETRY = (
    *DOCUMENTS,
    "application/senml+json",
    "application/senml+cbor",
    "text/plain",
    "application/octet-stream",
)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "send_telemetry",
        "POST",
        "/devices/{device_id}/telemetry",
        "Send telemetry of a device",
        send_telemetry,
        action="telemetry.write",
        target=_TARGET,
        description=(
            "One reading as an object, with its moment as ts and values, or a list, in JSON or "
            "CBOR; a SenML pack; one value as plain text, of the type's only key; or bytes, as the "
            "mapping of the type reads them."
        ),
        tag="ingest",
        body=bytes,
        accepts=_TELEMETRY,
        body_schema=dict[str, Any] | list[dict[str, Any]],
        result=Accepted,
        errors=MESSAGE_ERRORS,
        example={"temperature": 21.4},
    ),
    Operation(
        "report_properties",
        "POST",
        "/devices/{device_id}/properties/reported",
        "Report properties of a device",
        report_properties,
        action="telemetry.write",
        target=_TARGET,
        description="A merge patch (RFC 7396) onto what was reported before.",
        tag="ingest",
        body=bytes,
        accepts=DOCUMENTS,
        body_schema=dict[str, Any],
        result=Accepted,
        errors=MESSAGE_ERRORS,
        example={"firmware": "1.4.2"},
    ),
    Operation(
        "patch_reported",
        "PATCH",
        "/devices/{device_id}/properties/reported",
        "Report properties of a device as a merge patch",
        report_properties,
        action="telemetry.write",
        target=_TARGET,
        description="The same as POST, by the method that RFC 7396 is meant for.",
        tag="ingest",
        body=bytes,
        accepts=("application/merge-patch+json", *DOCUMENTS),
        body_schema=dict[str, Any],
        result=Accepted,
        errors=MESSAGE_ERRORS,
        example={"firmware": "1.4.2"},
    ),
    Operation(
        "send_event",
        "POST",
        "/devices/{device_id}/events/{name}",
        "Send an event of a device",
        send_event,
        action="telemetry.write",
        target=_TARGET,
        tag="ingest",
        body=bytes,
        accepts=DOCUMENTS,
        body_schema=dict[str, Any],
        result=Accepted,
        errors=MESSAGE_ERRORS,
        example={"door": "open"},
    ),
)
