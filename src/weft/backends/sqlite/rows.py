"""Rows: documents read and written through one SQLite connection, inside a transaction.

Every record carries a checksum over its key, version, bytes and index texts: what does not
agree is `Damaged`, never returned.
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


Row = tuple[str, int, bytes, bytes, int]  # key, version, body, texts, checksum
_FORMS = [str, int, bytes, bytes, int]
Texts = dict[str, tuple[str, bool]]  # by index name: the text, and whether it may stand once
decode_texts: Callable[[bytes], Texts] = msgpack.Decoder(Texts).decode


def checksum_of(kind: str, tenant: str, row: tuple[str, int, bytes, bytes]) -> int:
    """Return what a record's checksum must be."""
    key, version, body, texts = row
    head = f"{kind}\0{tenant}\0{key}\0{version}\0{len(body)}\0"
    return zlib.crc32(texts, zlib.crc32(body, zlib.crc32(head.encode())))


def is_whole(kind: str, tenant: str, row: Row) -> bool:
    """Tell whether a record is what was written."""
    forms = [type(part) for part in row]  # a damaged row may hold anything
    return forms == _FORMS and checksum_of(kind, tenant, row[:4]) == row[4]


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
            raise _not_there(kind, key)
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
        stored = self._stored(kind, tenant, key)
        if stored[0]:
            raise AlreadyExists(f"There is a {kind.name} {key!r} already.")
        return self._store(kind, tenant, key, value, stored)

    def put(
        self, kind: Kind[V], tenant: TenantId, key: str, value: V, *, version: int | None = None
    ) -> Record[V]:
        """Add or replace a record; with `version`, raise `StaleVersion` unless it is that one."""
        stored = self._stored(kind, tenant, key)
        if version is not None and version != stored[0]:
            _refuse_version(kind, key, stored[0], version)
        return self._store(kind, tenant, key, value, stored)

    def delete(
        self, kind: Kind[Any], tenant: TenantId, key: str, *, version: int | None = None
    ) -> bool:
        """Remove a record; return whether it was there."""
        stored, _ = self._stored(kind, tenant, key)
        if not stored:
            return False
        if version is not None and version != stored:
            _refuse_version(kind, key, stored, version)
        self._execute(SQL["delete"], (kind.name, tenant, key))
        return True

    def reindex(self, kind: Kind[Any], tenant: TenantId, key: str) -> bool:
        """Index a record as its kind says now; return whether that is another way than before."""
        row = self._execute(SQL["find"], (kind.name, tenant, key)).fetchone()
        if row is None:
            raise _not_there(kind, key)
        value, old = _record(kind, tenant, (key, *row)).value, decode_texts(row[2])
        if _texts_of(kind, value) == old:
            return False
        self._store(kind, tenant, key, value, (row[0] - 1, old))
        return True

    def _stored(self, kind: Kind[Any], tenant: TenantId, key: str) -> tuple[int, Texts]:
        """Return version and index texts of a record; version 0 when there is none."""
        row = self._execute(SQL["find"], (kind.name, tenant, key)).fetchone()
        if row is None:
            return 0, {}
        _require_whole(kind, tenant, (key, *row))
        return row[0], decode_texts(row[2])

    def _store(
        self, kind: Kind[V], tenant: TenantId, key: str, value: V, stored: tuple[int, Texts]
    ) -> Record[V]:
        version, old = stored[0] + 1, stored[1].items()
        body = _encode(value)
        texts = _texts_of(kind, value)
        where = (kind.name, tenant)
        for name, (text, lone) in sorted(texts.items()):
            if lone and self._execute(SQL["taken"], (*where, name, text, key)).fetchone():
                raise AlreadyExists(f"There is a {kind.name} with {name} {text!r} already.")
        row = (key, version, body, _encode(texts))
        self._execute(SQL["put"], (*where, *row, checksum_of(*where, row)))
        for name, (text, _) in old - texts.items():
            self._execute(SQL["drop_text"], (*where, name, text, key))
        for name, (text, lone) in texts.items() - old:
            self._execute(SQL["add_text"], (*where, name, text, key, lone))
        return Record(key, _decode(kind, body), version)


def _texts_of(kind: Kind[V], value: V) -> Texts:
    return {name: (text, name in kind.unique) for name, text in kind.index(value).items()}


def _record(kind: Kind[V], tenant: str, row: Row) -> Record[V]:
    _require_whole(kind, tenant, row)
    try:
        return Record(row[0], _decode(kind, row[2]), row[1])
    except ValidationError as error:
        raise Damaged(
            f"The {kind.name} {row[0]!r} is not of the form that this Weft writes: {error}.",
            remedy="Use the Weft that wrote it, or restore a backup.",
        ) from error


def _not_there(kind: Kind[Any], key: str) -> NotFound:
    return NotFound(f"There is no {kind.name} {key!r}.")


def _require_whole(kind: Kind[Any], tenant: str, row: Row) -> None:
    if not is_whole(kind.name, tenant, row):
        raise Damaged(
            f"The {kind.name} {row[0]!r} of tenant {tenant!r} is not what was written.",
            remedy=REPAIR,
        )


def _refuse_version(kind: Kind[Any], key: str, stored: int, version: int) -> NoReturn:
    raise StaleVersion(
        f"The {kind.name} {key!r} is at version {stored}, not {version}.",
        remedy="Read it again and repeat the change on what it is now.",
    )
