"""Writers: how an item of a pack is found, made, changed and deleted in a tenant.

Each kind is written by its own service. A change or a delete names the version whose
document was looked at, so what somebody changed a moment ago is not written over.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import UNSET, Struct

from weft.errors import NotFound, StaleVersion
from weft.model.asset import Asset
from weft.model.ids import TenantId
from weft.model.principal import Principal
from weft.packs.derivations import clashes_of
from weft.packs.model import Item, ItemKind, digest_of
from weft.packs.reading import asset_document
from weft.registry.assets import AssetPatch, Assets, NewAsset
from weft.registry.device_types import DeviceTypes
from weft.rules.derived.derivations import Derivations
from weft.rules.derived.documents import document_of as derivation_document
from weft.rules.derived.documents import read_derivation
from weft.rules.model import Rule
from weft.rules.places.routes import Routes, document_of
from weft.rules.rules import Rules


class Found(Struct, frozen=True):
    """A document that is there, at its version."""

    document: dict[str, Any]
    version: int


class ItemWriter(Protocol):
    """What is done to items of one kind."""

    async def find(self, tenant: TenantId, name: str) -> Found | None:
        """Return the document of a name as a pack would have it, or None."""
        ...

    async def add(self, actor: Principal, item: Item) -> None:
        """Make it; raise `AlreadyExists` or `StaleVersion` for a name that is taken."""
        ...

    async def update(self, actor: Principal, item: Item, old: Found) -> None:
        """Write a new document over the old one."""
        ...

    async def delete(self, actor: Principal, name: str, old: Found) -> None:
        """Delete it; raise `Conflict` while it is in use."""
        ...


class Writers:
    """All kinds of items."""

    def __init__(
        self,
        types: DeviceTypes,
        assets: Assets,
        routes: Routes,
        derivations: Derivations,
        rules: Rules,
    ) -> None:
        self._derivations = derivations
        self._of: dict[ItemKind, ItemWriter] = {
            ItemKind.TYPE: _Types(types),
            ItemKind.ASSET: _Assets(assets),
            ItemKind.ROUTE: _Routes(routes),
            ItemKind.DERIVATION: _Derivations(derivations),
            ItemKind.RULE: _Rules(rules),
        }

    async def find(self, tenant: TenantId, key: str) -> Mapping[str, Any] | None:
        """Return the document that is there under an item's key, or None."""
        kind, _, name = key.partition(":")
        found = await self._of[ItemKind(kind)].find(tenant, name)
        return found.document if found else None

    def clashes(self, tenant: TenantId, items: Sequence[Item]) -> dict[str, str]:
        """Return why derivations cannot be saved beside the tenant's own, by the items' keys."""
        held = self._derivations.of(tenant)
        return clashes_of(items, held, tenant, self._derivations.reads)

    async def add(self, actor: Principal, item: Item) -> None:
        """Make an item."""
        await self._of[item.kind].add(actor, item)

    async def update(self, actor: Principal, item: Item, digest: str) -> None:
        """Change an item whose document has this digest; raise `StaleVersion` otherwise."""
        old = await self._unchanged(actor.tenant, item, digest)
        await self._of[item.kind].update(actor, item, old)

    async def delete(self, actor: Principal, item: Item, digest: str) -> None:
        """Delete an item whose document has this digest; raise `StaleVersion` otherwise."""
        old = await self._unchanged(actor.tenant, item, digest)
        await self._of[item.kind].delete(actor, item.name, old)

    async def _unchanged(self, tenant: TenantId, item: Item, digest: str) -> Found:
        found = await self._of[item.kind].find(tenant, item.name)
        if found is None or digest_of(found.document) != digest:
            raise StaleVersion(
                f"The {item.kind} {item.name!r} was changed meanwhile.",
                remedy="Do it again; what was changed is kept.",
            )
        return found


