"""Operations on assets: the plant as its owner sees it."""

from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import replace

from weft.api.operation import Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, found_page, moment
from weft.errors import AlreadyExists, Conflict, Invalid, NotFound, QuotaExceeded, TooLarge
from weft.model.asset import Asset, AttachmentRole
from weft.registry.assets import AssetPatch, NewAsset

ALTITUDE_MAX_M = 100_000.0  # aircraft and balloons; beyond it is a fault of the sensor


class PositionView(Struct, frozen=True):
    """Where an asset is, and who says so."""

    latitude: float
    longitude: float
    altitude_m: float | None
    at: Moment
    source: str  # fixed: somebody entered it; device: an attached one measured it
    device_id: str | None = None


class AssetView(Struct, frozen=True):
    """An asset as the API shows it."""

    asset_id: str
    uid: str
    kind: str
    label: str
    parent: str | None
    path: str  # from the root of its tree: /north/hall-2/line-1
    attributes: dict[str, Any]
    tags: tuple[str, ...]
    position: PositionView | None
    created_at: Moment
    version: int


class AssetRecord(Struct, frozen=True):
    """An asset as `live` tells of it: what is kept of it, at one version."""

    asset_id: str
    uid: str
    kind: str
    label: str
    parent: str | None
    attributes: dict[str, Any]
    tags: tuple[str, ...]
    version: int


class AssetList(Paging, frozen=True):
    """Which assets to list."""

    kind: str | None = None
    parent: Annotated[str, Meta(description="Right below this one; empty for roots.")] | None = None
    filter: (
        Annotated[str, Meta(max_length=4096, description="As 'hall-2' in asset.ancestors.")] | None
    ) = None


class Deletion(Struct, frozen=True, forbid_unknown_fields=True):
    """How far a delete goes."""

    recursive: Annotated[bool, Meta(description="Delete all assets below it as well.")] = False


def view_of(asset: Asset, services: Services) -> AssetView:
    """Show an asset in its place."""
    return AssetView(
        asset_id=asset.asset_id,
        uid=asset.uid,
        kind=asset.kind,
        label=asset.label,
        parent=asset.parent,
        path="/" + "/".join(services.assets.chain_of(asset)),
        attributes=asset.attributes,
        tags=asset.tags,
        position=position_of(asset, services),
        created_at=moment(asset.created_at) or "",
        version=asset.version,
    )


def record_view(asset: Asset) -> AssetRecord:
    """Show an asset by itself, also one that has just gone."""
    return AssetRecord(
        asset.asset_id,
        asset.uid,
        asset.kind,
        asset.label,
        asset.parent,
        asset.attributes,
        asset.tags,
        asset.version,
    )


def position_of(asset: Asset, services: Services) -> PositionView | None:
    """Return where an asset is: as its newest device says, else as somebody entered it."""
    measured = None if asset.position_keys is None else _measured(asset, services)
    if measured is not None:
        return measured
    held = asset.position
    if held is None:
        return None
    at = moment(held.at) or ""
    return PositionView(held.latitude, held.longitude, held.altitude_m, at, "fixed")


def _measured(asset: Asset, services: Services) -> PositionView | None:
    keys = asset.position_keys
    newest: tuple[int, str, float, float, float | None] | None = None
    for attachment in services.attachments.of_asset(asset.uid):
        if keys is None or attachment.role is not AttachmentRole.OBSERVES:
            continue
        values = services.twins.get(asset.tenant, attachment.device_id).telemetry
        latitude, longitude = values.get(keys.latitude), values.get(keys.longitude)
        if latitude is None or longitude is None:
            continue
        place = (_degrees(latitude.value, 90), _degrees(longitude.value, 180))
        at = min(latitude.at, longitude.at)
        if place[0] is None or place[1] is None or at < attachment.from_at:
            continue  # what it measured elsewhere says nothing of this asset
        if newest is None or at > newest[0]:
            height = values.get(keys.altitude)
            altitude = None if height is None else _degrees(height.value, ALTITUDE_MAX_M)
            newest = (at, attachment.device_id, place[0], place[1], altitude)
    if newest is None:
        return None
    at, device_id, north, east, up = newest
    return PositionView(north, east, up, moment(at) or "", "device", device_id)


