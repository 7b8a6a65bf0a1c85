"""Repair: save what is intact, keep the damaged files, and say exactly what was dropped.

Runs only when an operator asks for it, on files that nobody has open. The originals move
into a folder of their own; new files are built from everything that verifies. Positions
stay what they were: dropped ones leave an empty batch in the journal, so that what refers
to a message never comes to mean another.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, cast

from msgspec import Struct, field

from weft.backends.sqlite.batches import checksum_of, is_whole
from weft.backends.sqlite.database import Database
from weft.backends.sqlite.ends import SQL, verify_journal
from weft.backends.sqlite.faults import code_of, storage_error
from weft.backends.sqlite.journal import FILE as JOURNAL
from weft.backends.sqlite.marker import Marker
from weft.backends.sqlite.records import FILE as RECORDS
from weft.backends.sqlite.records import verify_records
from weft.backends.sqlite.rows import SQL as RECORDS_SQL
from weft.backends.sqlite.rows import Row, decode_texts
from weft.backends.sqlite.rows import is_whole as is_whole_record
from weft.backends.sqlite.wal import reseal
from weft.errors import Damaged, StorageError

Span = tuple[int, int]
Place = tuple[str, str, str]  # kind, tenant, key

_QOS_TWO = "SELECT session, packet_id FROM qos_two"
_ONE = "SELECT length, body, checksum, received_to FROM batch NOT INDEXED WHERE first = ?"


class RepairReport(Struct, frozen=True):
    """What a repair did: nothing at all when `kept_aside` is None."""

    kept_aside: str | None = None  # the folder with the damaged originals
    positions_dropped: tuple[Span, ...] = ()  # first and last of each range
    records_dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class _Saved(Struct):
    """What is intact in the versions of a damaged journal."""

    batches: dict[int, tuple[sqlite3.Connection, int, int]] = field(default_factory=dict)
    trimmed: tuple[int, int, bytes] | None = None
    qos_two: set[tuple[str, int]] = field(default_factory=set)


def repair(folder: Path, *, expected_at_least: int = 0) -> RepairReport:
    """Repair the databases of a folder where they are damaged.

    `expected_at_least` is the newest position that others have durably seen.
    """
    aside = folder / _free_name(folder)
    spans: tuple[Span, ...] = ()
    records: tuple[str, ...] = ()
    notes: list[str] = []
    if (folder / JOURNAL).exists() and (found := _damage(folder / JOURNAL, expected_at_least)):
        notes.append(found)
        spans = tuple(_repair_journal(folder / JOURNAL, aside, expected_at_least))
    if (folder / RECORDS).exists() and (found := _damage(folder / RECORDS, 0)):
        notes.append(found)
        records = tuple(_repair_records(folder / RECORDS, aside, notes))
    if not notes:
        return RepairReport()
    return RepairReport(str(aside), spans, records, tuple(notes))


def _damage(path: Path, expected_at_least: int) -> str | None:
    """Open and verify a database in full; return what is damaged."""
    database = Database(path)
    try:
        database.open()
        try:
            if path.name == JOURNAL:
                verify_journal(database, expected_at_least)
            else:
                verify_records(database)
        finally:
            database.close()
    except Damaged as error:
        return error.detail
    return None


# --- the journal ---------------------------------------------------------------------------


def _repair_journal(path: Path, aside: Path, expected: int) -> list[Span]:
    with _workshop(path, aside) as shop:
        saved = _Saved()
        for connection in shop.versions:
            _find_batches(connection, saved)
            # Those of an older version may have been released since.
            saved.qos_two = saved.qos_two or {*_readable(connection, _QOS_TWO)}
        shop.marked = max(shop.marked, expected)
        spans, shop.marked = _rebuild_journal(shop.database, saved, shop.marked)
    return spans


def _find_batches(connection: sqlite3.Connection, saved: _Saved) -> None:
    """Find every batch that verifies; what cannot be read is skipped, row by row."""
    for found in _readable(connection, SQL["trimmed"]):
        saved.trimmed = saved.trimmed or found
    firsts: set[int] = set()
    for order in ("INDEXED BY batch_span", "NOT INDEXED"):
        for direction in ("ASC", "DESC"):
            text = f"SELECT first FROM batch {order} ORDER BY first {direction}"  # noqa: S608  constants
            firsts.update(row[0] for row in _readable(connection, text))
    for first in firsts - saved.batches.keys():
        for length, body, checksum, received_to in _readable(connection, _ONE, first):
            if _is_form(length, body, checksum) and is_whole((first, length, body, checksum)):
                saved.batches[first] = connection, length, received_to


def _is_form(length: object, body: object, checksum: object) -> bool:
    whole = isinstance(length, int) and isinstance(body, bytes) and isinstance(checksum, bytes)
    return whole and 0 < cast("int", length) < 1 << 62


def _rebuild_journal(database: Database, saved: _Saved, expected: int) -> tuple[list[Span], int]:
    """Write a journal of what was saved; return the ranges it does not have, and its head."""
    oldest = min(saved.batches, default=expected + 1)
    known = saved.trimmed if saved.trimmed and saved.trimmed[0] < oldest else None
    last, received_to, before = known or (oldest - 1, 0, b"")
    new = _NewJournal(database, last + 1, before, received_to)
    with database.transaction() as connection:
        connection.execute(SQL["note_trimmed"], (last, received_to, before))
        for change in sorted(saved.qos_two):
            connection.execute(SQL["receive"], change)
    for first in sorted(saved.batches):
        source, length, at = saved.batches[first]
        if first >= new.next_first:  # not one that overlaps
            new.drop_until(first)
            new.add(length, source.execute(_ONE, (first,)).fetchone()[1], at)
    new.drop_until(expected + 1)
    return new.dropped, new.next_first - 1


class _NewJournal:
    """A journal under repair: batches in order, and what could not be saved."""

    def __init__(self, database: Database, first: int, before: bytes, received_to: int) -> None:
        self.next_first = first
        self.dropped: list[Span] = []
        self._database = database
        self._before = before
        self._received_to = received_to

    def drop_until(self, first: int) -> None:
        """Leave an empty batch for the positions that are missing before `first`."""
        if first > self.next_first:
            self.dropped.append((self.next_first, first - 1))
            self.add(first - self.next_first, b"", self._received_to)

    def add(self, length: int, body: bytes, received_to: int) -> None:
        """Write the next batch."""
        self._received_to = max(self._received_to, received_to)
        self._before = checksum_of(self.next_first, length, body, self._before)
        row = (self.next_first, length, self._received_to, body, self._before)
        with self._database.transaction() as connection:
            connection.execute(SQL["append"], row)
        self.next_first += length


# --- the records ---------------------------------------------------------------------------


def _repair_records(path: Path, aside: Path, notes: list[str]) -> list[str]:
    """Save what verifies in the newest version that can be read at all, and index it anew.

    Older versions are not looked into: they would bring back what was deleted or revoked.
    """
    with _workshop(path, aside) as shop:
        good: dict[Place, Row] = {}
        seen: set[Place] = set()
        for connection in shop.versions:
            _find_records(connection, good, seen)
            if good or seen:
                break
        with shop.database.transaction() as connection:
            for (kind, tenant, key), row in sorted(good.items()):
                connection.execute(RECORDS_SQL["put"], (kind, tenant, *row))
                for name, (text, lone) in decode_texts(row[3]).items():
                    connection.execute(
                        RECORDS_SQL["add_text"], (kind, tenant, name, text, key, lone)
                    )
            connection.execute("UPDATE progress SET commits = ?", (shop.marked,))
    notes.append(f"{len(good)} records were saved; {len(seen - good.keys())} are known to be gone.")
    notes.append("Pages that could not be read may have held more.")
    return [f"{k} {key!r} of tenant {t!r}" for k, t, key in sorted(seen - good.keys())]


def _find_records(connection: sqlite3.Connection, good: dict[Place, Row], seen: set[Place]) -> None:
    seen.update(_readable(connection, "SELECT kind, tenant, key FROM record_index"))
    for direction in ("ASC", "DESC"):
        order = f"kind {direction}, tenant {direction}, key {direction}"
        text = f"SELECT kind, tenant, key FROM record ORDER BY {order}"  # noqa: S608  constants
        seen.update(_readable(connection, text))
    for kind, tenant, key in sorted(seen):
        for found in _readable(connection, RECORDS_SQL["find"], kind, tenant, key):
            row = (key, *found)
            if is_whole_record(kind, tenant, row):
                good[kind, tenant, key] = row


# --- files ---------------------------------------------------------------------------------


class _Shop(Struct):
    """Copies of a damaged database, opened, and the new one that is made of them."""

    versions: list[sqlite3.Connection]
    database: Database
    marked: int  # what the marker says, and is to say


@contextmanager
def _workshop(path: Path, aside: Path) -> Iterator[_Shop]:
    """Copy the originals aside, let a new database be made, and put it in their place.

    The originals stay until the new file is whole; a repair that is cut off can be repeated.
    """
    aside.mkdir(mode=0o700, exist_ok=True)
    marker = Marker(path.with_suffix(".head"))
    work = aside / "work"
    try:
        for name in (path.name, f"{path.name}-wal", f"{path.stem}.head"):
            if (path.parent / name).exists():
                shutil.copy2(path.parent / name, aside / name)
        with ExitStack() as stack:
            versions = [
                stack.enter_context(closing(_connect(copy)))
                for copy in _copies(aside / path.name, work)
            ]
            database = Database(work / path.name)
            database.open()
            shop = _Shop(versions, database, marker.value)
            try:
                yield shop
            finally:
                database.close()
        (work / path.name).replace(path)
        path.with_name(f"{path.name}-wal").unlink(missing_ok=True)
        path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
        marker.write(shop.marked)
    finally:
        marker.close()
        shutil.rmtree(work, ignore_errors=True)


def _copies(original: Path, work: Path) -> list[Path]:
    """Make what can be made of a database: with all of its log, as SQLite would, without."""
    log = original.with_name(f"{original.name}-wal")
    data = log.read_bytes() if log.exists() else b""
    sealed = reseal(data, _page_bytes(original)) if data else b""
    work.mkdir(mode=0o700, exist_ok=True)
    copies = []
    for number, version in enumerate(dict.fromkeys([sealed, data, b""])):
        copy = work / f"version-{number}"
        shutil.copyfile(original, copy)
        if version:
            copy.with_name(f"{copy.name}-wal").write_bytes(version)
        copies.append(copy)
    return copies


def _connect(copy: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(copy, isolation_level=None)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")  # may be damaged
    return connection


def _page_bytes(path: Path) -> int:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(18)[16:18], "big")
    return 65536 if size == 1 else size or 4096


def _readable(connection: sqlite3.Connection, statement: str, *values: int | str) -> Iterator[Any]:
    """Yield rows up to the first that cannot be read."""
    try:
        yield from connection.execute(statement, values)
    except sqlite3.Error as error:
        fault = storage_error(error, Path("copy"))
        if code_of(error) & 0xFF != sqlite3.SQLITE_ERROR and not isinstance(fault, Damaged):
            raise fault from error


def _free_name(folder: Path) -> str:
    for number in range(1, 1000):
        if not (folder / f"damaged-{number}").exists():
            return f"damaged-{number}"
    raise StorageError(
        f"{folder} holds too many damaged-* folders.", remedy="Move old ones elsewhere."
    )