class _Types:
    def __init__(self, types: DeviceTypes) -> None:
        self._types = types

    async def find(self, tenant: TenantId, name: str) -> Found | None:
        found = self._types.find(tenant, name)
        return Found(found.document, found.version) if found else None

    async def add(self, actor: Principal, item: Item) -> None:
        await self._types.save(actor, item.name, item.document, version=0)

    async def update(self, actor: Principal, item: Item, old: Found) -> None:
        await self._types.save(actor, item.name, item.document, version=old.version)

    async def delete(self, actor: Principal, name: str, old: Found) -> None:
        if self._types.get(actor.tenant, name).version != old.version:
            raise StaleVersion(
                f"The device type {name!r} was changed meanwhile.", remedy="Do it again."
            )
        await self._types.delete(actor, name)


class _Assets:
    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    async def find(self, tenant: TenantId, name: str) -> Found | None:
        found = self._assets.find(tenant, name)
        return Found(_document_of(found), found.version) if found else None

    async def add(self, actor: Principal, item: Item) -> None:
        await self._assets.create(actor, msgspec.convert(item.document, NewAsset))

    async def update(self, actor: Principal, item: Item, old: Found) -> None:
        new = msgspec.convert(item.document, NewAsset)
        gone = old.document.get("attributes", {}).keys() - new.attributes.keys()
        patch = AssetPatch(
            kind=new.kind,
            label=new.label,
            parent=new.parent,
            attributes=new.attributes | dict.fromkeys(gone),
            tags=new.tags,
            position=new.position if "position" in (item.document | old.document) else UNSET,
            position_keys=new.position_keys,
        )
        await self._assets.patch(actor, item.name, patch, version=old.version)

    async def delete(self, actor: Principal, name: str, old: Found) -> None:
        await self._assets.delete(actor, name, version=old.version)


class _Routes:
    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    async def find(self, tenant: TenantId, name: str) -> Found | None:
        found = self._routes.book.find(tenant, name)
        return Found(document_of(found.newest), found.newest.version) if found else None

    async def add(self, actor: Principal, item: Item) -> None:
        await self._routes.save(actor, item.name, item.document)

    async def update(self, actor: Principal, item: Item, old: Found) -> None:
        await self._routes.save(actor, item.name, item.document, version=old.version)

    async def delete(self, actor: Principal, name: str, old: Found) -> None:
        await self._routes.delete(actor, name, version=old.version)


class _Derivations:
    def __init__(self, derivations: Derivations) -> None:
        self._derivations = derivations

    async def find(self, tenant: TenantId, name: str) -> Found | None:
        try:
            found = await self._derivations.get(tenant, name)
        except NotFound:
            return None
        return Found(derivation_document(found.document), found.version)

    async def add(self, actor: Principal, item: Item) -> None:
        await self._save(actor, item, 0)

    async def update(self, actor: Principal, item: Item, old: Found) -> None:
        await self._save(actor, item, old.version)

    async def _save(self, actor: Principal, item: Item, version: int) -> None:
        document = read_derivation(item.document)
        await self._derivations.save(actor, item.name, document, version=version)

    async def delete(self, actor: Principal, name: str, old: Found) -> None:
        await self._derivations.delete(actor, name, version=old.version)


class _Rules:
    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def find(self, tenant: TenantId, name: str) -> Found | None:
        try:
            found = await self._rules.get(tenant, name)
        except NotFound:
            return None
        return Found(_source_of(found), found.version)

    async def add(self, actor: Principal, item: Item) -> None:
        await self._rules.create(actor, item.document)

    async def update(self, actor: Principal, item: Item, old: Found) -> None:
        await self._rules.update(actor, item.name, item.document, version=old.version)

    async def delete(self, actor: Principal, name: str, old: Found) -> None:
        await self._rules.delete(actor, name, version=old.version)


def _source_of(rule: Rule) -> dict[str, Any]:
    """Return a rule's document as it counts now: one that was switched off says so."""
    if rule.enabled is rule.document.enabled:
        return rule.source
    return {**rule.source, "enabled": rule.enabled}


def _document_of(asset: Asset) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(asset)
    if values["position"] is not None:
        del values["position"]["at"]
    names = NewAsset.__struct_fields__
    return asset_document(msgspec.convert({name: values[name] for name in names}, NewAsset))
