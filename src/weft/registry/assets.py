"""Assets: the plant as its owner sees it, in a tree that has no cycle and no orphan.

Changes of the tree go one at a time, each checked against the tree as it is: two moves that
are sound alone and a cycle together cannot both happen. What stands below an asset moves
with it, and goes with it only when that is asked for.
"""

import asyncio
import builtins
from collections.abc import Callable
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded, StaleVersion, TooLarge
from weft.model.asset import KNOWN_KINDS, Asset, Position, PositionKeys
from weft.model.ids import AssetId, AssetUid, TenantId, new_id, require_name
from weft.model.principal import Principal
from weft.ports import Clock, Reader, Records, Writer
from weft.registry.attributes import merged, require_attributes
from weft.registry.changes import Listeners
from weft.registry.device_checks import require_label
from weft.registry.kinds import ASSETS
from weft.registry.listing import Part, Wanted, examine
from weft.registry.ordered import OrderedNames
from weft.registry.tags import require_tags
from weft.registry.tenants import quotas_of
from weft.registry.tree import Tree
from weft.security.audit import Audit

DELETED_AT_ONCE: Final = 10_000  # in one transaction: half a second

Kind = Annotated[
    str,
    Meta(max_length=128, description=f"A word of yours, as {', '.join(KNOWN_KINDS)}."),
]


class Place(Struct, frozen=True, forbid_unknown_fields=True):
    """Where an asset stands (WGS 84, degrees), as somebody enters it."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    altitude_m: float | None = None


class NewAsset(Struct, frozen=True, forbid_unknown_fields=True):
    """What its owner says of an asset; without a name it is named by a UUIDv7."""

    kind: Kind
    asset_id: str | None = None
    label: str = ""
    parent: str | None = None
    attributes: dict[str, Any] = {}
    tags: tuple[str, ...] = ()
    position: Place | None = None
    position_keys: PositionKeys | None = None


class AssetPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be changed of an asset; an attribute of None is removed (RFC 7396)."""

    kind: Kind | UnsetType = UNSET
    label: str | UnsetType = UNSET
    parent: str | UnsetType | None = UNSET
    attributes: dict[str, Any] | UnsetType = UNSET
    tags: tuple[str, ...] | UnsetType = UNSET  # all of them: what is not named goes
    position: Place | UnsetType | None = UNSET
    position_keys: PositionKeys | UnsetType | None = UNSET


class AssetChange(Struct, frozen=True):
    """An asset before and after: `old` None when made, `new` None when deleted."""

    old: Asset | None
    new: Asset | None

    @property
    def asset(self) -> Asset:
        """The asset as it is, or as it last was."""
        asset = self.new or self.old
        assert asset is not None
        return asset


