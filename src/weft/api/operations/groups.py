"""Operations on groups: devices under a name, and what their expressions find."""

from typing import Annotated

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation, Reply
from weft.api.operations import devices as device_views
from weft.api.operations.devices import DeviceView
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, found_page, moment, page_of
from weft.errors import AlreadyExists, Invalid, NotFound, QuotaExceeded, TooLarge
from weft.groups.kinds import Group, GroupPatch, NewGroup
from weft.security.policy import require


class GroupView(Struct, frozen=True):
    """A group as the API shows it."""

    name: str
    label: str
    expression: Annotated[str, Meta(description="Empty for a group of listed members.")]
    members: list[str]
    created_at: Moment
    created_by: str
    version: int


def view_of(group: Group, services: Services) -> GroupView:
    """Show a group; of its members those that are still there."""
    return GroupView(
        name=group.name,
        label=group.label,
        expression=group.expression,
        members=[device.device_id for device in services.groups.members_of(group)],
        created_at=moment(group.created_at) or "",
        created_by=group.created_by,
        version=group.version,
    )


def _reply(services: Services, group: Group) -> Reply:
    return Reply(view_of(group, services), version=group.version)


async def list_groups(services: Services, call: Call) -> Page[GroupView]:
    """Answer with a page of groups."""
    found = await services.groups.list(
        call.principal.tenant, after=after_of(call, "groups"), limit=call.query.limit + 1
    )
    return page_of(
        call, "groups", found, lambda one: view_of(one, services), lambda group: group.name
    )


async def create_group(services: Services, call: Call) -> Reply:
    """Save a group."""
    return _reply(services, await services.groups.create(call.principal, call.body))


async def get_group(services: Services, call: Call) -> Reply:
    """Answer with one group."""
    return _reply(services, await services.groups.get(call.principal.tenant, call.path["group"]))


async def list_group_devices(services: Services, call: Call) -> Page[DeviceView]:
    """Answer with the devices that belong to a group now."""
    group = await services.groups.get(call.principal.tenant, call.path["group"])
    for right in sorted(services.groups.rights_of(group)):
        require(services.policy, call.principal, right, "*")
    listing = f"groups/{group.name}/devices"
    found = await services.groups.devices(
        group, after=after_of(call, listing), limit=call.query.limit
    )
    return found_page(call, listing, found, lambda one: device_views.view_of(one, services))


async def update_group(services: Services, call: Call) -> Reply:
    """Change a group."""
    changed = await services.groups.patch(
        call.principal, call.path["group"], call.body, version=call.if_match
    )
    return _reply(services, changed)


async def delete_group(services: Services, call: Call) -> None:
    """Delete a group, and none of its devices."""
    await services.groups.delete(call.principal, call.path["group"], version=call.if_match)


_ONE = "/groups/{group}"
_TARGET = "group:{group}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_groups",
        "GET",
        "/groups",
        "List groups",
        list_groups,
        action="group.read",
        query=Paging,
        result=Page[GroupView],
        command=Command("group", "list", columns=("name", "label", "expression", "members")),
    ),
    Operation(
        "create_group",
        "POST",
        "/groups",
        "Save a group of devices",
        create_group,
        action="group.write",
        description=(
            "Either an expression, which says anew each time who belongs to it, or members. The "
            "expression is written as conditions of rules are, over device.id, device.type, "
            "device.lifecycle, device.label, device.tags, attributes.x, reported.x, telemetry.x, "
            "connected, and asset.id, asset.kind, asset.path, asset.ancestors, asset.tags of what "
            "the device observes (or else steers)."
        ),
        body=NewGroup,
        result=GroupView,
        status=201,
        etag=True,
        errors=(AlreadyExists, Invalid, NotFound, QuotaExceeded, TooLarge),
        example={
            "name": "hot-pumps",
            "expression": "device.type == 'pump' && telemetry.temperature > 80",
        },
        command=Command("group", "add", arguments=("name", "expression")),
    ),
    Operation(
        "get_group",
        "GET",
        _ONE,
        "Show a group",
        get_group,
        action="group.read",
        target=_TARGET,
        result=GroupView,
        etag=True,
        errors=(NotFound,),
        command=Command("group", "show"),
    ),
    Operation(
        "list_group_devices",
        "GET",
        _ONE + "/devices",
        "List the devices that belong to a group now",
        list_group_devices,
        action="device.read",
        query=Paging,
        result=Page[DeviceView],
        errors=(NotFound,),
        command=Command(
            "group", "devices", columns=("device_id", "type_name", "lifecycle", "label", "tags")
        ),
    ),
    Operation(
        "update_group",
        "PATCH",
        _ONE,
        "Change a group",
        update_group,
        action="group.write",
        target=_TARGET,
        body=GroupPatch,
        result=GroupView,
        if_match="optional",
        etag=True,
        errors=(NotFound, Invalid, TooLarge),
        example={"expression": "device.type == 'pump' && telemetry.temperature > 90"},
        command=Command("group", "update"),
    ),
    Operation(
        "delete_group",
        "DELETE",
        _ONE,
        "Delete a group, and none of its devices",
        delete_group,
        action="group.delete",
        target=_TARGET,
        if_match="optional",
        errors=(NotFound,),
        command=Command("group", "delete", confirm="Delete the group {group}?"),
    ),
)
