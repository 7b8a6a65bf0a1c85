"""Devices: who is out there, under which name, and whether it may speak.

A device is named by its owner and told apart by a uid that is never used again: a
namesake of a deleted device is another device (ID-1). Its lifecycle makes only the moves
that are listed, each on record (PR-6). Whoever keeps something of a device is told when
it is deleted, and again after a fault or a crash, so that nothing of it stays behind.
"""

import builtins
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from weft.errors import AlreadyExists, Invalid
from weft.model.device import Device, Lifecycle, require_move
from weft.model.ids import DeviceId, DeviceUid, TenantId, TypeName, new_id
from weft.model.principal import Principal
from weft.observability.log import get_logger
from weft.ports import Clock, Reader, Records, Writer
from weft.registry.attributes import require_attributes
from weft.registry.changes import Listeners
from weft.registry.device_checks import (
    device_not_found,
    patched,
    require_device_id,
    require_forgotten,
    require_label,
    require_room,
    require_type,
)
from weft.registry.device_documents import FIRST_STATES, DeviceChange, DevicePatch, NewDevice
from weft.registry.kinds import DEVICES, TOMBSTONES, Tombstone
from weft.registry.listing import Part, Wanted, collect, examine
from weft.registry.ordered import OrderedNames
from weft.registry.tags import require_tags
from weft.security.audit import Audit

log = get_logger(__name__)


