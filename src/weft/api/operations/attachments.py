"""Operations on attachments and relations: what observes an asset, and what it is to others."""

from typing import Annotated

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, found_page, moment, page_of
from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded
from weft.model.asset import Attachment, AttachmentRole, Relation
from weft.model.moments import from_rfc3339

At = Annotated[Moment, Meta(description="Only what held at this moment, in RFC 3339.")]


class AttachmentView(Struct, frozen=True):
    """An attachment as the API shows it."""

    device_id: str
    asset_id: str
    role: AttachmentRole
    from_at: Moment
    until_at: Moment | None
    attached_by: str
    detached_by: str


class AttachmentList(Paging, frozen=True):
    """Which attachments to list."""

    at: At | None = None


class NewAttachment(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a device is attached."""

    asset: Annotated[str, Meta(max_length=128)]
    from_at: Annotated[Moment, Meta(description="A moment that has been; now if left out.")] | (
        None
    ) = None


class RelationView(Struct, frozen=True):
    """A relation as the API shows it."""

    source: str
    name: str
    target: str
    created_at: Moment
    created_by: str


class RelationList(Paging, frozen=True):
    """Which relations of an asset to list."""

    inward: Annotated[bool, Meta(description="Those that end at it.")] = False


def view_of(attachment: Attachment) -> AttachmentView:
    """Show an attachment."""
    return AttachmentView(
        device_id=attachment.device_id,
        asset_id=attachment.asset_id,
        role=attachment.role,
        from_at=moment(attachment.from_at) or "",
        until_at=moment(attachment.until_at),
        attached_by=attachment.attached_by,
        detached_by=attachment.detached_by,
    )


def _relation_view(relation: Relation) -> RelationView:
    created_at = moment(relation.created_at) or ""
    return RelationView(
        relation.source, relation.name, relation.target, created_at, relation.created_by
    )


def _role_of(call: Call) -> AttachmentRole:
    try:
        return AttachmentRole(call.path["role"])
    except ValueError as error:
        raise Invalid(
            f"There is no role {call.path['role']!r}.",
            remedy=f"Roles are {' and '.join(AttachmentRole)}.",
        ) from error


async def attach_device(services: Services, call: Call) -> AttachmentView:
    """Attach a device."""
    body: NewAttachment = call.body
    attached = await services.attachments.attach(
        call.principal,
        call.path["device_id"],
        _role_of(call),
        body.asset,
        from_at=None if body.from_at is None else from_rfc3339(body.from_at),
    )
    return view_of(attached)


async def detach_device(services: Services, call: Call) -> None:
    """End an attachment."""
    await services.attachments.detach(call.principal, call.path["device_id"], _role_of(call))


async def _listed(services: Services, call: Call, where: tuple[str, str]) -> Page[AttachmentView]:
    query: AttachmentList = call.query
    listing = f"attachments/{where[0]}/{where[1]}"
    found = await services.attachments.list(
        call.principal.tenant,
        where,
        at=None if query.at is None else from_rfc3339(query.at),
        after=after_of(call, listing),
        limit=query.limit,
    )
    return found_page(call, listing, found, view_of)


async def list_device_attachments(services: Services, call: Call) -> Page[AttachmentView]:
    """Answer with where a device is and was, newest first."""
    device = services.devices.get(call.principal.tenant, call.path["device_id"])
    return await _listed(services, call, ("device", device.uid))


async def list_asset_attachments(services: Services, call: Call) -> Page[AttachmentView]:
    """Answer with what is and was attached to an asset."""
    asset = services.assets.get(call.principal.tenant, call.path["asset_id"])
    return await _listed(services, call, ("asset", asset.uid))


async def relate_assets(services: Services, call: Call) -> RelationView:
    """Relate one asset to another."""
    path = call.path
    made = await services.relations.relate(
        call.principal, path["asset_id"], path["name"], path["other_id"]
    )
    return _relation_view(made)


async def unrelate_assets(services: Services, call: Call) -> Reply | None:
    """Take a relation away."""
    path = call.path
    await services.relations.unrelate(
        call.principal, path["asset_id"], path["name"], path["other_id"]
    )
    return None


async def list_relations(services: Services, call: Call) -> Page[RelationView]:
    """Answer with a page of an asset's relations."""
    asset = services.assets.get(call.principal.tenant, call.path["asset_id"])
    query: RelationList = call.query
    listing = f"relations/{asset.uid}/{query.inward}"
    found = await services.relations.list(
        asset.tenant,
        asset.asset_id,
        inward=query.inward,
        after=after_of(call, listing),
        limit=query.limit + 1,
    )
    return page_of(call, listing, found, _relation_view, lambda one: one.key)


_ROLE = "/devices/{device_id}/attachments/{role}"
_RELATION = "/assets/{asset_id}/relations/{name}/{other_id}"
_COLUMNS = ("device_id", "role", "asset_id", "from_at", "until_at", "attached_by")

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "attach_device",
        "PUT",
        _ROLE,
        "Attach a device to an asset",
        attach_device,
        action="asset.write",
        target="device:{device_id}",
        description=(
            "The role is observes or steers; a device has each for one asset at a time. Where it "
            "was before, that ends at the same moment and stays in its history."
        ),
        body=NewAttachment,
        result=AttachmentView,
        errors=(NotFound, Conflict, Invalid, QuotaExceeded),
        example={"asset": "line-1"},
        command=Command("asset", "attach", arguments=("asset",), renames=(("from_at", "from"),)),
    ),
    Operation(
        "detach_device",
        "DELETE",
        _ROLE,
        "End the attachment of a device",
        detach_device,
        action="asset.write",
        target="device:{device_id}",
        errors=(NotFound, Invalid),
        command=Command("asset", "detach"),
    ),
    Operation(
        "list_device_attachments",
        "GET",
        "/devices/{device_id}/attachments",
        "List where a device is and was attached, newest first",
        list_device_attachments,
        action="asset.read",
        target="device:{device_id}",
        query=AttachmentList,
        result=Page[AttachmentView],
        errors=(NotFound, Invalid),
        command=Command("asset", "attachments", columns=_COLUMNS),
    ),
    Operation(
        "list_asset_attachments",
        "GET",
        "/assets/{asset_id}/attachments",
        "List the devices that are and were attached to an asset",
        list_asset_attachments,
        action="asset.read",
        target="asset:{asset_id}",
        query=AttachmentList,
        result=Page[AttachmentView],
        errors=(NotFound, Invalid),
        command=Command("asset", "devices", columns=_COLUMNS),
    ),
    Operation(
        "relate_assets",
        "PUT",
        _RELATION,
        "Relate an asset to another",
        relate_assets,
        action="asset.write",
        target="asset:{asset_id}",
        description="As feeds, tows or serves: from the first asset to the other.",
        result=RelationView,
        errors=(NotFound, Conflict, Invalid, QuotaExceeded),
        command=Command("asset", "relate"),
    ),
    Operation(
        "unrelate_assets",
        "DELETE",
        _RELATION,
        "Take a relation between assets away",
        unrelate_assets,
        action="asset.write",
        target="asset:{asset_id}",
        errors=(NotFound,),
        command=Command("asset", "unrelate"),
    ),
    Operation(
        "list_relations",
        "GET",
        "/assets/{asset_id}/relations",
        "List the relations of an asset",
        list_relations,
        action="asset.read",
        target="asset:{asset_id}",
        query=RelationList,
        result=Page[RelationView],
        errors=(NotFound,),
        command=Command("asset", "relations", columns=("source", "name", "target", "created_at")),
    ),
)
