"""Documents in memory: the shortest statement of what `Records` means.

Values are kept as their encoded bytes, so no caller can change a stored value through
an alias. A transaction remembers what it replaced and puts it back when it fails.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from msgspec import msgpack

from weft.errors import AlreadyExists, NotFound, StaleVersion, Unavailable
from weft.model.ids import TenantId
from weft.ports import Kind, Reader, Record, Writer

T = TypeVar("T")
V = TypeVar("V")


class _Row(NamedTuple):
    version: int
    body: bytes
    texts: Mapping[str, str]  # per index


Table = dict[str, _Row]
Tables = dict[tuple[str, TenantId], Table]
Rows = list[tuple[str, _Row]]


class MemoryReader:
    """One consistent view: nothing else runs while `work` does."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def _table(self, kind: Kind[Any], tenant: TenantId) -> Table:
        return self._tables.get((kind.name, tenant), {})

    def find(self, kind: Kind[V], tenant: TenantId, key: str) -> Record[V] | None:
        """Return the record, or None."""
        row = self._table(kind, tenant).get(key)
        return None if row is None else _record(kind, key, row)

    def get(self, kind: Kind[V], tenant: TenantId, key: str) -> Record[V]:
        """Return the record, or raise `NotFound`."""
        record = self.find(kind, tenant, key)
        if record is None:
            raise NotFound(f"There is no {kind.name} {key!r}.")
        return record

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
        rows = self._matching(kind, tenant, where)
        if after:
            rows = [(k, row) for k, row in rows if (k < after if descending else k > after)]
        rows.sort(key=lambda item: item[0], reverse=descending)
        return [_record(kind, key, row) for key, row in rows[:limit]]

    def count(
        self, kind: Kind[Any], tenant: TenantId, *, where: tuple[str, str] | None = None
    ) -> int:
        """Return how many `list` would yield without a limit."""
        return len(self._matching(kind, tenant, where))

    def tenants(self, kind: Kind[Any]) -> Sequence[TenantId]:
        """Return the tenants that have records of this kind, in order."""
        return sorted(t for (name, t), table in self._tables.items() if name == kind.name and table)

    def _matching(self, kind: Kind[Any], tenant: TenantId, where: tuple[str, str] | None) -> Rows:
        rows = self._table(kind, tenant).items()
        if where is None:
            return [*rows]
        name, text = where
        return [(key, row) for key, row in rows if row.texts.get(name) == text]


class MemoryWriter(MemoryReader):
    """One transaction; `undo` puts everything back as it was."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self._replaced: list[tuple[Table, str, _Row | None]] = []

    def insert(self, kind: Kind[V], tenant: TenantId, key: str, value: V) -> Record[V]:
        """Add a record; raise `AlreadyExists` on the same key or a unique index."""
        if key in self._table(kind, tenant):
            raise AlreadyExists(f"There is a {kind.name} {key!r} already.")
        return self._store(kind, tenant, key, value, 1)

    def put(
        self, kind: Kind[V], tenant: TenantId, key: str, value: V, *, version: int | None = None
    ) -> Record[V]:
        """Add or replace a record; with `version`, raise `StaleVersion` unless it is that one."""
        stored = self._version(kind, tenant, key)
        _require_version(kind, key, stored, version)
        return self._store(kind, tenant, key, value, stored + 1)

    def delete(
        self, kind: Kind[Any], tenant: TenantId, key: str, *, version: int | None = None
    ) -> bool:
        """Remove a record; return whether it was there."""
        stored = self._version(kind, tenant, key)
        if not stored:
            return False
        _require_version(kind, key, stored, version)
        table = self._table(kind, tenant)
        self._replaced.append((table, key, table.pop(key)))
        return True

    def reindex(self, kind: Kind[Any], tenant: TenantId, key: str) -> bool:
        """Index a record as its kind says now; return whether that is another way than before."""
        held = self.get(kind, tenant, key)
        before = self._table(kind, tenant)[key].texts
        self._store(kind, tenant, key, held.value, held.version)
        return before != self._table(kind, tenant)[key].texts

    def undo(self) -> None:
        """Put back what this transaction replaced, the newest first."""
        while self._replaced:
            table, key, row = self._replaced.pop()
            if row is None:
                del table[key]
            else:
                table[key] = row

    def _version(self, kind: Kind[Any], tenant: TenantId, key: str) -> int:
        row = self._table(kind, tenant).get(key)
        return 0 if row is None else row.version

    def _store(
        self, kind: Kind[V], tenant: TenantId, key: str, value: V, version: int
    ) -> Record[V]:
        row = _Row(version, msgpack.encode(value), dict(kind.index(value)))
        table = self._tables.setdefault((kind.name, tenant), {})
        for name in kind.unique & row.texts.keys():
            text = row.texts[name]
            if any(k != key and r.texts.get(name) == text for k, r in table.items()):
                raise AlreadyExists(f"There is a {kind.name} with {name} {text!r} already.")
        self._replaced.append((table, key, table.get(key)))
        table[key] = row
        return _record(kind, key, row)


class MemoryRecords:
    """The store of documents, gone with the process."""

    def __init__(self) -> None:
        self._tables: Tables = {}
        self._closed = False

    async def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` over one consistent view."""
        self._require_open()
        return work(MemoryReader(self._tables))

    async def write(self, work: Callable[[Writer], T]) -> T:
        """Run `work` as one transaction."""
        self._require_open()
        writer = MemoryWriter(self._tables)
        try:
            return work(writer)
        except BaseException:
            writer.undo()
            raise

    async def close(self) -> None:
        """Refuse what comes later."""
        self._closed = True

    def _require_open(self) -> None:
        if self._closed:
            raise Unavailable("The records are closed.", remedy="Try again after the restart.")


def _record(kind: Kind[V], key: str, row: _Row) -> Record[V]:
    return Record(key, msgpack.decode(row.body, type=kind.type), row.version)


def _require_version(kind: Kind[Any], key: str, stored: int, version: int | None) -> None:
    if version is not None and version != stored:
        raise StaleVersion(
            f"The {kind.name} {key!r} is at version {stored}, not {version}.",
            remedy="Read it again and repeat the change on what it is now.",
        )
