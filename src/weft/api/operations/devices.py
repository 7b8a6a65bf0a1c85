"""Operations on devices: who is out there, and whether it may speak."""

from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import replace

from weft.api.operation import Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import (
    FilterText,
    Found,
    Moment,
    Page,
    Paging,
    after_of,
    found_page,
    moment,
    page_of,
)
from weft.errors import AlreadyExists, Conflict, Invalid, NotFound, QuotaExceeded
from weft.groups.filters import Filter
from weft.model.device import Device, Lifecycle
from weft.registry.devices import DevicePatch, NewDevice
from weft.security.policy import require

_CONNECTION_READ = "connection.read"
_ALL: Filter[Device] = Filter("", lambda _device: True, frozenset())


class DeviceView(Struct, frozen=True):
    """A device as the API shows it."""

    device_id: str
    uid: str
    type_name: str | None
    lifecycle: Lifecycle
    label: str
    attributes: dict[str, Any]
    created_at: Moment
    version: int
    type_version: int | None = None  # that it follows
    gateway: str | None = None  # id of the device that speaks for it
    alias: str = ""  # what that gateway calls it
    adds_children: bool = False
    tags: tuple[str, ...] = ()


class DeviceRow(DeviceView, frozen=True):
    """A device of a list, with how it is reached, where the caller may read connections."""

    connected: bool | None = None  # now, by itself or through its gateway
    last_seen_at: Moment | None = None  # when its newest message that was kept came in


class DeviceList(Paging, frozen=True):
    """Which devices to list."""

    type: Annotated[str, Meta(description="Of this type; empty for those without.")] | None = None
    lifecycle: Lifecycle | None = None
    filter: FilterText | None = None
    connected: (
        Annotated[bool, Meta(description="Those that are connected now, or those that are not.")]
        | None
    ) = None


