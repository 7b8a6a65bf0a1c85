"""Derivations as records: saved only when they can be computed, versioned, audited.

A key is given by one derivation for any device, stands on no key that stands on it, and is
none that the device's type declares: what a device sends and what is computed of it are
never mistaken for one another. Every version is kept.
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from weft.errors import Conflict, NotFound, QuotaExceeded, StaleVersion
from weft.model.device import Device, DeviceType
from weft.model.ids import TenantId, new_id, require_name
from weft.model.principal import Principal
from weft.ports import Clock, Reader, Record, Records, Writer
from weft.registry.changes import Listeners
from weft.registry.tenants import quotas_of
from weft.rules.derived.checking import Checked, Checks
from weft.rules.derived.kinds import DERIVATION_VERSIONS, DERIVATIONS
from weft.rules.derived.model import Derivation, DerivationChange, DerivationDocument
from weft.rules.derived.order import feeds, require_ordered
from weft.rules.feeds.base import Cost
from weft.rules.kinds import version_key
from weft.rules.language import Scope
from weft.rules.language.syntax import Type
from weft.rules.memory import TENANT_MAX
from weft.rules.surroundings import Surroundings
from weft.security.audit import Audit

_ALL: Final = 1_000_000


class DerivedKeysOf:
    """The derived keys of all tenants, from memory: what expressions may name beside a type."""

    def __init__(self, find: Callable[[TenantId, str], Device | None]) -> None:
        """`find` gives a device by its name."""
        self._find = find
        self._held: dict[TenantId, dict[str, Derivation]] = {}

    def put(self, change: DerivationChange) -> None:
        """Take in a derivation that was saved or deleted."""
        if change.new is not None:
            self._held.setdefault(change.new.tenant, {})[change.new.name] = change.new
        elif change.old is not None:
            self._held.get(change.old.tenant, {}).pop(change.old.name, None)

    def of(self, tenant: TenantId) -> list[Derivation]:
        """Return the derivations of a tenant, in the order of their names."""
        held = self._held.get(tenant, {})
        return [held[name] for name in sorted(held)]

    def widen(self, tenant: TenantId, kind: DeviceType, scope: Scope) -> Scope:
        """Return a scope that knows the derived keys of a type as well."""
        meant = [one for one in self.of(tenant) if self._may_give(one, kind)]
        if not meant or scope.telemetry is None:
            return scope
        telemetry = {one.key: Type(one.gives) for one in meant} | dict(scope.telemetry)
        units = {one.key: one.document.unit for one in meant if one.document.unit}
        return replace(scope, telemetry=telemetry, units=units | dict(scope.units))

    def _may_give(self, derivation: Derivation, kind: DeviceType) -> bool:
        """Return whether a device of a type may be given the key."""
        if not derivation.is_rolled_up:
            return derivation.document.selector.type_name in {None, kind.name}
        device = self._find(derivation.tenant, derivation.document.device)
        return device is not None and device.type_name == kind.name


class Derivations:
    """The derivations of all tenants."""

    def __init__(
        self,
        records: Records,
        audit: Audit,
        clock: Clock,
        around: Surroundings,
        known: DerivedKeysOf,
        head: Callable[[], int],
    ) -> None:
        """`head` gives the position of the newest message that was taken in."""
        self._records = records
        self._audit = audit
        self._clock = clock
        self._checks = Checks(around)
        self._head = head
        self._known = known
        self._listeners: Listeners[DerivationChange] = Listeners()

    def on_change(self, callback: Callable[[DerivationChange], None]) -> None:
        """Call `callback` on the loop after each change of a derivation is on disk."""
        self._listeners.add(callback)

    async def load(self) -> None:
        """Read all derivations; call once, before the rules are read."""

        def work(reader: Reader) -> list[Derivation]:
            return [
                record.value
                for tenant in reader.tenants(DERIVATIONS)
                for record in reader.list(DERIVATIONS, tenant, limit=_ALL)
            ]

        for one in await self._records.read(work):
            self._known.put(DerivationChange(None, one, one.updated_at))

    def of(self, tenant: TenantId) -> list[Derivation]:
        """Return a tenant's derivations in the order of their names, from memory."""
        return self._known.of(tenant)

    def of_device(self, device: Device) -> list[Derivation]:
        """Return the derivations that a device is meant by now."""
        type_name = device.type_name or ""
        return [
            one
            for one in self._known.of(device.tenant)
            if (
                device.device_id == one.document.device
                if one.is_rolled_up
                else one.document.selector.matches(device.device_id, type_name, device)
            )
        ]

    def reads(self, derivation: Derivation, device_id: str) -> bool:
        """Return whether a derivation, saved or not, reads of a device now."""
        return self._checks.reads(derivation, device_id)

    async def get(self, tenant: TenantId, name: str) -> Derivation:
        """Return a derivation, or raise `NotFound`."""
        return (await self._records.read(lambda reader: _get(reader, tenant, name))).value

    async def versions(self, tenant: TenantId, name: str) -> list[Derivation]:
        """Return the versions of a derivation that are kept, oldest first."""
        records = await self._records.read(
            lambda reader: reader.list(
                DERIVATION_VERSIONS, tenant, where=("derivation", name), limit=1_000
            )
        )
        return [record.value for record in records]

    async def save(
        self,
        actor: Principal,
        name: str,
        document: DerivationDocument,
        *,
        version: int | None = None,
    ) -> Derivation:
        """Save a derivation, or its next version; raise `StaleVersion` unless at `version`."""
        tenant = actor.tenant
        require_name(name, "name of a derivation")
        checked = self._checks.check(tenant, document)
        kept: list[Derivation] = []

        def work(writer: Writer) -> Derivation:
            old = writer.find(DERIVATIONS, tenant, name)
            _require_version(old, version)
            if old is not None:
                kept.append(old.value)
            new = self._made(writer, actor, (name, document), checked, old)
            others = [
                record.value
                for record in writer.list(DERIVATIONS, tenant, limit=_ALL)
                if record.key != name
            ]
            _require_room(writer, tenant, new, others, is_new=old is None)
            require_ordered(new, others, self._checks.reads)
            writer.put(DERIVATIONS, tenant, name, new, version=old.version if old else 0)
            writer.insert(DERIVATION_VERSIONS, tenant, version_key(name, new.version), new)
            action = "derivation.update" if old else "derivation.create"
            detail = {"version": new.version, "key": new.key}
            self._audit.entry(writer, actor, action, f"derivation:{name}", detail=detail)
            return new

        new = await self._records.write(work)
        self._tell(kept[0] if kept else None, new)
        return new

    async def delete(self, actor: Principal, name: str, *, version: int | None = None) -> None:
        """Delete a derivation that no other stands on; what it has given stays in history."""
        tenant = actor.tenant

        def work(writer: Writer) -> Derivation:
            old = _get(writer, tenant, name)
            _require_version(old, version)
            for record in writer.list(DERIVATIONS, tenant, limit=_ALL):
                if record.key != name and feeds(old.value, record.value, self._checks.reads):
                    raise Conflict(
                        f"The derivation {record.key!r} reads {old.value.key!r}.",
                        remedy="Delete that one first, or let it read another key.",
                    )
            writer.delete(DERIVATIONS, tenant, name, version=old.version)
            self._audit.entry(writer, actor, "derivation.delete", f"derivation:{name}")
            return old.value

        self._tell(await self._records.write(work), None)

    # --- what is saved --------------------------------------------------------------------

    def _made(
        self,
        writer: Writer,
        actor: Principal,
        what: tuple[str, DerivationDocument],
        checked: Checked,
        old: Record[Derivation] | None,
    ) -> Derivation:
        name, document = what
        now = self._clock.now()
        versions = writer.count(DERIVATION_VERSIONS, actor.tenant, where=("derivation", name))
        return Derivation(
            name=name,
            uid=old.value.uid if old else new_id(),
            tenant=actor.tenant,
            version=versions + 1,  # of a deleted namesake as well, so that none comes twice
            document=document,
            gives=checked.gives,
            inputs=checked.inputs,
            created_at=old.value.created_at if old else now,
            created_by=old.value.created_by if old else str(actor),
            updated_at=now,
            effective_after=self._head(),
            state_bytes=checked.cost.state_bytes,
            sample_ns=checked.cost.sample_ns,
        )

    def _tell(self, old: Derivation | None, new: Derivation | None) -> None:
        change = DerivationChange(old, new, self._clock.now())
        self._known.put(change)
        self._listeners.tell(change)