def _degrees(value: Any, most: float) -> float | None:
    """Return a measured number within its bounds, or None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -most <= value <= most else None


def _reply(services: Services, asset: Asset) -> Reply:
    return Reply(view_of(asset, services), version=asset.version)


async def list_assets(services: Services, call: Call) -> Page[AssetView]:
    """Answer with a page of assets."""
    query: AssetList = call.query
    if query.filter is not None:
        return await _filtered(services, call, query.filter)
    found = await services.assets.list(
        call.principal.tenant,
        kind=query.kind,
        parent=query.parent,
        after=after_of(call, "assets"),
        limit=query.limit,
    )
    return found_page(call, "assets", found, lambda one: view_of(one, services))


async def _filtered(services: Services, call: Call, text: str) -> Page[AssetView]:
    query: AssetList = call.query
    wanted = services.groups.asset_filter(text)

    def matches(asset: Asset) -> bool:
        return (
            query.kind in {None, asset.kind}
            and (query.parent is None or query.parent == (asset.parent or ""))
            and wanted.matches(asset)
        )

    found = await services.groups.search_assets(
        call.principal.tenant,
        replace(wanted, matches=matches),
        after=after_of(call, "assets"),
        limit=query.limit,
    )
    return found_page(call, "assets", found, lambda one: view_of(one, services))


async def create_asset(services: Services, call: Call) -> Reply:
    """Make an asset."""
    return _reply(services, await services.assets.create(call.principal, call.body))


async def get_asset(services: Services, call: Call) -> Reply:
    """Answer with one asset."""
    return _reply(services, services.assets.get(call.principal.tenant, call.path["asset_id"]))


async def list_children(services: Services, call: Call) -> Page[AssetView]:
    """Answer with a page of what stands right below an asset."""
    asset = services.assets.get(call.principal.tenant, call.path["asset_id"])
    listing = f"assets/{asset.asset_id}/children"
    found = await services.assets.list(
        asset.tenant,
        parent=asset.asset_id,
        after=after_of(call, listing),
        limit=call.query.limit,
    )
    return found_page(call, listing, found, lambda one: view_of(one, services))


async def update_asset(services: Services, call: Call) -> Reply:
    """Change an asset, or move it."""
    changed = await services.assets.patch(
        call.principal, call.path["asset_id"], call.body, version=call.if_match
    )
    return _reply(services, changed)


async def delete_asset(services: Services, call: Call) -> None:
    """Delete an asset, with what stands below it only when that is asked for."""
    await services.assets.delete(
        call.principal,
        call.path["asset_id"],
        recursive=call.query.recursive,
        version=call.if_match,
    )


_ONE = "/assets/{asset_id}"
_TARGET = "asset:{asset_id}"
_COLUMNS = ("asset_id", "kind", "path", "label", "tags")

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_assets",
        "GET",
        "/assets",
        "List assets",
        list_assets,
        action="asset.read",
        query=AssetList,
        result=Page[AssetView],
        errors=(Invalid,),
        command=Command("asset", "list", columns=_COLUMNS),
    ),
    Operation(
        "create_asset",
        "POST",
        "/assets",
        "Make an asset",
        create_asset,
        action="asset.write",
        description="Without a name it is named by a UUIDv7; without a parent it is a root.",
        body=NewAsset,
        result=AssetView,
        status=201,
        etag=True,
        errors=(AlreadyExists, Conflict, NotFound, QuotaExceeded, TooLarge),
        example={"asset_id": "line-1", "kind": "line", "parent": "hall-2", "tags": ["critical"]},
        command=Command("asset", "add", arguments=("kind", "asset_id")),
    ),
    Operation(
        "get_asset",
        "GET",
        _ONE,
        "Show an asset",
        get_asset,
        action="asset.read",
        target=_TARGET,
        result=AssetView,
        etag=True,
        errors=(NotFound,),
        command=Command("asset", "show"),
    ),
    Operation(
        "list_children",
        "GET",
        _ONE + "/children",
        "List the assets right below one",
        list_children,
        action="asset.read",
        target=_TARGET,
        query=Paging,
        result=Page[AssetView],
        errors=(NotFound,),
        command=Command("asset", "children", columns=_COLUMNS),
    ),
    Operation(
        "update_asset",
        "PATCH",
        _ONE,
        "Change an asset, or move it with all below it",
        update_asset,
        action="asset.write",
        target=_TARGET,
        description=(
            "An attribute that is null is removed (RFC 7396). Another parent moves it with "
            "everything below it; null makes it a root."
        ),
        body=AssetPatch,
        result=AssetView,
        if_match="optional",
        etag=True,
        errors=(NotFound, Conflict, TooLarge),
        example={"parent": "hall-3", "attributes": {"built": 2019}},
        command=Command("asset", "update"),
    ),
    Operation(
        "delete_asset",
        "DELETE",
        _ONE,
        "Delete an asset",
        delete_asset,
        action="asset.delete",
        target=_TARGET,
        description="One with others below it is refused, unless all of them are to go.",
        query=Deletion,
        if_match="optional",
        errors=(NotFound, Conflict, TooLarge),
        command=Command(
            "asset",
            "delete",
            confirm="Delete the asset {asset_id}? With --recursive, all below it goes as well.",
        ),
    ),
)
