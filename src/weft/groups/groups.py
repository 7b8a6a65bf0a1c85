"""Groups: devices under a name, saved as an expression or as a list.

A group of an expression is dynamic: who belongs to it is found when it is asked for, from
what is known then. A group of members holds those devices and no namesakes of them.
"""

import builtins
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from weft.errors import Invalid, NotFound, QuotaExceeded, StaleVersion, TooLarge
from weft.groups.filters import Around, Filter, Found, asset_filter, device_filter, search
from weft.groups.kinds import GROUPS, Group, GroupPatch, NewGroup
from weft.model.asset import Asset
from weft.model.device import Device
from weft.model.ids import DeviceId, DeviceUid, TenantId, require_name
from weft.model.principal import Principal
from weft.ports import Clock, Reader, Records, Writer
from weft.registry.changes import Listeners
from weft.registry.device_checks import require_label
from weft.registry.tenants import quotas_of
from weft.security.audit import Audit

MEMBERS_MAX: Final = 10_000


class Groups:
    """The groups of all tenants, and searches by filter."""

    def __init__(self, records: Records, audit: Audit, clock: Clock, around: Around) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._around = around
        self._held: dict[tuple[TenantId, str], Group] = {}  # rules ask without waiting
        self._listeners: Listeners[Group] = Listeners()

    def on_change(self, callback: Callable[[Group], None]) -> None:
        """Call `callback` on the loop with each group that was made, changed or deleted."""
        self._listeners.add(callback)

    async def load(self) -> None:
        """Read all groups; call once, at start."""
        for group in await self._records.read(_all_groups):
            self._held[group.tenant, group.name] = group

    def _told(self, group: Group, *, deleted: bool = False) -> None:
        if deleted:
            self._held.pop((group.tenant, group.name), None)
        else:
            self._held[group.tenant, group.name] = group
        self._listeners.tell(group)

    # --- filters ---

    def device_filter(self, tenant: TenantId, text: str) -> Filter[Device]:
        """Compile a filter over a tenant's devices, held against its types, or raise `Invalid`."""
        return device_filter(text, self._around, tenant)

    def saved_filter(self, group: Group) -> Filter[Device]:
        """Compile what was sound when it was saved: a type may have changed since."""
        return device_filter(group.expression, self._around)

    def asset_filter(self, text: str) -> Filter[Asset]:
        """Compile a filter over assets, or raise `Invalid`."""
        return asset_filter(text, self._around.assets)

    async def search_devices(
        self, tenant: TenantId, wanted: Filter[Device], *, after: str = "", limit: int = 100
    ) -> Found[Device]:
        """Return devices that match, in the order of their ids."""
        return await search(
            lambda behind, most: self._around.devices.behind(tenant, behind, most),
            lambda device: device.device_id,
            wanted.matches,
            after=after,
            limit=limit,
        )

    async def search_assets(
        self, tenant: TenantId, wanted: Filter[Asset], *, after: str = "", limit: int = 100
    ) -> Found[Asset]:
        """Return assets that match, in the order of their names."""
        return await search(
            lambda behind, most: self._around.assets.behind(tenant, behind, most),
            lambda asset: asset.asset_id,
            wanted.matches,
            after=after,
            limit=limit,
        )

    # --- groups ---

    def find(self, tenant: TenantId, name: str) -> Group | None:
        """Return a group, or None, from memory."""
        return self._held.get((tenant, name))

    async def get(self, tenant: TenantId, name: str) -> Group:
        """Return a group, or raise `NotFound`."""
        return await self._records.read(lambda reader: _get(reader, tenant, name))

    async def list(
        self, tenant: TenantId, *, after: str = "", limit: int = 100
    ) -> builtins.list[Group]:
        """Return groups in the order of their names."""
        records = await self._records.read(
            lambda reader: reader.list(GROUPS, tenant, after=after, limit=limit)
        )
        return [record.value for record in records]

    def rights_of(self, group: Group) -> frozenset[str]:
        """Return the actions that who asks for its devices must be allowed."""
        return self.saved_filter(group).rights if group.expression else frozenset()

    async def devices(self, group: Group, *, after: str = "", limit: int = 100) -> Found[Device]:
        """Return the devices of a group as it is now, in the order of their ids."""
        if group.expression:
            wanted = self.saved_filter(group)
            return await self.search_devices(group.tenant, wanted, after=after, limit=limit)
        behind = [one for one in self.members_of(group) if one.device_id > after]
        if len(behind) <= limit:
            return Found(behind)
        return Found(behind[:limit], behind[limit - 1].device_id)

    async def holds(self, tenant: TenantId, name: str, device_id: str) -> bool:
        """Return whether a device belongs to a group now; to one that is not there none does."""
        record = await self._records.read(lambda reader: reader.find(GROUPS, tenant, name))
        device = self._around.devices.find(tenant, device_id)
        if record is None or device is None:
            return False
        group = record.value
        return (
            self.saved_filter(group).matches(device)
            if group.expression
            else device.uid in group.members
        )

    async def device_ids(self, tenant: TenantId, name: str) -> builtins.list[DeviceId]:
        """Return the ids of all devices of a group as it is now."""
        group = await self.get(tenant, name)
        found: builtins.list[DeviceId] = []
        after: str | None = ""
        while after is not None:
            part = await self.devices(group, after=after, limit=1_000)
            found += [device.device_id for device in part.items]
            after = part.after
        return found

    def members_of(self, group: Group) -> builtins.list[Device]:
        """Return the listed members that are still there, in the order of their ids."""
        held = [self._around.devices.find_uid(uid) for uid in group.members]
        return sorted((one for one in held if one is not None), key=lambda one: one.device_id)

    async def create(self, actor: Principal, new: NewGroup) -> Group:
        """Save a group; raise `AlreadyExists` for a name that is taken."""
        tenant = actor.tenant
        group = Group(
            tenant=tenant,
            name=require_name(new.name, "name of a group"),
            label=require_label(new.label),
            expression=new.expression,
            members=self._members(tenant, new.members),
            created_at=self._clock.now(),
            created_by=str(actor),
        )
        self._require_sound(group)

        def work(writer: Writer) -> None:
            quota = quotas_of(writer, tenant).groups
            if writer.count(GROUPS, tenant) >= quota:
                raise QuotaExceeded(
                    f"The tenant has {quota} groups, as many as its quota allows.",
                    remedy="Delete groups that are out of use, or raise the quota.",
                )
            writer.insert(GROUPS, tenant, group.name, group)
            self._audit.entry(writer, actor, "group.create", f"group:{group.name}")

        await self._records.write(work)
        self._told(group)
        return group

    async def patch(
        self, actor: Principal, name: str, patch: GroupPatch, *, version: int | None = None
    ) -> Group:
        """Change a group; raise `StaleVersion` unless at `version`."""
        tenant = actor.tenant
        changes = {
            key: getattr(patch, key)
            for key in ("expression", "label")
            if getattr(patch, key) is not UNSET
        }
        if patch.members is not UNSET:
            changes["members"] = self._members(tenant, patch.members)

        def work(writer: Writer) -> Group:
            old = _get(writer, tenant, name)
            _require_version(old, version)
            new = replace(old, **changes, version=old.version + 1)
            require_label(new.label)
            self._require_sound(new, old.expression)
            writer.put(GROUPS, tenant, name, new, version=old.version)
            detail = {"changed": sorted(changes)}
            self._audit.entry(writer, actor, "group.update", f"group:{name}", detail=detail)
            return new

        changed = await self._records.write(work)
        self._told(changed)
        return changed

    async def delete(self, actor: Principal, name: str, *, version: int | None = None) -> None:
        """Delete a group; its devices are as they were."""
        tenant = actor.tenant

        def work(writer: Writer) -> Group:
            old = _get(writer, tenant, name)
            _require_version(old, version)
            writer.delete(GROUPS, tenant, name, version=old.version)
            self._audit.entry(writer, actor, "group.delete", f"group:{name}")
            return old

        self._told(await self._records.write(work), deleted=True)

    def _members(self, tenant: TenantId, names: Sequence[str]) -> tuple[DeviceUid, ...]:
        if len(names) > MEMBERS_MAX:
            raise TooLarge(
                f"The group lists {len(names)} devices; at most {MEMBERS_MAX} fit.",
                remedy="Give them a tag, and save a group of that: 'the-tag' in device.tags",
            )
        return tuple(self._around.devices.get(tenant, name).uid for name in dict.fromkeys(names))

    def _require_sound(self, group: Group, held: str = "") -> None:
        """Refuse a group of both or neither; an expression that is held already was sound."""
        if bool(group.expression) == bool(group.members):
            raise Invalid(
                "A group has either an expression or members.",
                remedy="Give one of the two, as 'critical' in device.tags",
            )
        if group.expression and group.expression != held:
            self.device_filter(group.tenant, group.expression)


def _require_version(group: Group, version: int | None) -> None:
    if version is not None and group.version != version:
        raise StaleVersion(
            f"The group is at version {group.version}, not {version}.",
            remedy="Read it again, then make your change on top.",
        )


def _all_groups(reader: Reader) -> builtins.list[Group]:
    return [
        record.value
        for tenant in reader.tenants(GROUPS)
        for record in reader.list(GROUPS, tenant, limit=10_000_000)
    ]


def _get(reader: Reader, tenant: TenantId, name: str) -> Group:
    record = reader.find(GROUPS, tenant, name)
    if record is None:
        raise NotFound(f"There is no group {name!r}.", remedy="See weft group list.")
    return record.value
