"""Rows: documents read and written through one SQLite connection, inside a transaction.

Every body carries a checksum over its key, version and bytes: what does not agree is
`Damaged`, never returned.
"""

import sqlite3
import zlib
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Any, NoReturn, TypeVar, cast

from msgspec import ValidationError, msgpack

from weft.backends.sqlite.faults import REPAIR
from weft.backends.sqlite.statements import load_statements
from weft.errors import AlreadyExists, Damaged, NotFound, StaleVersion
from weft.model.ids import TenantId
from weft.ports import Kind, Record

V = TypeVar("V")
SQL = load_statements("records")

_encode = msgpack.Encoder().encode


@lru_cache(maxsize=256)
def _decoder(type_: Hashable) -> Callable[[bytes], Any]:
    return msgpack.Decoder(cast("type[Any]", type_)).decode


def _decode(kind: Kind[V], body: bytes) -> V:
    return cast("V", _decoder(cast("Hashable", kind.type))(body))


def checksum_of(kind: str, tenant: str, key: str, version: int, body: bytes) -> int:
    """Return what a record's checksum must be."""
    head = f"{kind}\0{tenant}\0{key}\0{version}\0"
    return zlib.crc32(body, zlib.crc32(head.encode("utf-8", "surrogatepass")))


class RowReader:
    """One consistent view, as long as the transaction of the connection lasts."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute

    def find(self, kind: Kind[V], tenant: TenantId, key: str) -> Record[V] | None:
        """Return the record, or None."""
        row = self._execute(SQL["find"], (kind.name, tenant, key)).fetchone()
        return None if row is None else _record(kind, tenant, (key, *row))

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
        statement = "list_down" if descending else "list_up"
        values = {"kind": kind.name, "tenant": tenant, "after": after, "limit": limit}
        if where is not None:
            statement += "_where"
            values["name"], values["text"] = where
        return [_record(kind, tenant, row) for row in self._execute(SQL[statement], values)]

    def count(
        self, kind: Kind[Any], tenant: TenantId, *, where: tuple[str, str] | None = None
    ) -> int:
        """Return how many `list` would yield without a limit."""
        if where is None:
            row = self._execute(SQL["count"], (kind.name, tenant)).fetchone()
        else:
            row = self._execute(SQL["count_where"], (kind.name, tenant, *where)).fetchone()
        return int(row[0])

    def tenants(self, kind: Kind[Any]) -> Sequence[TenantId]:
        """Return the tenants that have records of this kind, in order."""
        return [row[0] for row in self._execute(SQL["tenants"], {"kind": kind.name})]


class RowWriter(RowReader):
    """One transaction. Refusals come before the first change, so `work` may go on after one."""

    def insert(self, kind: Kind[V], tenant: TenantId, key: str, value: V) -> Record[V]:
        """Add a record; raise `AlreadyExists` on the same key or a unique index."""
        if self._version(kind, tenant, key):
            raise AlreadyExists(f"There is a {kind.name} {key!r} already.")
        return self._store(kind, tenant, key, value, 1)

    def put(
        self, kind: Kind[V], tenant: TenantId, key: str, value: V, *, version: int | None = None
    ) -> Record[V]:
        """Add or replace a record; with `version`, raise `StaleVersion` unless it is that one."""
        stored = self._version(kind, tenant, key)
        if version is not None and version != stored:
            _refuse_version(kind, key, stored, version)
        return self._store(kind, tenant, key, value, stored + 1)

    def delete(
        self, kind: Kind[Any], tenant: TenantId, key: str, *, version: int | None = None
    ) -> bool:
        """Remove a record; return whether it was there."""
        stored = self._version(kind, tenant, key)
        if not stored:
            return False
        if version is not None and version != stored:
            _refuse_version(kind, key, stored, version)
        self._execute(SQL["delete"], (kind.name, tenant, key))
        return True

    def _version(self, kind: Kind[Any], tenant: TenantId, key: str) -> int:
        row = self._execute(SQL["find"], (kind.name, tenant, key)).fetchone()
        if row is None:
            return 0
        _require_intact(kind, tenant, (key, *row))
        return int(row[0])

    def _store(
        self, kind: Kind[V], tenant: TenantId, key: str, value: V, version: int
    ) -> Record[V]:
        body = _encode(value)
        texts = kind.index(value)
        where = (kind.name, tenant)
        for name in sorted(kind.unique & texts.keys()):
            if self._execute(SQL["taken"], (*where, name, texts[name], key)).fetchone():
                raise AlreadyExists(f"There is a {kind.name} with {name} {texts[name]!r} already.")
        checksum = checksum_of(kind.name, tenant, key, version, body)
        self._execute(SQL["put"], (*where, key, version, body, checksum))
        old = set(self._execute(SQL["texts"], (*where, key))) if version > 1 else set()
        new = set(texts.items())
        for name, text in old - new:
            self._execute(SQL["drop_text"], (*where, name, text, key))
        for name, text in new - old:
            self._execute(SQL["add_text"], (*where, name, text, key, name in kind.unique))
        return Record(key, _decode(kind, body), version)


def _record(kind: Kind[V], tenant: str, row: tuple[str, int, bytes, int]) -> Record[V]:
    _require_intact(kind, tenant, row)
    key, version, body, _ = row
    try:
        return Record(key, _decode(kind, body), version)
    except ValidationError as error:
        raise Damaged(
            f"The {kind.name} {key!r} is not of the form that this Weft writes: {error}.",
            remedy="Use the Weft that wrote it, or restore a backup.",
        ) from error


def _require_intact(kind: Kind[Any], tenant: str, row: tuple[str, int, bytes | None, int]) -> None:
    key, version, body, checksum = row
    if body is None or checksum_of(kind.name, tenant, key, version, body) != checksum:
        raise Damaged(
            f"The {kind.name} {key!r} of tenant {tenant!r} is not what was written.",
            remedy=REPAIR,
        )


def _refuse_version(kind: Kind[Any], key: str, stored: int, version: int) -> NoReturn:
    raise StaleVersion(
        f"The {kind.name} {key!r} is at version {stored}, not {version}.",
        remedy="Read it again and repeat the change on what it is now.",
    )
