"""Operations by which a device learns over HTTP what is wanted of it, and answers.

The paths are those of MQTT's topics and of CoAP's resources. A device asks with a long poll,
or keeps a stream open; either way a command is offered until the device has answered it, by
a poll again after a pause, by each new stream; its request id tells a repeat. The answer
goes through the gate like any message.
"""

from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from weft.api.links import STREAM, Watch
from weft.api.operation import Call, Operation, Reply
from weft.api.operations.commands import WaitS
from weft.api.operations.live import EVENT_STREAM
from weft.api.operations.telemetry import DOCUMENTS, MESSAGE_ERRORS, Accepted, submit
from weft.api.services import Services
from weft.errors import Invalid, NotFound, QuotaExceeded, Unavailable
from weft.model.command import Command
from weft.model.device import Device
from weft.model.ids import require_name
from weft.security.policy import require

_encode = msgspec.json.Encoder().encode


class DesiredQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """What the device knows already, and how long to wait for something else."""

    version: Annotated[int, Meta(ge=0)] | None = None
    wait_s: WaitS = 0.0


class DesiredView(Struct, frozen=True):
    """What is wanted and not reported yet, as on the topic `properties/desired`."""

    version: int
    properties: dict[str, Any]


class OfferedCommand(Struct, frozen=True):
    """A command as its device is told."""

    request_id: str
    name: str
    input: dict[str, Any]


async def get_desired(services: Services, call: Call) -> DesiredView:
    """Answer with the delta; where its version is known already, once there is another."""
    device = _device_of(services, call)
    query: DesiredQuery = call.query

    def is_news() -> bool:
        return _desired(services, device).version != query.version

    if query.version is not None:
        await services.links.wait(call, device.device_id, is_news, wait_s=query.wait_s)
        require(services.policy, call.principal, "twin.read", f"device:{device.device_id}")
    return _desired(services, device)


async def get_reported(services: Services, call: Call) -> dict[str, Any]:
    """Answer with what the device has reported."""
    device = _device_of(services, call)
    return services.twins.get(device.tenant, device.device_id).reported


async def send_command_result(services: Services, call: Call) -> Accepted:
    """Admit the answer to a command."""
    request_id = require_name(call.path["request_id"], "request id")
    return await submit(services, call, f"commands/{request_id}/result")


async def watch_device(services: Services, call: Call) -> Reply:
    """Open a stream of what is wanted of a device."""
    device = _device_of(services, call)
    after = _resumed_after(call.headers.get(b"last-event-id"))
    watch = services.links.open(call, device.device_id, STREAM)
    events = _events(services, call, (device, watch), after)
    return Reply(stream=events, ended=watch.ended, media_type=EVENT_STREAM)


def _device_of(services: Services, call: Call) -> Device:
    return services.devices.get(call.principal.tenant, call.path["device_id"])


def _desired(services: Services, device: Device) -> DesiredView:
    twin = services.twins.get(device.tenant, device.device_id)
    return DesiredView(twin.desired_version, twin.delta())


def _resumed_after(header: bytes | None) -> tuple[int, int]:
    """Read an id of ours: the position of the last command, and the version of the wishes."""
    if not header:
        return 0, 0
    position, _, version = header.partition(b"-")
    if not (position.isdigit() and version.isdigit()) or len(header) > 40:
        raise Invalid(
            "Last-Event-ID is none of ours.", remedy="Send the id of the last event as it came."
        )
    return int(position), int(version)


async def _events(
    services: Services, call: Call, watched: tuple[Device, Watch], after: tuple[int, int]
) -> AsyncGenerator[bytes, None]:
    """Yield what is wanted and was not sent yet, then what comes; a comment when nothing does."""
    device, watch = watched
    position, version = after
    heartbeat_s = services.settings.heartbeat_s
    try:
        yield b"retry: 2000\n: weft device stream\n\n"
        while not watch.reason:
            watch.changed.clear()
            desired = _desired(services, device)
            if _may(services, call, device, "twin.read") and desired.version != version:
                version = desired.version
                yield _frame("desired", position, version, _encode(desired))
            for command in _offered(services, call, device, position):
                position = command.position
                yield _frame("command", position, version, _encode(_shown(command)))
                services.commands.handed_out(call.principal, device.device_id, command.request_id)
            if watch.changed.is_set():
                continue
            if not await watch.wait_changed(heartbeat_s):
                yield b": still here\n\n"
        yield b"event: end\ndata: " + _encode({"reason": watch.reason}) + b"\n\n"
    finally:
        services.links.leave(watch)


def _offered(services: Services, call: Call, device: Device, after: int) -> list[Command]:
    """Return the open commands behind a position, oldest first, if they may be read."""
    if not _may(services, call, device, "command.read"):
        return []
    found = services.commands.open_for(device.tenant, device.device_id)
    return sorted(
        (command for command in found if command.position > after),
        key=lambda command: command.position,
    )


def _may(services: Services, call: Call, device: Device, action: str) -> bool:
    target = f"device:{device.device_id}"
    return services.policy.decide(call.principal, action, target).allowed


def _shown(command: Command) -> OfferedCommand:
    return OfferedCommand(command.request_id, command.name, command.input)


def _frame(kind: str, position: int, version: int, data: bytes) -> bytes:
    """Write one server-sent event (HTML, 9.2); `data` is JSON and so holds no line break."""
    return b"id: %d-%d\nevent: %s\ndata: %s\n\n" % (position, version, kind.encode(), data)


_DEVICE = "/devices/{device_id}"
_TARGET = "device:{device_id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_desired",
        "GET",
        _DEVICE + "/properties/desired",
        "Read what is wanted of a device",
        get_desired,
        action="twin.read",
        target=_TARGET,
        description=(
            "The delta: desired and not reported yet, with its version. With the version that "
            "is known and wait_s, it answers as soon as there is another, or after that time."
        ),
        tag="devices",
        query=DesiredQuery,
        result=DesiredView,
        errors=(NotFound, QuotaExceeded, Unavailable),
    ),
    Operation(
        "get_reported",
        "GET",
        _DEVICE + "/properties/reported",
        "Read what a device has reported",
        get_reported,
        action="twin.read",
        target=_TARGET,
        tag="devices",
        result=dict[str, Any],
        errors=(NotFound,),
    ),
    Operation(
        "send_command_result",
        "POST",
        _DEVICE + "/commands/{request_id}/result",
        "Answer a command",
        send_command_result,
        action="telemetry.write",
        target=_TARGET,
        description=(
            "status (succeeded, failed or rejected) with output and error; an object without a "
            "status is the output of a success. The first answer ends the command."
        ),
        tag="ingest",
        body=bytes,
        accepts=DOCUMENTS,
        body_schema=dict[str, Any],
        result=Accepted,
        errors=MESSAGE_ERRORS,
        example={"status": "succeeded", "output": {"rpm": 900}},
    ),
    Operation(
        "watch_device",
        "GET",
        _DEVICE + "/stream",
        "Watch what is wanted of a device",
        watch_device,
        action="command.read",
        target=_TARGET,
        description=(
            "Server-sent events: `desired`, as properties/desired answers, and `command`, with "
            "request_id, name and input. A new stream begins with all that is open, also what was "
            "handed out before and not answered; with Last-Event-ID, with what came after."
        ),
        tag="devices",
        result=str,
        produces=(EVENT_STREAM,),
        errors=(NotFound, QuotaExceeded, Unavailable),
    ),
)
