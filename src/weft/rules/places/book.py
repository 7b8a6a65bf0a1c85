"""Books: all places of one kind, on disk with their versions and in memory for the rules.

A save is one transaction with its audit entry; a save that changes nothing makes no version.
What is held in memory is bounded for each tenant, counted in positions of GeoJSON.
"""

import asyncio
import builtins
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import AlreadyExists, NotFound, QuotaExceeded, StaleVersion
from weft.model.ids import TenantId, new_id, require_name
from weft.model.principal import Principal
from weft.ports import Clock, Kind, Reader, Record, Records, Writer
from weft.registry.ordered import OrderedNames
from weft.rules.places.history import LAG_NS, History
from weft.rules.places.kinds import K
from weft.security.audit import Audit

VERSIONS_KEPT: Final = 20
PLACES_MAX: Final = 10_000  # of a kind and tenant
POSITIONS_MAX: Final = 200_000  # of a kind and tenant, all versions together: some 100 MB
_PAGE: Final = 500


class Given(Struct, frozen=True, eq=False):
    """What a book works with."""

    records: Records
    audit: Audit
    clock: Clock


class Terms(Struct, Generic[K], frozen=True, eq=False):
    """What a kind of place is called, kept as, and compiled to."""

    noun: str
    kind: Kind[K]
    versions: Kind[K]
    make: Callable[[K], Any]
    weigh: Callable[[K], int]