def _require_room(
    reader: Reader,
    tenant: TenantId,
    new: Derivation,
    others: list[Derivation],
    *,
    is_new: bool,
) -> None:
    quota = quotas_of(reader, tenant).derivations
    if is_new and len(others) >= quota:
        raise QuotaExceeded(
            f"The tenant has {quota} derivations, which is its quota.",
            remedy="Delete derivations that are out of use, or raise the quota.",
        )
    whole = Cost(
        state_bytes=sum(one.state_bytes for one in [*others, new]),
        sample_ns=sum(one.sample_ns for one in [*others, new]),
    )
    if whole.state_bytes > TENANT_MAX.state_bytes or whole.sample_ns > TENANT_MAX.sample_ns:
        raise QuotaExceeded(
            f"All derivations together may keep {whole.state_bytes // 1024} KiB a device and take"
            f" {whole.sample_ns / 1_000:g} µs a sample, more than is allowed.",
            remedy="Delete derivations that are out of use, or count fewer samples.",
        )


def _require_version(old: Record[Derivation] | None, version: int | None) -> None:
    held = old.value.version if old is not None else 0
    if version is not None and held != version:
        raise StaleVersion(
            f"The derivation is at version {held}, not {version}.",
            remedy="Read it again, then save your change on top.",
        )


def _get(reader: Reader, tenant: TenantId, name: str) -> Record[Derivation]:
    record = reader.find(DERIVATIONS, tenant, name)
    if record is None:
        raise NotFound(f"There is no derivation {name!r}.", remedy="See weft derived list.")
    return record