class Assets:
    """The assets of all tenants, kept in memory as well: filters ask without waiting."""

    def __init__(self, records: Records, audit: Audit, clock: Clock) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._cache: dict[tuple[TenantId, str], Asset] = {}
        self._by_uid: dict[str, Asset] = {}
        self._trees: dict[TenantId, Tree] = {}
        self._names = OrderedNames()
        self._changing = asyncio.Lock()
        self._listeners: Listeners[AssetChange] = Listeners()
        self._in_delete: builtins.list[Callable[[Writer, Principal, Asset], None]] = []

    def on_change(self, callback: Callable[[AssetChange], None]) -> None:
        """Call `callback` on the loop after each change of an asset is on disk."""
        self._listeners.add(callback)

    def in_delete(self, forget: Callable[[Writer, Principal, Asset], None]) -> None:
        """Call `forget` in the transaction of each delete, for each asset that goes."""
        self._in_delete.append(forget)

    async def load(self) -> None:
        """Read all assets; call once, at start."""
        for asset in await self._records.read(_all_assets):
            self._learn(asset)

    # --- what is asked ---

    def find(self, tenant: TenantId, asset_id: str) -> Asset | None:
        """Return an asset, or None."""
        return self._cache.get((tenant, asset_id))

    def find_uid(self, uid: str) -> Asset | None:
        """Return the asset with this uid, or None."""
        return self._by_uid.get(uid)

    def get(self, tenant: TenantId, asset_id: str) -> Asset:
        """Return an asset, or raise `NotFound`."""
        found = self._cache.get((tenant, asset_id))
        if found is None:
            raise _not_found(asset_id)
        return found

    def chain_of(self, asset: Asset) -> builtins.list[str]:
        """Return the names from the root of its tree down to the asset itself."""
        return self._tree(asset.tenant).chain(asset.asset_id)

    def behind(self, tenant: TenantId, after: str, limit: int) -> builtins.list[Asset]:
        """Return assets in the order of their names, those behind `after`, from memory."""
        names = self._names.behind(tenant, after, limit)
        return [self._cache[tenant, name] for name in names]

    def below(self, asset: Asset) -> builtins.list[Asset]:
        """Return an asset and all below it, the nearest first, from memory."""
        levels = self._tree(asset.tenant).levels(asset.asset_id)
        return [self._cache[asset.tenant, name] for level in levels for name in sorted(level)]

    async def list(
        self,
        tenant: TenantId,
        *,
        kind: str | None = None,
        parent: str | None = None,
        after: str = "",
        limit: int = 100,
    ) -> Part[Asset]:
        """Return assets in the order of their names, those behind `after`, and where to go on.

        `parent=""` asks for the roots.
        """
        if kind is None and parent is None:
            held = self.behind(tenant, after, limit + 1)
            return Part(held[:limit], held[limit - 1].asset_id if len(held) > limit else None)
        wanted = _wanted(tenant, kind, parent)
        return await self._records.read(
            lambda reader: examine(reader, wanted, after=after, limit=limit)
        )

    # --- what is changed ---

    async def create(self, actor: Principal, new: NewAsset) -> Asset:
        """Make an asset in the actor's tenant; raise `AlreadyExists` for a name that is taken."""
        tenant = actor.tenant
        name = new_id() if new.asset_id is None else require_name(new.asset_id, "asset id")
        asset = Asset(
            tenant=tenant,
            asset_id=AssetId(name),
            uid=AssetUid(new_id()),
            kind=require_name(new.kind, "kind of asset"),
            created_at=self._clock.now(),
            label=require_label(new.label),
            parent=None if new.parent is None else AssetId(new.parent),
            attributes=require_attributes(new.attributes),
            tags=require_tags(new.tags),
            position=self._position(new.position),
            position_keys=_require_keys(new.position_keys),
        )

        def work(writer: Writer) -> None:
            quota = quotas_of(writer, tenant).assets
            if writer.count(ASSETS, tenant) >= quota:
                raise QuotaExceeded(
                    f"The tenant has {quota} assets, as many as its quota allows.",
                    remedy="Delete assets that are out of use, or raise the quota.",
                )
            writer.insert(ASSETS, tenant, name, asset)
            detail = {"uid": asset.uid, "kind": asset.kind, "parent": asset.parent}
            self._audit.entry(writer, actor, "asset.create", f"asset:{name}", detail=detail)

        async with self._changing:
            if self.find(tenant, name) is None:  # a name that is taken is refused as such
                self._require_place(tenant, name, asset.parent)
            await self._records.write(work)
            self._told(None, asset)
        return asset

    async def patch(
        self, actor: Principal, asset_id: str, patch: AssetPatch, *, version: int | None = None
    ) -> Asset:
        """Change an asset, or move it with all below it; raise `StaleVersion` unless at `version`.

        Raises `Conflict` for a move that would make a cycle or go too deep.
        """
        tenant = actor.tenant
        async with self._changing:
            old = self.get(tenant, asset_id)
            _require_version(old, version)
            new = replace(self._patched(old, patch), version=old.version + 1)
            if new.parent != old.parent:
                self._require_place(tenant, asset_id, new.parent)
            changed = [
                name for name in patch.__struct_fields__ if getattr(patch, name) is not UNSET
            ]
            detail: dict[str, Any] = {"uid": old.uid, "changed": changed}
            if new.parent != old.parent:
                detail |= {"from": old.parent, "to": new.parent}

            def work(writer: Writer) -> None:
                writer.put(ASSETS, tenant, asset_id, new, version=old.version)
                self._audit.entry(writer, actor, "asset.update", f"asset:{asset_id}", detail=detail)

            await self._records.write(work)
            self._told(old, new)
        return new

    async def delete(
        self,
        actor: Principal,
        asset_id: str,
        *,
        recursive: bool = False,
        version: int | None = None,
    ) -> int:
        """Delete an asset, and with `recursive` all below it; return how many went.

        Raises `Conflict` for an asset with others below it otherwise.
        """
        tenant = actor.tenant
        async with self._changing:
            old = self.get(tenant, asset_id)
            _require_version(old, version)
            levels = self._tree(tenant).levels(asset_id)
            names = [name for level in reversed(levels) for name in level]
            if len(names) > 1 and not recursive:
                raise Conflict(
                    f"There are {len(names) - 1} assets below {asset_id!r}.",
                    remedy="Move them first, or delete it with all below it: --recursive.",
                )
            if len(names) > DELETED_AT_ONCE:
                raise TooLarge(
                    f"{len(names)} assets would go; at most {DELETED_AT_ONCE} go at once.",
                    remedy="Delete parts of it first.",
                )
            going = [self._cache[tenant, name] for name in names]

            def work(writer: Writer) -> None:
                for asset in going:
                    writer.delete(ASSETS, tenant, asset.asset_id, version=asset.version)
                    for forget in self._in_delete:
                        forget(writer, actor, asset)
                detail = {"uid": old.uid, "assets": len(going)}
                self._audit.entry(writer, actor, "asset.delete", f"asset:{asset_id}", detail=detail)

            await self._records.write(work)
            for asset in going:
                self._told(asset, None)
        return len(going)

    def _patched(self, old: Asset, patch: AssetPatch) -> Asset:
        new = old
        if patch.kind is not UNSET:
            new = replace(new, kind=require_name(patch.kind, "kind of asset"))
        if patch.label is not UNSET:
            new = replace(new, label=require_label(patch.label))
        if patch.parent is not UNSET:
            new = replace(new, parent=None if patch.parent is None else AssetId(patch.parent))
        if patch.attributes is not UNSET:
            attributes = require_attributes(merged(old.attributes, patch.attributes))
            new = replace(new, attributes=attributes)
        if patch.tags is not UNSET:
            new = replace(new, tags=require_tags(patch.tags))
        if patch.position is not UNSET:
            new = replace(new, position=self._position(patch.position))
        if patch.position_keys is not UNSET:
            new = replace(new, position_keys=_require_keys(patch.position_keys))
        return new

    def _position(self, place: Place | None) -> Position | None:
        if place is None:
            return None
        if not (-90 <= place.latitude <= 90 and -180 <= place.longitude <= 180):
            raise Invalid(
                f"{place.latitude}, {place.longitude} is no place on Earth.",
                remedy="Give the latitude from -90 to 90 and the longitude from -180 to 180.",
            )
        return Position(place.latitude, place.longitude, place.altitude_m, self._clock.now())

    def _require_place(self, tenant: TenantId, name: str, parent: str | None) -> None:
        if parent is not None:
            self.get(tenant, parent)
        self._tree(tenant).require_place(name, parent)

    # --- what is remembered ---

    def _tree(self, tenant: TenantId) -> Tree:
        tree = self._trees.get(tenant)
        if tree is None:
            tree = self._trees[tenant] = Tree()
        return tree

    def _told(self, old: Asset | None, new: Asset | None) -> None:
        if new is not None:
            self._learn(new)
        elif old is not None:
            del self._cache[old.tenant, old.asset_id]
            del self._by_uid[old.uid]
            self._tree(old.tenant).drop(old.asset_id)
            self._names.drop(old.tenant, old.asset_id)
        self._listeners.tell(AssetChange(old, new))

    def _learn(self, asset: Asset) -> None:
        self._cache[asset.tenant, asset.asset_id] = asset
        self._by_uid[asset.uid] = asset
        self._tree(asset.tenant).put(asset.asset_id, asset.parent)
        self._names.add(asset.tenant, asset.asset_id)


def _require_version(asset: Asset, version: int | None) -> None:
    if version is not None and version != asset.version:
        raise StaleVersion(
            f"The asset is at version {asset.version}, not {version}.",
            remedy="Read it again, then make your change on top.",
        )


def _require_keys(keys: PositionKeys | None) -> PositionKeys | None:
    if keys is not None and not (keys.latitude and keys.longitude):
        raise Invalid(
            "A position needs the key of the latitude and that of the longitude.",
            remedy="Name both telemetry keys, as latitude=lat,longitude=lon.",
        )
    return keys


def _wanted(tenant: TenantId, kind: str | None, parent: str | None) -> Wanted[Asset]:
    if parent is None:
        return Wanted(ASSETS, tenant, ("kind", kind or ""))
    sieve = None if kind is None else (lambda asset: asset.kind == kind)
    return Wanted(ASSETS, tenant, ("parent", parent), sieve)


def _not_found(asset_id: str) -> NotFound:
    return NotFound(f"There is no asset {asset_id!r}.", remedy="See weft asset list.")


def _all_assets(reader: Reader) -> builtins.list[Asset]:
    return [
        record.value
        for tenant in reader.tenants(ASSETS)
        for record in reader.list(ASSETS, tenant, limit=10_000_000)
    ]
