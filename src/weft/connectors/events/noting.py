"""Noting: what happens to records, written down in the transaction in which it happens.

A change of an alarm, work order or device and the note of it are one commit, whichever
station made it; so a crash loses neither, and nobody is told of what was undone. Notes are
kept for tenants that have a subscription; others pay one look-up per change.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import structs

from weft.connectors.events.kinds import CHANGES, HEAD, HEADS, SUBSCRIPTIONS, Describe, Head, key_of
from weft.model.ids import TenantId
from weft.ports import Clock, Kind, Reader, Record, Records, Writer

T = TypeVar("T")
V = TypeVar("V")


class NotedRecords:
    """Records that note changes of some kinds; a `Records` over another."""

    def __init__(self, inner: Records, clock: Clock, describe: Mapping[str, Describe]) -> None:
        self._inner = inner
        self._clock = clock
        self._describe = describe
        self._listeners: list[Callable[[], None]] = []

    def on_note(self, callback: Callable[[], None]) -> None:
        """Call `callback` on the loop after notes are on disk."""
        self._listeners.append(callback)

    async def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` over one consistent view."""
        return await self._inner.read(work)

    async def write(self, work: Callable[[Writer], T]) -> T:
        """Run `work` as one transaction, with the notes of what it changes."""
        noted = False

        def noting(writer: Writer) -> T:
            nonlocal noted
            own = _NotingWriter(writer, self._clock, self._describe)
            result = work(own)
            noted = own.noted
            return result

        result = await self._inner.write(noting)
        if noted:
            for callback in self._listeners:
                callback()
        return result

    async def close(self) -> None:
        """Finish what was asked and let go of the files."""
        await self._inner.close()


class _NotingWriter:
    """A transaction that also notes."""

    def __init__(self, inner: Writer, clock: Clock, describe: Mapping[str, Describe]) -> None:
        self._inner = inner
        self._clock = clock
        self._describe = describe
        self.noted = False

    def find(self, kind: Kind[V], tenant: TenantId, key: str) -> Record[V] | None:
        """Return the record, or None."""
        return self._inner.find(kind, tenant, key)

    def get(self, kind: Kind[V], tenant: TenantId, key: str) -> Record[V]:
        """Return the record, or raise `NotFound`."""
        return self._inner.get(kind, tenant, key)

    def list(
        self,
        kind: Kind[V],
        tenant: TenantId,
        *,
        where: tuple[str, str] | None = None,
        after: str = "",
        limit: int = 100,
        descending: bool = False,
    ) -> Sequence[Record[V]]:
        """Return records in key order, those behind `after`, those with index `where`."""
        return self._inner.list(
            kind, tenant, where=where, after=after, limit=limit, descending=descending
        )

    def count(
        self, kind: Kind[Any], tenant: TenantId, *, where: tuple[str, str] | None = None
    ) -> int:
        """Return how many `list` would yield without a limit."""
        return self._inner.count(kind, tenant, where=where)

    def tenants(self, kind: Kind[Any]) -> Sequence[TenantId]:
        """Return the tenants that have records of this kind."""
        return self._inner.tenants(kind)

    def insert(self, kind: Kind[V], tenant: TenantId, key: str, value: V) -> Record[V]:
        """Add a record; raise `AlreadyExists` on the same key or a unique index."""
        made = self._inner.insert(kind, tenant, key, value)
        self._note(kind, tenant, None, value)
        return made

    def put(
        self, kind: Kind[V], tenant: TenantId, key: str, value: V, *, version: int | None = None
    ) -> Record[V]:
        """Add or replace a record; with `version`, raise `StaleVersion` unless it is that one."""
        before = self._before(kind, tenant, key)
        made = self._inner.put(kind, tenant, key, value, version=version)
        self._note(kind, tenant, before, value)
        return made

    def delete(
        self, kind: Kind[Any], tenant: TenantId, key: str, *, version: int | None = None
    ) -> bool:
        """Remove a record; return whether it was there."""
        before = self._before(kind, tenant, key)
        gone = self._inner.delete(kind, tenant, key, version=version)
        if gone:
            self._note(kind, tenant, before, None)
        return gone

    def reindex(self, kind: Kind[Any], tenant: TenantId, key: str) -> bool:
        """Index a record as its kind says now: nothing that others are told of."""
        return self._inner.reindex(kind, tenant, key)

    def _before(self, kind: Kind[V], tenant: TenantId, key: str) -> V | None:
        if kind.name not in self._describe:
            return None
        found = self._inner.find(kind, tenant, key)
        return None if found is None else found.value

    def _note(self, kind: Kind[Any], tenant: TenantId, before: Any, after: Any) -> None:
        describe = self._describe.get(kind.name)
        if describe is None or not self._inner.list(SUBSCRIPTIONS, tenant, limit=1):
            return
        change = describe(before, after)
        if change is None:
            return
        found = self._inner.find(HEADS, tenant, HEAD)
        sequence = (found.value.sequence if found else 0) + 1
        change = structs.replace(change, sequence=sequence, at=self._clock.now())
        self._inner.insert(CHANGES, tenant, key_of(sequence), change)
        self._inner.put(HEADS, tenant, HEAD, Head(sequence))
        self.noted = True
