"""Device types: each saved change is a new version, and no version is ever lost.

A message is decoded by the version its device spoke when it was admitted, so a replay of
last month needs last month's version, even of a type that has been deleted since. A change
that breaks is saved only when asked for, and then no device follows it by itself: each
stays at the newest version that is compatible with its own until it is migrated.
"""

import builtins
from bisect import bisect_right, insort
from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import Conflict, NotFound
from weft.model.device import Device, DeviceType
from weft.model.ids import TenantId, TypeName
from weft.model.principal import Principal
from weft.ports import Clock, Kind, Reader, Record, Records, Writer
from weft.registry.changes import Listeners
from weft.registry.differences import Difference, breaks, differences, require_no_break
from weft.registry.documents import read_document, require_plain
from weft.registry.kinds import DEVICES, TYPE_VERSIONS, TYPES
from weft.registry.thing_models import read_type
from weft.security.audit import Audit


class TypeChange(Struct, frozen=True):
    """A type before and after; `new` is None when it was deleted."""

    tenant: TenantId
    name: TypeName
    old: DeviceType | None
    new: DeviceType | None


class TypeCheck(Struct, frozen=True):
    """What saving a document would change, before anybody does it."""

    draft: DeviceType
    against: DeviceType | None  # the version in force; None when there is none
    differences: list[Difference]


