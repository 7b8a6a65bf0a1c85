"""Tenants: the owners of closed sets of records, and how much each may take.

A tenant's quotas keep it from starving its neighbours (TN-3). The tenant `main` is there
from the first start on, so that a machine with one owner never meets the word. Tenants
are records of the platform's own tenant, whose id is empty.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct, field

from weft.errors import NotFound
from weft.model.ids import TenantId, require_name
from weft.model.principal import Principal
from weft.ports import Clock, Kind, Reader, Records, Writer
from weft.registry.changes import Listeners
from weft.security.audit import Audit

PLATFORM: Final = TenantId("")
MAIN: Final = TenantId("main")


class Quotas(Struct, frozen=True, forbid_unknown_fields=True):
    """What a tenant may take. The defaults hold back a flood, not the owner of a machine."""

    messages_per_s: int = 100_000  # more than two cores admit, so one tenant alone is not slowed
    connections: int = 20_000
    devices: int = 100_000
    rules: int = 1_000
    retained_messages: int = 100_000
    retained_bytes: int = 64 * 1024 * 1024
    open_commands: int = 10_000  # without an outcome; they are held in memory, some 1 KB each
    assets: int = 100_000  # they are held in memory, some 1 KB each
    groups: int = 1_000
    derivations: int = 500  # keys that are computed from telemetry


class Tenant(Struct, frozen=True):
    """The owner of a closed set of records."""

    id: TenantId
    name: str
    created_at: int
    quotas: Quotas = field(default_factory=Quotas)
    version: int = 1


TENANTS: Final = Kind("tenant", Tenant)


class Tenants:
    """All tenants, kept in memory as well, so that the gate asks without waiting."""

    def __init__(self, records: Records, audit: Audit, clock: Clock) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._cache: dict[TenantId, Tenant] = {}
        self._listeners: Listeners[Tenant] = Listeners()

    def on_change(self, callback: Callable[[Tenant], None]) -> None:
        """Call `callback` with a tenant that was made or changed."""
        self._listeners.add(callback)

    async def load(self) -> None:
        """Read all tenants; call once, before the first message."""
        self._cache = {tenant.id: tenant for tenant in await self._records.read(_all_tenants)}

    def find(self, tenant: TenantId) -> Tenant | None:
        """Return a tenant, or None."""
        return self._cache.get(tenant)

    def get(self, tenant: TenantId) -> Tenant:
        """Return a tenant, or raise `NotFound`."""
        found = self._cache.get(tenant)
        if found is None:
            raise NotFound(f"There is no tenant {tenant!r}.", remedy="See weft tenant list.")
        return found

    def list(self) -> list[Tenant]:
        """Return all tenants by id."""
        return [self._cache[tenant] for tenant in sorted(self._cache)]

    async def create(
        self, actor: Principal, tenant: str, *, name: str = "", quotas: Quotas | None = None
    ) -> Tenant:
        """Make a tenant; raise `AlreadyExists` for an id that is taken."""
        made = Tenant(
            id=TenantId(require_name(tenant, "tenant id")),
            name=name or tenant,
            created_at=self._clock.now(),
            quotas=quotas or Quotas(),
        )

        def work(writer: Writer) -> None:
            writer.insert(TENANTS, PLATFORM, made.id, made)
            self._audit.entry(writer, actor, "tenant.create", f"tenant:{made.id}")

        await self._records.write(work)
        return self._changed(made)

    async def update(
        self,
        actor: Principal,
        tenant: TenantId,
        *,
        version: int,
        name: str | None = None,
        quotas: Quotas | None = None,
    ) -> Tenant:
        """Change a tenant's name or quotas; raise `StaleVersion` unless it is at `version`."""

        def work(writer: Writer) -> Tenant:
            old = writer.get(TENANTS, PLATFORM, tenant).value
            new = msgspec.structs.replace(
                old,
                name=old.name if name is None else name,
                quotas=old.quotas if quotas is None else quotas,
                version=version + 1,
            )
            writer.put(TENANTS, PLATFORM, tenant, new, version=version)
            self._audit.entry(writer, actor, "tenant.update", f"tenant:{tenant}")
            return new

        return self._changed(await self._records.write(work))

    async def ensure_main(self, actor: Principal) -> Tenant:
        """Return the tenant `main`, made now if this is the first start."""
        return self.find(MAIN) or await self.create(actor, MAIN)

    def _changed(self, tenant: Tenant) -> Tenant:
        self._cache[tenant.id] = tenant
        self._listeners.tell(tenant)
        return tenant


def quotas_of(reader: Reader, tenant: TenantId) -> Quotas:
    """Return a tenant's quotas inside a transaction; the defaults for one not registered."""
    record = reader.find(TENANTS, PLATFORM, tenant)
    return record.value.quotas if record else Quotas()


def _all_tenants(reader: Reader) -> list[Tenant]:
    return [record.value for record in reader.list(TENANTS, PLATFORM, limit=1_000_000)]
