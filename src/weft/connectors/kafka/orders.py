"""Orders: what a business system asks for in a Kafka message, done through our own doors.

A message is a JSON object that names a device and one of telemetry, desired properties or a
command. What it may do is what the line's service key may do. Its place in Kafka is its
name: read twice, after a crash, a command is still one command.
"""

from typing import Any

import msgspec
from msgspec import Struct

from weft.commands.commands import Commands
from weft.errors import Invalid, StaleVersion
from weft.ingest.submit import Ingest
from weft.model.ids import DeviceId, derived_id, require_name
from weft.model.principal import Principal
from weft.ports import Deciding
from weft.security.policy import require
from weft.twins.twins import Twins

_TRIES = 5


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """`{"device": "pump-7", "command": "stop", "input": {}}`, or `telemetry`, or `desired`."""

    device: str
    telemetry: dict[str, Any] | None = None
    desired: dict[str, Any] | None = None
    command: str | None = None
    input: dict[str, Any] = {}
    ttl_s: int | None = None


class Doors(Struct, frozen=True):
    """Where an order goes."""

    policy: Deciding
    ingest: Ingest
    twins: Twins
    commands: Commands


def read_order(value: bytes | None) -> Order:
    """Read a message, or raise `Invalid`."""
    try:
        order = msgspec.json.decode(value or b"", type=Order)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(
            f"The message is no order: {error}.",
            remedy='Send {"device": …} with one of telemetry, desired or command.',
        ) from error
    asked = [order.telemetry is not None, order.desired is not None, order.command is not None]
    if sum(asked) != 1:
        raise Invalid(
            "An order asks for one of telemetry, desired or command.", remedy="Send one each."
        )
    require_name(order.device, "device id")
    return order


async def carry_out(doors: Doors, principal: Principal, order: Order, place: str) -> None:
    """Do what an order asks for; raise the reason where it may not or cannot be done."""
    device_id = DeviceId(order.device)
    if order.telemetry is not None:
        topic = f"devices/{device_id}/telemetry"
        payload = msgspec.json.encode(order.telemetry)
        await doors.ingest.submit(principal, topic, payload, address=f"kafka:{place}")
    elif order.desired is not None:
        require(doors.policy, principal, "twin.write", f"device:{device_id}")
        await _desire(doors.twins, principal, device_id, order.desired)
    elif order.command is not None:
        require(doors.policy, principal, "command.send", f"device:{device_id}")
        await doors.commands.send(
            principal,
            device_id,
            order.command,
            order.input,
            ttl_s=order.ttl_s,
            request_id=derived_id("kafka", place),
        )


async def _desire(
    twins: Twins, principal: Principal, device_id: DeviceId, patch: dict[str, Any]
) -> None:
    """Merge a wish; who was faster is read again, as the message has seen no version."""
    for left in range(_TRIES, 0, -1):
        version = twins.get(principal.tenant, device_id).desired_version
        try:
            await twins.desire(principal, device_id, patch, version=version)
        except StaleVersion:
            if left == 1:
                raise
        else:
            return