class Book(Generic[K]):
    """The places of one kind, of all tenants."""

    def __init__(self, given: Given, terms: Terms[K]) -> None:
        self.changes = 0  # so many times something has changed
        self._records = given.records
        self._audit = given.audit
        self._clock = given.clock
        self._terms = terms
        self._histories: dict[tuple[TenantId, str], History[K]] = {}
        self._weights: dict[TenantId, int] = {}
        self._names = OrderedNames()
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Read all places; call once, before the first message."""
        for versions in await self._records.read(lambda reader: _all(reader, self._terms)):
            self._learn(versions)

    # --- what is asked ---

    def find(self, tenant: TenantId, name: str) -> History[K] | None:
        """Return a place in all its versions, or None."""
        return self._histories.get((tenant, name))

    def get(self, tenant: TenantId, name: str) -> K:
        """Return a place as it is now, or raise `NotFound`."""
        history = self.find(tenant, name)
        if history is None:
            raise self._not_found(name)
        return history.newest

    def behind(self, tenant: TenantId, after: str, limit: int) -> builtins.list[K]:
        """Return places in the order of their names, those behind `after`."""
        names = self._names.behind(tenant, after, limit)
        return [self._histories[tenant, name].newest for name in names]

    def all(self, tenant: TenantId) -> builtins.list[History[K]]:
        """Return all places of a tenant."""
        names = self._names.behind(tenant, "", PLACES_MAX)
        return [self._histories[tenant, name] for name in names]

    # --- what is changed ---

    async def save(
        self,
        actor: Principal,
        name: str,
        fields: Mapping[str, Any],
        *,
        version: int | None = None,
        new: bool | None = None,
    ) -> K:
        """Save a place; `new` says whether it must or must not be there before.

        Raises `AlreadyExists`, `NotFound`, `QuotaExceeded`, or `StaleVersion` unless at `version`.
        """
        tenant, terms = actor.tenant, self._terms
        require_name(name, f"name of a {terms.noun}")
        async with self._changing:
            old = self._require(tenant, name, version, new=new)
            now = self._clock.now()
            if old is None:
                made = terms.kind.type(
                    tenant=tenant,
                    name=name,
                    uid=new_id(),
                    created_at=now,
                    created_by=str(actor),
                    updated_at=now,
                    **fields,
                )
            else:
                made = replace(old.newest, **fields)
                if made == old.newest:
                    return made
                after = max(now + LAG_NS, old.newest.in_force_at)
                made = replace(made, version=made.version + 1, updated_at=now, in_force_at=after)
            kept = [*(old.versions if old else ()), made][-VERSIONS_KEPT:]
            self._require_room(tenant, kept, old)
            await self._records.write(lambda writer: self._write(writer, actor, made, kept))
            self._learn(kept)
        return made

    async def delete(
        self,
        actor: Principal,
        name: str,
        *,
        version: int | None = None,
        forbid: Callable[[Reader], None] | None = None,
    ) -> K:
        """Delete a place with its versions; `forbid` raises for one that is still needed."""
        tenant, terms = actor.tenant, self._terms
        async with self._changing:
            old = self._require(tenant, name, version, new=False)
            assert old is not None
            going = old

            def work(writer: Writer) -> None:
                if forbid is not None:
                    forbid(writer)
                writer.delete(terms.kind, tenant, name)
                for one in going.versions:
                    writer.delete(terms.versions, tenant, _key(one))
                self._audit.entry(writer, actor, f"{terms.noun}.delete", f"{terms.noun}:{name}")

            await self._records.write(work)
            self._weights[tenant] -= self._weigh(going.versions)
            del self._histories[tenant, name]
            self._names.drop(tenant, name)
            self.changes += 1
        return going.newest

    def _write(self, writer: Writer, actor: Principal, made: K, kept: builtins.list[K]) -> None:
        terms, tenant = self._terms, made.tenant
        writer.put(terms.kind, tenant, made.name, made)
        writer.insert(terms.versions, tenant, _key(made), made)
        for record in writer.list(terms.versions, tenant, where=("name", made.name), limit=100):
            if record.value.version < kept[0].version:
                writer.delete(terms.versions, tenant, record.key)
        act = "create" if made.version == 1 else "update"
        target, detail = f"{terms.noun}:{made.name}", {"version": made.version}
        self._audit.entry(writer, actor, f"{terms.noun}.{act}", target, detail=detail)

    # --- inside ---

    def _require(
        self, tenant: TenantId, name: str, version: int | None, *, new: bool | None
    ) -> History[K] | None:
        old, noun = self.find(tenant, name), self._terms.noun
        if old is not None and new:
            raise AlreadyExists(
                f"There is a {noun} {name!r} already.", remedy="Change it, or name this one anew."
            )
        if old is None and (new is False or version is not None):
            raise self._not_found(name)
        if old is not None and version is not None and old.newest.version != version:
            raise StaleVersion(
                f"The {noun} is at version {old.newest.version}, not {version}.",
                remedy="Read it again, then make your change on top.",
            )
        return old

    def _require_room(
        self, tenant: TenantId, kept: builtins.list[K], old: History[K] | None
    ) -> None:
        noun = self._terms.noun
        if old is None and len(self._names.behind(tenant, "", PLACES_MAX)) >= PLACES_MAX:
            raise QuotaExceeded(
                f"The tenant has {PLACES_MAX} {noun}s, as many as are taken.",
                remedy="Delete those that are out of use.",
            )
        weight = self._weights.get(tenant, 0) + self._weigh(kept)
        if weight - (self._weigh(old.versions) if old else 0) > POSITIONS_MAX:
            raise QuotaExceeded(
                f"The {noun}s of the tenant, old versions too, would have more than"
                f" {POSITIONS_MAX} positions.",
                remedy="Delete those that are out of use, or simplify their lines.",
            )

    def _weigh(self, versions: builtins.list[K] | tuple[K, ...]) -> int:
        return sum(self._terms.weigh(one) for one in versions)

    def _learn(self, versions: builtins.list[K]) -> None:
        newest = versions[-1]
        tenant, old = newest.tenant, self.find(newest.tenant, newest.name)
        weight = self._weights.get(tenant, 0) - (self._weigh(old.versions) if old else 0)
        self._weights[tenant] = weight + self._weigh(versions)
        self._histories[tenant, newest.name] = History(versions, self._terms.make)
        self._names.add(tenant, newest.name)
        self.changes += 1

    def _not_found(self, name: str) -> NotFound:
        noun = self._terms.noun
        return NotFound(f"There is no {noun} {name!r}.", remedy=f"See weft {noun} list.")


def _key(one: K) -> str:
    return f"{one.name}/{one.version:08d}"


def _all(reader: Reader, terms: Terms[K]) -> list[list[K]]:
    found: dict[tuple[TenantId, str], list[K]] = {}
    for tenant in reader.tenants(terms.versions):
        after = ""
        while page := _page(reader, terms, tenant, after):
            for record in page:
                found.setdefault((tenant, record.value.name), []).append(record.value)
            after = page[-1].key
    return list(found.values())


def _page(reader: Reader, terms: Terms[K], tenant: TenantId, after: str) -> list[Record[K]]:
    return list(reader.list(terms.versions, tenant, after=after, limit=_PAGE))
