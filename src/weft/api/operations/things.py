"""Operations that describe devices and types in the words of others: W3C WoT, AsyncAPI.

What a description promises is answered here too: one value by its name, all by theirs.
"""

from enum import StrEnum
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta, Struct

from weft.api.asyncapi import asyncapi_document
from weft.api.operation import JSON, YAML, Call, Command, Operation, Reply
from weft.api.operations.commands import CommandView, view_of
from weft.api.services import Services
from weft.api.thing_descriptions import MEDIA_TYPE, MODEL_MEDIA_TYPE, thing_description
from weft.errors import Conflict, NotFound, QuotaExceeded, StaleVersion
from weft.model.device import Device, DeviceType
from weft.registry.thing_model_writer import thing_model_of


class AtVersion(Struct, frozen=True, forbid_unknown_fields=True):
    """Which version of a type."""

    version: (
        Annotated[int, Meta(ge=1, lt=2**31, description="Of this version; the newest if left out.")]
        | None
    ) = None


class DocumentFormat(StrEnum):
    """How a document is written."""

    JSON = "json"
    YAML = "yaml"


class AsyncApiQuery(AtVersion, frozen=True):
    """Which version, and how it is written."""

    format: Annotated[DocumentFormat, Meta(description="Instead of Accept.")] | None = None


def _document(value: Any, media_type: str) -> Reply:
    return Reply(content=msgspec.json.encode(value), media_type=media_type)


async def get_td(services: Services, call: Call) -> Reply:
    """Answer with the W3C WoT Thing Description of a device."""
    device = _device(services, call)
    followed = services.types.followed_by(device)
    return _document(thing_description(device, followed, services.endpoints()), call.accept)


async def get_tm(services: Services, call: Call) -> Reply:
    """Answer with a type as a W3C WoT Thing Model."""
    return _document(thing_model_of(_type(services, call)), call.accept)


async def get_asyncapi(services: Services, call: Call) -> Reply:
    """Answer with what devices of a type say and hear."""
    document = asyncapi_document(_type(services, call), services.endpoints())
    chosen = call.query.format
    if YAML in {call.accept, chosen and f"application/{chosen}"}:
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        return Reply(content=text.encode(), media_type=YAML)
    return _document(document, JSON)


async def get_thing_properties(services: Services, call: Call) -> dict[str, Any]:
    """Answer with the value of everything that a device has reported or measured."""
    return _values(services, _device(services, call))


async def get_thing_property(services: Services, call: Call) -> Reply:
    """Answer with one value: reported, or measured last."""
    device, name = _device(services, call), call.path["name"]
    values = _values(services, device)
    if name not in values:
        raise NotFound(
            f"Device {device.device_id!r} has no value of {name[:100]!r} yet.",
            remedy=f"See what it has sent: weft twin show {device.device_id}",
        )
    return Reply(values[name])


async def set_thing_property(services: Services, call: Call) -> None:
    """Desire one property; the device's own report follows."""
    device, name = _device(services, call), call.path["name"]
    version = services.twins.get(device.tenant, device.device_id).desired_version
    await services.twins.desire(
        call.principal, device.device_id, {name: call.body}, version=version
    )


async def invoke_thing_action(services: Services, call: Call) -> Reply:
    """Send a command whose input is the body."""
    device, name = _device(services, call), call.path["name"]
    sent = await services.commands.send(call.principal, device.device_id, name, call.body or {})
    return Reply(view_of(sent))


def _device(services: Services, call: Call) -> Device:
    return services.devices.get(call.principal.tenant, call.path["device_id"])


def _type(services: Services, call: Call) -> DeviceType:
    tenant, name = call.principal.tenant, call.path["type_name"]
    newest = services.types.get(tenant, name)
    asked = call.query.version
    return newest if asked is None else services.types.get(tenant, name, asked)


def _values(services: Services, device: Device) -> dict[str, Any]:
    twin = services.twins.get(device.tenant, device.device_id)
    measured = {key: latest.value for key, latest in twin.telemetry.items()}
    return measured | twin.reported


_DEVICE = "/devices/{device_id}/td"
_TYPE = "/types/{type_name}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_td",
        "GET",
        _DEVICE,
        "Describe a device as a W3C WoT Thing Description",
        get_td,
        action="device.read",
        target="device:{device_id}",
        description=(
            "TD 1.1: what the device measures, has and does, and where each is reached, over "
            "every protocol that listens now."
        ),
        tag="devices",
        result=dict[str, Any],
        produces=(MEDIA_TYPE, JSON),
        errors=(NotFound,),
        command=Command("device", "td"),
    ),
    Operation(
        "get_thing_properties",
        "GET",
        _DEVICE + "/properties",
        "Read all values of a device",
        get_thing_properties,
        action="twin.read",
        target="device:{device_id}",
        description="What it reported, and what it measured last, by name.",
        tag="devices",
        result=dict[str, Any],
        errors=(NotFound,),
    ),
    Operation(
        "get_thing_property",
        "GET",
        _DEVICE + "/properties/{name}",
        "Read one value of a device",
        get_thing_property,
        action="twin.read",
        target="device:{device_id}",
        description="The value alone, as the device's Thing Description declares it.",
        tag="devices",
        result=Any,
        errors=(NotFound,),
    ),
    Operation(
        "set_thing_property",
        "PUT",
        _DEVICE + "/properties/{name}",
        "Desire one property of a device",
        set_thing_property,
        action="twin.write",
        target="device:{device_id}",
        description=(
            "The value alone. It is desired from now on, and reported when the device has "
            "followed. Who must not overrule another unseen changes the twin instead."
        ),
        tag="devices",
        body=Any,
        errors=(NotFound, StaleVersion),
        example=900,
    ),
    Operation(
        "invoke_thing_action",
        "POST",
        _DEVICE + "/actions/{name}",
        "Send a command, its input as the body",
        invoke_thing_action,
        action="command.send",
        target="device:{device_id}",
        description="As the device's Thing Description declares it; what becomes of it is told "
        "by the command.",
        tag="devices",
        body=dict[str, Any],
        body_optional=True,
        result=CommandView,
        status=202,
        errors=(NotFound, Conflict, QuotaExceeded),
        example={"rpm": 900},
    ),
    Operation(
        "get_tm",
        "GET",
        _TYPE + "/tm",
        "Show a device type as a W3C WoT Thing Model",
        get_tm,
        action="type.read",
        target="type:{type_name}",
        tag="types",
        query=AtVersion,
        result=dict[str, Any],
        produces=(MODEL_MEDIA_TYPE, JSON),
        errors=(NotFound,),
        command=Command("type", "tm"),
    ),
    Operation(
        "get_asyncapi",
        "GET",
        _TYPE + "/asyncapi",
        "Describe what devices of a type say and hear, as AsyncAPI",
        get_asyncapi,
        action="type.read",
        target="type:{type_name}",
        description=(
            "AsyncAPI 3.0, in JSON or YAML. Operations named device... are the device's, those "
            "named application... a business system's."
        ),
        tag="types",
        query=AsyncApiQuery,
        result=dict[str, Any],
        produces=(JSON, YAML),
        errors=(NotFound,),
        command=Command("type", "asyncapi"),
    ),
)
