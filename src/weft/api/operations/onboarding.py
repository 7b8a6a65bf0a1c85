"""Operations for a first hour: what came in first or why not, and devices that are made up."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from weft.api.inspection import Finding, findings_of
from weft.api.operation import Call, Command, Operation, Reply
from weft.api.operations.connections import MessageView, newest_of
from weft.api.operations.live import EVENT_STREAM
from weft.api.services import Services
from weft.api.simulating import values_of
from weft.api.streams import Filter, Stream
from weft.errors import Conflict, Invalid, NotFound, PeerError, QuotaExceeded, Unavailable
from weft.model.device import Device, DeviceType
from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal, PrincipalKind
from weft.registry.devices import NewDevice
from weft.security.policy import require

TAG: Final = "simulated"
DEVICES_MAX: Final = 20
LASTS_MAX_S: Final = 3600.0
_LOOK_EVERY_S: Final = 0.25

_encode = msgspec.json.Encoder().encode


class FirstState(StrEnum):
    """How far a device has come."""

    WAITING = "waiting"  # nothing was heard of it
    TRIED = "tried"  # it has tried, or something stands in its way: see the findings
    REFUSED = "refused"  # its newest message was refused
    ARRIVED = "arrived"  # its newest message was kept


class FirstQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """How long to wait for it."""

    wait_s: Annotated[float, Meta(ge=0, le=30, description="Until something is heard.")] = 0.0
    after: Annotated[int, Meta(ge=0, description="Behind this position of the journal.")] = 0


class FirstMessage(Struct, frozen=True):
    """What came in first, or why nothing did."""

    state: FirstState
    connected: bool
    message: MessageView | None
    findings: list[Finding]


class SimulationQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """How many devices, how often, for how long."""

    devices: Annotated[int, Meta(ge=1, le=DEVICES_MAX)] = 3
    every_s: Annotated[float, Meta(ge=0.5, le=60)] = 2.0
    lasts_s: Annotated[float, Meta(gt=0, le=LASTS_MAX_S)] = 600.0


class SimulationProgress(Struct, frozen=True):
    """What simulated devices have sent so far."""

    devices: list[str]
    sent: int
    refused: int
    last_refusal: str


async def get_first_message(services: Services, call: Call) -> FirstMessage:
    """Answer with what came in, as soon as something does or the time is over."""
    query: FirstQuery = call.query
    tenant = call.principal.tenant
    device = services.devices.get(tenant, call.path["device_id"])
    require(services.policy, call.principal, "telemetry.read", f"device:{device.device_id}")
    found = await _look(services, device, query.after)
    head = services.journal.head
    with suppress(TimeoutError):
        async with asyncio.timeout(query.wait_s):
            while found.state in {FirstState.WAITING, FirstState.TRIED}:
                await asyncio.sleep(_LOOK_EVERY_S)
                if services.journal.head != head:
                    head = services.journal.head
                    found = await _look(services, device, query.after)
    if found.state in {FirstState.WAITING, FirstState.TRIED}:
        return await _look(services, device, query.after)  # its tries stand in no journal
    return found


async def _look(services: Services, device: Device, after: int) -> FirstMessage:
    newest = [one for one in await newest_of(services, device, 1) if one.position > after]
    findings = await findings_of(services, device)
    if newest:
        state = FirstState.ARRIVED if newest[0].refused is None else FirstState.REFUSED
    else:
        state = FirstState.TRIED if findings else FirstState.WAITING
    connected = services.presence.is_connected(device.uid)
    return FirstMessage(state, connected, newest[0] if newest else None, findings)


async def simulate_type(services: Services, call: Call) -> Reply:
    """Let devices of a type say things, as long as the caller listens."""
    query: SimulationQuery = call.query
    kind = services.types.get(call.principal.tenant, call.path["type_name"])
    if not values_of(kind.telemetry, 0, 0.0):
        raise Invalid(
            f"The type {kind.name!r} declares no telemetry that can be made up.",
            remedy="Declare a number, a boolean or words to choose from.",
        )
    require(services.policy, call.principal, "device.create", "*")
    devices = [await _device(services, call.principal, kind, n) for n in range(query.devices)]
    await services.audit.record(
        call.principal,
        "simulation.run",
        f"type:{kind.name}",
        detail={"devices": len(devices), "lasts_s": query.lasts_s},
    )
    stream = services.live.open(
        call.principal,
        Filter(frozenset()),
        call.address,
        expires_at=call.expires_at,
        credential_id=call.credential_id,
    )
    told = _simulate(services, stream, (kind, devices), query)
    return Reply(stream=told, ended=stream.ended, media_type=EVENT_STREAM)


async def _device(services: Services, actor: Principal, kind: DeviceType, number: int) -> Device:
    name = f"sim-{kind.name}-{number + 1}"
    device = services.devices.find(actor.tenant, name)
    if device is None:
        new = NewDevice(name, kind.name, label=f"Simulated {kind.title}", tags=(TAG,))
        return await services.devices.create(actor, new)
    if TAG not in device.tags or device.type_name != kind.name:
        raise Conflict(
            f"There is a device {name!r} that is no simulated one of this type.",
            remedy=f"Rename it, or give it the tag {TAG!r} and the type {kind.name!r}.",
        )
    return device


async def _simulate(
    services: Services,
    stream: Stream,
    cast: tuple[DeviceType, Sequence[Device]],
    query: SimulationQuery,
) -> AsyncGenerator[bytes, None]:
    kind, devices = cast
    tenant: TenantId = stream.principal.tenant
    ends_at = services.clock.now() + round(query.lasts_s * NS_PER_S)
    names = [str(one.device_id) for one in devices]
    sent = refused = 0
    last_refusal = ""
    try:
        while not stream.ended.is_set() and services.clock.now() < ends_at:
            if not services.policy.decide(stream.principal, "simulation.run", "*").allowed:
                break
            for number, device in enumerate(devices):
                said = values_of(kind.telemetry, number, services.clock.now() / NS_PER_S)
                own = Principal(tenant, PrincipalKind.DEVICE, device.device_id, device.uid)
                topic = f"devices/{device.device_id}/telemetry"
                try:
                    await services.ingest.submit(own, topic, _encode(said), address="simulation")
                    sent += 1
                except (PeerError, Unavailable) as error:
                    refused += 1
                    last_refusal = f"{error.detail} {error.remedy}".strip()
            progress = SimulationProgress(names, sent, refused, last_refusal)
            yield b"event: progress\ndata: " + _encode(progress) + b"\n\n"
            async for beat in beats(stream.ended, query.every_s, services.settings.heartbeat_s):
                yield beat
        if not stream.ended.is_set():
            stream.close("The simulation is over.")
        async for chunk in stream.events(services.settings.heartbeat_s):
            yield chunk
    finally:
        services.live.leave(stream)


async def beats(
    ended: asyncio.Event, seconds: float, heartbeat_s: float
) -> AsyncGenerator[bytes, None]:
    """Wait until something is due, or a stream has ended; say now and then that it is there."""
    left_s = seconds
    while left_s > 0 and not ended.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left_s, heartbeat_s)):
                await ended.wait()
        left_s -= heartbeat_s
        if left_s > 0:
            yield b": still here\n\n"


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_first_message",
        "GET",
        "/devices/{device_id}/first-message",
        "Wait for what a device says first, or learn why nothing comes",
        get_first_message,
        action="connection.read",
        target="device:{device_id}",
        description=(
            "`waiting` and `tried` come when the time is over, `arrived` and `refused` as soon as "
            "there is a message. The findings say what stands in its way, each with its remedy."
        ),
        tag="devices",
        query=FirstQuery,
        result=FirstMessage,
        errors=(NotFound,),
        command=Command("device", "first"),
    ),
    Operation(
        "simulate_type",
        "PUT",
        "/types/{type_name}/simulation",
        "Let made-up devices of a type say things, as long as one listens",
        simulate_type,
        action="simulation.run",
        target="type:{type_name}",
        description=(
            f"Makes devices sim-TYPE-1 and so on, with the tag `{TAG}`, where there are none, and "
            "sends what the type allows through the gate, as they would. Server-sent events "
            "`progress` say how it goes; hanging up ends it, and so does `lasts_s`."
        ),
        tag="types",
        query=SimulationQuery,
        result=str,
        produces=(EVENT_STREAM,),
        errors=(Conflict, Invalid, NotFound, QuotaExceeded, Unavailable),
    ),
)