class LifecycleMove(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a device's lifecycle should go."""

    to: Lifecycle


def view_of(device: Device, services: Services) -> DeviceView:
    """Show a device, with the version of its type that it follows."""
    return DeviceView(**_fields_of(device, services))


def _fields_of(device: Device, services: Services) -> dict[str, Any]:
    followed = services.types.followed_by(device)
    gateway = services.devices.find_uid(device.gateway) if device.gateway else None
    return {
        "device_id": device.device_id,
        "uid": device.uid,
        "type_name": device.type_name,
        "lifecycle": device.lifecycle,
        "label": device.label,
        "attributes": device.attributes,
        "created_at": moment(device.created_at) or "",
        "version": device.version,
        "type_version": followed.version if followed else None,
        "gateway": gateway.device_id if gateway else None,
        "alias": device.alias,
        "adds_children": device.adds_children,
        "tags": device.tags,
    }


def _reply(services: Services, device: Device) -> Reply:
    return Reply(view_of(device, services), version=device.version)


async def list_devices(services: Services, call: Call) -> Page[DeviceRow]:
    """Answer with a page of devices."""
    query: DeviceList = call.query
    if query.filter is not None or query.connected is not None:
        found: Found[Device] = await _search(services, call)
    else:
        found = await services.devices.list_part(
            call.principal.tenant,
            type_name=query.type,
            lifecycle=query.lifecycle,
            after=after_of(call, "devices"),
            limit=query.limit,
        )
    return found_page(call, "devices", found, _row_of(services, call))


def _row_of(services: Services, call: Call) -> Callable[[Device], DeviceRow]:
    """Return what shows a device; all of it is in memory, so a page of a thousand costs little."""
    if not services.policy.decide(call.principal, _CONNECTION_READ, "*").allowed:
        return lambda device: DeviceRow(**_fields_of(device, services))

    def row(device: Device) -> DeviceRow:
        seen_at = services.twins.last_seen_at(device.tenant, device.device_id)
        return DeviceRow(
            **_fields_of(device, services),
            connected=services.presence.is_connected(device.uid),
            last_seen_at=moment(seen_at),
        )

    return row


async def _search(services: Services, call: Call) -> Found[Device]:
    query: DeviceList = call.query
    wanted = _ALL
    if query.filter is not None:
        wanted = services.groups.device_filter(call.principal.tenant, query.filter)
    rights = wanted.rights if query.connected is None else wanted.rights | {_CONNECTION_READ}
    for right in sorted(rights):
        require(services.policy, call.principal, right, "*")

    def matches(device: Device) -> bool:
        return (
            query.lifecycle in {None, device.lifecycle}
            and (query.type is None or query.type == (device.type_name or ""))
            and query.connected in {None, services.presence.is_connected(device.uid)}
            and wanted.matches(device)
        )

    return await services.groups.search_devices(
        call.principal.tenant,
        replace(wanted, matches=matches),
        after=after_of(call, "devices"),
        limit=query.limit,
    )


async def create_device(services: Services, call: Call) -> Reply:
    """Make a device."""
    return _reply(services, await services.devices.create(call.principal, call.body))


async def get_device(services: Services, call: Call) -> Reply:
    """Answer with one device."""
    return _reply(services, services.devices.get(call.principal.tenant, call.path["device_id"]))


async def list_device_children(services: Services, call: Call) -> Page[DeviceView]:
    """Answer with a page of the devices that a gateway speaks for."""
    gateway = services.devices.get(call.principal.tenant, call.path["device_id"])
    listing = f"devices/{gateway.uid}/children"
    after = after_of(call, listing)
    found = [one for one in services.devices.children_of(gateway) if one.alias > after]
    return page_of(
        call,
        listing,
        found[: call.query.limit + 1],
        lambda one: view_of(one, services),
        lambda child: child.alias,
    )


async def update_device(services: Services, call: Call) -> Reply:
    """Change a device."""
    changed = await services.devices.patch(
        call.principal, call.path["device_id"], call.body, version=call.if_match
    )
    return _reply(services, changed)


async def delete_device(services: Services, call: Call) -> None:
    """Delete a device; its live connections end."""
    await services.devices.delete(call.principal, call.path["device_id"], version=call.if_match)


async def move_device(services: Services, call: Call) -> Reply:
    """Take a device to another state of its lifecycle."""
    moved = await services.devices.move(
        call.principal, call.path["device_id"], call.body.to, version=call.if_match
    )
    return _reply(services, moved)


_ONE = "/devices/{device_id}"
_TARGET = "device:{device_id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_devices",
        "GET",
        "/devices",
        "List devices",
        list_devices,
        action="device.read",
        description="A filter is written as conditions of rules are: 'hall-2' in device.tags. "
        "`connected` and `last_seen_at` are null for those who may not read connections.",
        query=DeviceList,
        result=Page[DeviceRow],
        errors=(Invalid,),
        command=Command(
            "device", "list", columns=("device_id", "type_name", "lifecycle", "label", "created_at")
        ),
    ),
    Operation(
        "create_device",
        "POST",
        "/devices",
        "Make a device",
        create_device,
        action="device.create",
        description="Without a name it is named by a UUIDv7. It has no credential yet.",
        body=NewDevice,
        result=DeviceView,
        status=201,
        etag=True,
        errors=(AlreadyExists, NotFound, QuotaExceeded),
        example={"device_id": "pump-7", "type_name": "pump", "label": "Cooling pump, hall 2"},
    ),
    Operation(
        "get_device",
        "GET",
        _ONE,
        "Show a device",
        get_device,
        action="device.read",
        target=_TARGET,
        result=DeviceView,
        etag=True,
        errors=(NotFound,),
        command=Command("device", "show"),
    ),
    Operation(
        "list_device_children",
        "GET",
        _ONE + "/children",
        "List the devices that a gateway speaks for",
        list_device_children,
        action="device.read",
        description="In the order of the names that it calls them.",
        query=Paging,
        result=Page[DeviceView],
        errors=(NotFound,),
        command=Command(
            "device", "children", columns=("device_id", "alias", "type_name", "lifecycle")
        ),
    ),
    Operation(
        "update_device",
        "PATCH",
        _ONE,
        "Change a device",
        update_device,
        action="device.update",
        target=_TARGET,
        description="An attribute that is null is removed (RFC 7396).",
        body=DevicePatch,
        result=DeviceView,
        if_match="optional",
        etag=True,
        errors=(NotFound,),
        example={"label": "Cooling pump, hall 3", "attributes": {"room": "3.14"}},
        command=Command("device", "update", renames=(("type_name", "type"),)),
    ),
    Operation(
        "delete_device",
        "DELETE",
        _ONE,
        "Delete a device with its twin and history",
        delete_device,
        action="device.delete",
        target=_TARGET,
        if_match="optional",
        errors=(NotFound,),
        command=Command(
            "device",
            "delete",
            confirm="Delete the device {device_id} with its credentials, twin and history?",
        ),
    ),
    Operation(
        "move_device",
        "POST",
        _ONE + "/lifecycle",
        "Move a device in its lifecycle",
        move_device,
        action="device.lifecycle",
        target=_TARGET,
        description="Suspending or revoking ends its live connections at once.",
        body=LifecycleMove,
        result=DeviceView,
        if_match="optional",
        etag=True,
        errors=(NotFound, Conflict),
        example={"to": "suspended"},
        command=Command("device", "move", arguments=("to",)),
    ),
)