class Devices:
    """The devices of all tenants, kept in memory as well: the gate asks without waiting."""

    def __init__(self, records: Records, audit: Audit, clock: Clock) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._cache: dict[tuple[TenantId, str], Device] = {}
        self._by_uid: dict[str, Device] = {}
        self._names = OrderedNames()
        self._children: dict[str, dict[str, Device]] = {}  # by gateway's uid, then alias
        self._without_type: Counter[TenantId] = Counter()
        self._listeners: Listeners[DeviceChange] = Listeners()
        self._in_delete: builtins.list[Callable[[Writer, Device], None]] = []
        self._after_delete: builtins.list[Callable[[Device], Awaitable[None]]] = []
        # Deleted, and kept somewhere still; whether it is being forgotten just now.
        self._unforgotten: dict[str, tuple[Device, bool]] = {}

    def on_change(self, callback: Callable[[DeviceChange], None]) -> None:
        """Call `callback` on the loop after each change of a device is on disk."""
        self._listeners.add(callback)

    def in_delete(self, forget: Callable[[Writer, Device], None]) -> None:
        """Call `forget` in the transaction of each delete: for what is kept in records."""
        self._in_delete.append(forget)

    def after_delete(self, forget: Callable[[Device], Awaitable[None]]) -> None:
        """Await `forget` after each delete, and again until it has not failed."""
        self._after_delete.append(forget)

    async def load(self) -> None:
        """Read all devices; call once, before the first message."""
        found = await self._records.read(_all_devices)
        for device in found:
            self._learn(device)

    def _learn(self, device: Device) -> None:
        self._cache[device.tenant, device.device_id] = device
        self._by_uid[device.uid] = device
        self._names.add(device.tenant, device.device_id)
        if device.type_name is None:
            self._without_type[device.tenant] += 1
        if device.gateway:
            self._children.setdefault(device.gateway, {})[device.alias] = device

    async def finish_deletes(self) -> None:
        """Tell of deletes that a crash interrupted; call at start, when all hooks are in."""
        for device in await self._records.read(_unforgotten):
            await self.forget(device)

    def find(self, tenant: TenantId, device_id: str) -> Device | None:
        """Return a device, or None."""
        return self._cache.get((tenant, device_id))

    def find_uid(self, uid: str) -> Device | None:
        """Return the device with this uid, or None."""
        return self._by_uid.get(uid)

    def any_without_type(self, tenant: TenantId) -> bool:
        """Whether the tenant has a device that follows no type, and so may say anything."""
        return self._without_type[tenant] > 0

    def find_child(self, gateway: Device, alias: str) -> Device | None:
        """Return the device that a gateway calls `alias`, or None."""
        return self._children.get(gateway.uid, {}).get(alias)

    def children_of(self, gateway: Device) -> builtins.list[Device]:
        """Return the devices that a gateway speaks for, by the names it calls them."""
        held = self._children.get(gateway.uid)
        return sorted(held.values(), key=lambda child: child.alias) if held else []

    def get(self, tenant: TenantId, device_id: str) -> Device:
        """Return a device, or raise `NotFound`."""
        found = self._cache.get((tenant, device_id))
        if found is None:
            raise device_not_found(device_id)
        return found

    def behind(self, tenant: TenantId, after: str, limit: int) -> builtins.list[Device]:
        """Return devices in the order of their ids, those behind `after`, from memory."""
        return [self._cache[tenant, name] for name in self._names.behind(tenant, after, limit)]

    async def list_part(
        self,
        tenant: TenantId,
        *,
        type_name: str | None = None,
        lifecycle: Lifecycle | None = None,
        after: str = "",
        limit: int = 100,
    ) -> Part[Device]:
        """Return devices in the order of their ids, those behind `after`, and where to go on.

        `type_name=""` asks for those without a type.
        """
        wanted = _wanted(tenant, type_name, lifecycle)
        return await self._records.read(
            lambda reader: examine(reader, wanted, after=after, limit=limit)
        )

    async def list(
        self,
        tenant: TenantId,
        *,
        type_name: str | None = None,
        lifecycle: Lifecycle | None = None,
        after: str = "",
        limit: int = 100,
    ) -> builtins.list[Device]:
        """Return as many devices as `limit`, however many have to be looked at."""

        async def part_of(behind: str, most: int) -> Part[Device]:
            return await self.list_part(
                tenant, type_name=type_name, lifecycle=lifecycle, after=behind, limit=most
            )

        return await collect(part_of, after=after, limit=limit)

    async def create(self, actor: Principal, new: NewDevice) -> Device:
        """Make a device in the actor's tenant; raise `AlreadyExists` for a name that is taken."""
        device = self.prepare(actor.tenant, new)

        def work(writer: Writer) -> Device:
            require_room(writer, actor.tenant)
            return self.insert_in(writer, actor, device)

        made = await self._records.write(work)
        self.told(None, made)
        return made

    def prepare(self, tenant: TenantId, new: NewDevice, *, origin: str = "") -> Device:
        """Return a device as it would be made, checked as far as that goes without records."""
        if new.lifecycle not in FIRST_STATES:
            raise Invalid(
                f"A device cannot begin as {new.lifecycle}.",
                remedy=f"Make it {' or '.join(FIRST_STATES)}, then move it on.",
            )
        name = new_id() if new.device_id is None else require_device_id(new.device_id)
        device = Device(
            tenant=tenant,
            device_id=DeviceId(name),
            uid=DeviceUid(new_id()),
            type_name=None if new.type_name is None else TypeName(new.type_name),
            lifecycle=new.lifecycle,
            created_at=self._clock.now(),
            label=require_label(new.label),
            attributes=require_attributes(new.attributes),
            adds_children=new.adds_children,
            origin=origin,
            tags=require_tags(new.tags),
        )
        return self._placed(device, new.gateway, new.alias)

    def insert_in(self, writer: Writer, actor: Principal, device: Device) -> Device:
        """Add a prepared device in the caller's transaction; the caller has asked for room.

        Returns it as it is kept; when that is on disk, `told` must be called with it.
        """
        tenant, name = device.tenant, device.device_id
        began = require_type(writer, tenant, device.type_name)
        made = replace(device, type_version=began)
        require_forgotten(writer, tenant, name)
        writer.insert(DEVICES, tenant, name, made)
        detail: dict[str, Any] = {"uid": device.uid, "type": device.type_name}
        if device.origin:
            detail["origin"] = device.origin
        self._audit.entry(writer, actor, "device.create", f"device:{name}", detail=detail)
        return made

    async def patch(
        self, actor: Principal, device_id: str, patch: DevicePatch, *, version: int | None = None
    ) -> Device:
        """Change label, attributes, tags or type; raise `StaleVersion` unless at `version`."""

        def change(writer: Writer, old: Device) -> Device:
            new = patched(writer, old, patch)
            if placed is not None:
                new = replace(new, gateway=placed.gateway, alias=placed.alias)
            return new

        placed = self._moved(self.get(actor.tenant, device_id), patch)
        names = [name for name in patch.__struct_fields__ if getattr(patch, name) is not UNSET]
        return await self._change(
            actor, device_id, change, version=version, entry=("device.update", {"changed": names})
        )

    async def move(
        self, actor: Principal, device_id: str, to: Lifecycle, *, version: int | None = None
    ) -> Device:
        """Take a device to another state of its lifecycle, by a listed move only (PR-6)."""

        def change(_writer: Writer, old: Device) -> Device:
            require_move(old.lifecycle, to)
            return replace(old, lifecycle=to)

        return await self._change(
            actor, device_id, change, version=version, entry=("device.move", {"to": to.value})
        )

    async def approve(self, actor: Principal, device_id: str, patch: DevicePatch) -> Device:
        """Let a pending device in, changed as the patch says, in one step."""

        def change(writer: Writer, old: Device) -> Device:
            require_move(old.lifecycle, Lifecycle.ACTIVE)
            return replace(patched(writer, old, patch), lifecycle=Lifecycle.ACTIVE)

        return await self._change(
            actor, device_id, change, version=None, entry=("quarantine.approve", {})
        )

    async def delete(self, actor: Principal, device_id: str, *, version: int | None = None) -> None:
        """Delete a device and have all that is kept of it forgotten; its uid never returns."""

        def work(writer: Writer) -> Device:
            device = _get(writer, actor.tenant, device_id)
            self.delete_in(writer, actor, device, version=version)
            return device

        device = await self._records.write(work)
        self.told(device, None)
        await self.forget(device)

    def delete_in(
        self,
        writer: Writer,
        actor: Principal,
        device: Device,
        *,
        version: int | None = None,
        reason: str = "",
    ) -> None:
        """Delete a device in the caller's transaction; then `told` and `forget` must be called."""
        tenant, name = device.tenant, device.device_id
        writer.delete(DEVICES, tenant, name, version=version)
        tombstone = Tombstone(device.uid, self._clock.now(), device)
        writer.insert(TOMBSTONES, tenant, device.uid, tombstone)
        for forget in self._in_delete:
            forget(writer, device)
        detail = {"uid": device.uid, "reason": reason}
        self._audit.entry(writer, actor, "device.delete", f"device:{name}", detail=detail)

    def update_in(
        self,
        writer: Writer,
        actor: Principal,
        old: Device,
        new: Device,
        names: builtins.list[str],
    ) -> Device:
        """Keep a changed device in the caller's transaction; then `told` must be called."""
        new = replace(new, version=old.version + 1)
        writer.put(DEVICES, old.tenant, old.device_id, new, version=old.version)
        detail = {"uid": old.uid, "changed": names}
        self._audit.entry(writer, actor, "device.update", f"device:{old.device_id}", detail=detail)
        return new

    async def _change(
        self,
        actor: Principal,
        device_id: str,
        change: Callable[[Writer, Device], Device],
        *,
        version: int | None,
        entry: tuple[str, dict[str, Any]],
    ) -> Device:
        """Write one change of one device with its audit entry, and tell of it."""
        tenant = actor.tenant
        action, detail = entry

        def work(writer: Writer) -> tuple[Device, Device]:
            old = _get(writer, tenant, device_id)
            # Refuse a stale caller before its change is judged against what it has not seen.
            expected = old.version if version is None else version
            new = change(writer, old) if expected == old.version else old
            new = replace(new, version=expected + 1)
            writer.put(DEVICES, tenant, device_id, new, version=expected)
            self._audit.entry(
                writer, actor, action, f"device:{device_id}", detail={"uid": old.uid, **detail}
            )
            return old, new

        old, new = await self._records.write(work)
        self.told(old, new)
        return new

    def told(self, old: Device | None, new: Device | None) -> None:
        """Take note of a change that is on disk, and tell of it."""
        change = DeviceChange(old, new)
        if old is not None:
            self._cache.pop((old.tenant, old.device_id), None)
            self._by_uid.pop(old.uid, None)
            self._names.drop(old.tenant, old.device_id)
            if old.type_name is None:
                self._without_type[old.tenant] -= 1
            self._unplace(old)
        if new is not None:
            self._learn(new)
        self._listeners.tell(change)

    def _unplace(self, device: Device) -> None:
        held = self._children.get(device.gateway)
        if held is not None:
            held.pop(device.alias, None)
            if not held:
                del self._children[device.gateway]

    def _moved(self, device: Device, patch: DevicePatch) -> Device | None:
        """Return the device under the gateway and alias that a patch gives it, if it does."""
        if patch.gateway is UNSET and patch.alias is UNSET:
            return None
        gateway: str | None
        if patch.gateway is UNSET:
            held = self.find_uid(device.gateway)
            gateway = held.device_id if held else None
        else:
            gateway = patch.gateway
        alias = device.alias if patch.alias is UNSET else patch.alias
        return self._placed(device, gateway, alias)

    def _placed(self, device: Device, gateway: str | None, alias: str) -> Device:
        owner = None if gateway is None else self.get(device.tenant, gateway)
        return self.place_under(device, owner, alias)

    def place_under(self, device: Device, owner: Device | None, alias: str) -> Device:
        """Return the device under a gateway, or under none; raises `Invalid` or `Conflict`."""
        if owner is None:
            return replace(device, gateway=DeviceUid(""), alias="")
        gateway = owner.device_id
        if owner.uid == device.uid or owner.gateway:
            raise Invalid(
                f"{gateway!r} cannot be the gateway of {device.device_id!r}: a gateway speaks for "
                "others and has none itself.",
                remedy="Name a device that connects by itself.",
            )
        if device.uid in self._children:
            raise Invalid(
                f"{device.device_id!r} is a gateway itself, and cannot be behind {gateway!r}.",
                remedy="Put what is behind it behind that gateway as well, or leave it out.",
            )
        name = require_label(alias) or device.device_id
        held = self.find_child(owner, name)
        if held is not None and held.uid != device.uid:
            raise AlreadyExists(
                f"The gateway {gateway!r} calls {held.device_id!r} {name!r} already.",
                remedy="Give one of them another alias.",
            )
        return replace(device, gateway=owner.uid, alias=name)

    async def forget(self, device: Device) -> bool:
        """Have all that is kept of a deleted device forgotten; `told` comes first.

        The delete is done, so what fails here is no failure of it: False is returned, and
        `forget_rest` tries again. Until then the name is given to nobody.
        """
        self._unforgotten[device.uid] = (device, True)
        try:
            for forget in self._after_delete:
                await forget(device)
            await self._records.write(lambda writer: _bury(writer, device))
        except Exception:  # whoever deleted has the answer; it is tried again
            log.exception("device_not_forgotten", device=device.device_id)
            return False
        else:
            del self._unforgotten[device.uid]
            return True
        finally:
            if device.uid in self._unforgotten:
                self._unforgotten[device.uid] = (device, False)

    async def forget_rest(self) -> int:
        """Try again to forget what could not be forgotten; return how much is left."""
        for device, is_under_way in list(self._unforgotten.values()):
            if not is_under_way:
                await self.forget(device)
        return len(self._unforgotten)