class DeviceTypes:
    """The types of all tenants, kept in memory as well: the gate asks without waiting."""

    def __init__(self, records: Records, audit: Audit, clock: Clock) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._current: dict[tuple[TenantId, str], DeviceType] = {}
        self._versions: dict[tuple[TenantId, str, int], DeviceType] = {}
        self._breaks: dict[tuple[TenantId, str], builtins.list[int]] = {}  # ascending
        self._listeners: Listeners[TypeChange] = Listeners()

    def on_change(self, callback: Callable[[TypeChange], None]) -> None:
        """Call `callback` when a type is saved or deleted."""
        self._listeners.add(callback)

    async def load(self) -> None:
        """Read all types; call once, before the first message."""
        current, versions = await self._records.read(
            lambda reader: (_all(reader, TYPES), _all(reader, TYPE_VERSIONS))
        )
        self._current = {(value.tenant, value.name): value for value in current}
        self._versions, self._breaks = {}, {}
        for value in versions:
            self._keep(value)

    def find(self, tenant: TenantId, name: str, version: int | None = None) -> DeviceType | None:
        """Return a type at a version (the current one if None), or None."""
        if version is None:
            return self._current.get((tenant, name))
        return self._versions.get((tenant, name, version))

    def get(self, tenant: TenantId, name: str, version: int | None = None) -> DeviceType:
        """Return a type at a version (the current one if None), or raise `NotFound`."""
        found = self.find(tenant, name, version)
        if found is None:
            what = f"device type {name!r}" + (f" at version {version}" if version else "")
            raise NotFound(f"There is no {what}.", remedy="See weft type list.")
        return found

    def followed_by(self, device: Device) -> DeviceType | None:
        """Return its type as the device follows it: compatible with where it began, or None."""
        if device.type_name is None:
            return None
        key = (device.tenant, device.type_name)
        current = self._current.get(key)
        ahead = self._breaks.get(key)
        if current is None or not ahead:
            return current
        began = device.type_version or 1
        place = bisect_right(ahead, began)
        return current if place == len(ahead) else self._versions[(*key, ahead[place] - 1)]

    def followed(self, current: DeviceType) -> builtins.list[DeviceType]:
        """Return the versions that devices of a type may follow: the newest behind each break."""
        key = (current.tenant, current.name)
        last = [number - 1 for number in self._breaks.get(key, ()) if number > 1]
        kept = [self._versions.get((*key, number)) for number in last]
        return [*(one for one in kept if one is not None), current]

    def list(
        self, tenant: TenantId, *, after: str = "", limit: int = 100
    ) -> builtins.list[DeviceType]:
        """Return the tenant's current types in the order of their names."""
        names = sorted(name for owner, name in self._current if owner == tenant and name > after)
        return [self._current[tenant, name] for name in names[:limit]]

    def versions(self, tenant: TenantId, name: str) -> builtins.list[int]:
        """Return the numbers of all versions that are kept, oldest first."""
        return sorted(
            number for owner, kept, number in self._versions if (owner, kept) == (tenant, name)
        )

    def check(self, tenant: TenantId, name: str, document: str | dict[str, Any]) -> TypeCheck:
        """Return what saving this document would change; raise `Invalid` if it is none."""
        draft = read_type(tenant, name, _values(document), version=0, at=self._clock.now())
        held = self.find(tenant, name)
        return TypeCheck(draft, held, differences(held, draft) if held else [])

    async def save(
        self,
        actor: Principal,
        name: str,
        document: str | dict[str, Any],
        *,
        version: int | None = None,
        allow_breaking: bool = False,
    ) -> DeviceType:
        """Check a document (text or values) and keep it; a changed one becomes version + 1.

        With `version`, raises `StaleVersion` unless that is the current one (0: none yet);
        raises `BreakingChange` unless it is compatible with it, or breaking is allowed.
        A document that says what the current version says changes nothing.
        """
        tenant = actor.tenant
        values = _values(document)
        draft = read_type(tenant, name, values, version=0, at=self._clock.now())

        def work(writer: Writer) -> tuple[DeviceType, DeviceType | None]:
            held = writer.find(TYPES, tenant, name)
            if held and held.value.document == values and version in {None, held.value.version}:
                return held.value, held.value
            expected = _record_version(held, version)
            found = differences(held.value, draft) if held else []
            if not allow_breaking and expected in {None, held.version if held else None}:
                require_no_break(name, found)
            kept = writer.count(TYPE_VERSIONS, tenant, where=("name", name))
            made = replace(draft, version=kept + 1, breaking=breaks(found))
            writer.put(TYPES, tenant, name, made, version=expected)
            writer.insert(TYPE_VERSIONS, tenant, f"{name}/{made.version:08d}", made)
            detail = {"version": made.version, "breaking": made.breaking}
            self._audit.entry(writer, actor, "type.save", f"type:{name}", detail=detail)
            return made, held.value if held else None

        made, old = await self._records.write(work)
        if made is not old:
            self._current[tenant, name] = made
            self._keep(made)
            self._listeners.tell(TypeChange(tenant, made.name, old, made))
        return made

    async def delete(self, actor: Principal, name: str) -> None:
        """Delete a type that no device uses; its versions stay for replay."""
        tenant = actor.tenant
        old = self.get(tenant, name)

        def work(writer: Writer) -> None:
            users = writer.count(DEVICES, tenant, where=("type", name))
            if users:
                raise Conflict(
                    f"{users} device(s) are of type {name!r}.",
                    remedy=f"Give them another type or delete them: weft device list --type {name}",
                )
            if not writer.delete(TYPES, tenant, name):
                raise NotFound(f"There is no device type {name!r}.", remedy="See weft type list.")
            self._audit.entry(writer, actor, "type.delete", f"type:{name}")

        await self._records.write(work)
        self._current.pop((tenant, name), None)
        self._listeners.tell(TypeChange(tenant, old.name, old, None))

    def _keep(self, made: DeviceType) -> None:
        self._versions[made.tenant, made.name, made.version] = made
        if made.breaking:
            insort(self._breaks.setdefault((made.tenant, made.name), []), made.version)


def _values(document: str | dict[str, Any]) -> dict[str, Any]:
    if isinstance(document, str):
        return read_document(document, "device type")
    require_plain(document, "device type")
    return document


def _record_version(held: Record[DeviceType] | None, version: int | None) -> int | None:
    """Translate the caller's version of the type into that of its record."""
    if version is None or version == 0:
        return version
    return held.version if held and held.value.version == version else -1


def _all(reader: Reader, kind: Kind[DeviceType]) -> builtins.list[DeviceType]:
    found: builtins.list[DeviceType] = []
    for tenant in reader.tenants(kind):
        found += [record.value for record in reader.list(kind, tenant, limit=1_000_000)]
    return found