def _bury(writer: Writer, device: Device) -> None:
    held = writer.get(TOMBSTONES, device.tenant, device.uid).value
    writer.put(TOMBSTONES, device.tenant, device.uid, replace(held, device=None))


def _wanted(tenant: TenantId, type_name: str | None, lifecycle: Lifecycle | None) -> Wanted[Device]:
    if type_name is None:
        where = None if lifecycle is None else ("lifecycle", lifecycle.value)
        return Wanted(DEVICES, tenant, where)
    sieve = None if lifecycle is None else (lambda device: device.lifecycle is lifecycle)
    return Wanted(DEVICES, tenant, ("type", type_name), sieve)


def _get(reader: Reader, tenant: TenantId, device_id: str) -> Device:
    record = reader.find(DEVICES, tenant, device_id)
    if record is None:
        raise device_not_found(device_id)
    return record.value


def _all_devices(reader: Reader) -> builtins.list[Device]:
    found: builtins.list[Device] = []
    for tenant in reader.tenants(DEVICES):
        found += [record.value for record in reader.list(DEVICES, tenant, limit=10_000_000)]
    return found


def _unforgotten(reader: Reader) -> builtins.list[Device]:
    return [
        record.value.device
        for tenant in reader.tenants(TOMBSTONES)
        for record in reader.list(TOMBSTONES, tenant, where=("forgotten", "no"), limit=1_000_000)
        if record.value.device is not None
    ]


__all__ = ["DeviceChange", "DevicePatch", "Devices", "NewDevice"]
