# ruff: noqa: S608  only numbers and names made in this folder are written into SQL
"""History in DuckDB: a batch a second, columns on disk, read while it is written.

One thread writes: points, new series and the journal position they reach to go in as one
transaction. Another thread reads its own consistent view, so a chart never waits for the
devices, nor they for it.

The layout was measured (batches of 30,000 messages of 3 values, 1,000 devices, 2 cores; CPU of
the database per message, bytes a point before sorting):

    tenant, device and key as strings         2.40 µs   8.5 B
    one 8-byte number for the three           0.69 µs   9.8 B
    one 4-byte number, from a dictionary      0.54 µs   7.6 B   taken
    a table per device type, a column a key   0.38 µs   3.0 B   a query would span all types

Sorting into runs (see settling) adds 0.3 µs a point once, in the background.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import numpy as np

from weft.backends.duckdb.answers import answer
from weft.backends.duckdb.faults import faults
from weft.backends.duckdb.files import FILE_NAME, copy_file, open_file, used_bytes
from weft.backends.duckdb.points import make_points
from weft.backends.duckdb.queries import Wanted
from weft.backends.duckdb.retention import cut_for_size, delete_before, delete_series
from weft.backends.duckdb.scans import count_points, read_traces, traced
from weft.backends.duckdb.series import Series, SeriesNames
from weft.backends.duckdb.settling import (
    groups_to_merge,
    merge,
    recent_points,
    resolve_texts,
    runs,
    settle,
)
from weft.history.aggregates import require_sound
from weft.history.settings import HistorySettings
from weft.model.ids import DeviceId, TenantId
from weft.observability.log import get_logger
from weft.ports import HistoryQuery, HistoryScan, HistoryTable, HistoryTrace, Rows

T = TypeVar("T")
log = get_logger(__name__)


class DuckDbHistory:
    """Measurements over time in one file, history.duckdb. Made by `open`."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, path: Path, settings: HistorySettings
    ) -> None:
        self._connection = connection
        self._reading = connection.cursor()
        self._scanning = connection.cursor()
        self._path = path
        self._settings = settings
        self._writer = ThreadPoolExecutor(1, "history-write")
        self._reader = ThreadPoolExecutor(1, "history-read")
        self._scanner = ThreadPoolExecutor(1, "history-scan")
        self._recent = recent_points(connection)
        self._position, self._names = self._load()

    @classmethod
    async def open(cls, folder: Path, settings: HistorySettings | None = None) -> "DuckDbHistory":
        """Open the file in a folder, made now if it is not there.

        Raises `Damaged` for a file that is not what was written.
        """
        chosen = settings or HistorySettings()
        path = folder / FILE_NAME

        def work() -> DuckDbHistory:
            connection = open_file(path, chosen)
            with faults(path, "to open"):
                return cls(connection, path, chosen)

        return await asyncio.to_thread(work)

    @property
    def position(self) -> int:
        """Journal position up to which everything is stored."""
        return self._position

    async def append(self, rows: Sequence[Rows], position: int) -> None:
        """Store readings and the position they reach to, all or nothing."""
        await self._write("to append", lambda: self._append(rows, position))

    async def query(self, query: HistoryQuery) -> HistoryTable:
        """Answer from what was appended; raise `Invalid` for an unknown aggregate."""
        require_sound(query)
        wanted = self._wanted(query)
        most = self._settings.query_points_max
        return await self._read(
            "to answer", lambda: answer(self._reading, query, wanted, points_max=most)
        )

    async def scan(self, scan: HistoryScan) -> Sequence[HistoryTrace]:
        """Return raw samples in bulk, in a thread of its own: charts go on meanwhile."""
        wanted = traced(self._names, scan)
        return await self._scan("to scan", lambda: read_traces(self._scanning, scan, wanted))

    async def count(self, scan: HistoryScan) -> int:
        """Return how many samples `scan` would read."""
        wanted = traced(self._names, scan)
        return await self._scan("to count", lambda: count_points(self._scanning, scan, wanted))

    async def keys(self, tenant: TenantId, device: DeviceId) -> Sequence[str]:
        """Return the keys that the device has samples of."""
        names = self._names.keys(tenant, device)
        if not names:
            return []
        ids = ", ".join(map(str, names))
        sql = " UNION ".join(
            f"SELECT series FROM {table} WHERE series IN ({ids})"
            for table in ("recent", "settled", "texts")
        )
        found = await self._read("to list keys", lambda: self._reading.execute(sql).fetchall())
        return sorted({names[number] for (number,) in found})

    async def delete_device(self, tenant: TenantId, device: DeviceId) -> None:
        """Forget all samples of a device."""

        def work() -> None:
            ids = list(self._names.keys(tenant, device))
            if ids:
                self._transact(lambda: delete_series(self._connection, ids))
            self._names.forget(tenant, device)
            self._recent = recent_points(self._connection)

        await self._write("to delete a device", work)

    async def trim(self, *, before_at: int | None = None, max_bytes: int | None = None) -> int:
        """Forget old samples by age and size; return how many."""
        return await self._write("to trim", lambda: self._trim(before_at, max_bytes))

    async def compact(self) -> None:
        """Resolve duplicates for good and give space back."""
        await self._write("to compact", self._compact)

    async def size_bytes(self) -> int:
        """Return what the stored points take on disk."""
        return await self._write("to measure", lambda: used_bytes(self._connection, self._path))

    async def copy_to(self, folder: str) -> None:
        """Write a consistent copy into `folder`, while appends go on."""

        cursor = await self._write("to copy", self._connection.cursor)
        try:
            await asyncio.to_thread(copy_file, cursor, self._path, Path(folder))
        finally:
            cursor.close()

    async def close(self) -> None:
        """Finish what was asked and let go of the file."""

        def work() -> None:
            self._reading.close()
            self._scanning.close()
            self._connection.close()

        await self._write("to close", work)
        self._writer.shutdown()
        self._reader.shutdown()
        self._scanner.shutdown()

    def _append(self, rows: Sequence[Rows], position: int) -> None:
        points = make_points(rows, self._names)
        connection = self._connection

        def work() -> None:
            self._insert("recent", points.numbers)
            self._insert("texts", points.texts)
            self._insert("series", _columns(self._names.fresh))
            connection.execute(
                "UPDATE state SET position = ?, next_series = ?", [position, self._names.next_id]
            )

        self._transact(work)
        self._names.fresh.clear()
        self._position = position
        if points.numbers is not None:
            self._recent += len(points.numbers["series"])
        if self._names.refused:
            log.error(
                "history_keys_refused",
                values=self._names.refused,
                keys_per_device=self._settings.keys_per_device,
            )
            self._names.refused = 0
        if self._recent >= self._settings.settle_points:
            self._settle()

    def _insert(self, table: str, columns: dict[str, Any] | None) -> None:
        if columns is None:
            return
        self._connection.register("batch", columns)
        try:
            self._connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM batch")
        finally:
            self._connection.unregister("batch")

    def _settle(self) -> None:
        self._transact(lambda: settle(self._connection))
        self._recent = 0

    def _compact(self) -> None:
        self._settle()
        for group in groups_to_merge(runs(self._connection), self._settings.run_points):
            self._transact(partial(merge, self._connection, group))
        self._transact(lambda: resolve_texts(self._connection))
        self._connection.execute("CHECKPOINT")

    def _trim(self, before_at: int | None, max_bytes: int | None) -> int:
        connection = self._connection
        forgotten = 0
        if before_at is not None:
            forgotten += self._transact(lambda: delete_before(connection, before_at))
        if max_bytes is not None and used_bytes(connection, self._path) > max_bytes:
            forgotten += self._trim_to(max_bytes)
        self._recent = recent_points(connection)
        return forgotten

    def _trim_to(self, max_bytes: int) -> int:
        connection = self._connection
        forgotten = 0
        for _try in range(8):  # blocks are freed whole, so one cut may not be enough
            self._settle()
            connection.execute("CHECKPOINT")
            cut = cut_for_size(connection, used_bytes(connection, self._path), max_bytes)
            if cut is None:
                break
            forgotten += self._transact(partial(delete_before, connection, cut))
        connection.execute("CHECKPOINT")
        return forgotten

    def _transact(self, work: Callable[[], T]) -> T:
        """Run `work` as one transaction; what it changed of the names is undone with it."""
        self._connection.begin()
        try:
            result = work()
            self._connection.commit()
        except BaseException:
            self._undo()
            raise
        return result

    def _undo(self) -> None:
        """Go back to what is on disk; a database that cannot is left to say so itself."""
        try:
            self._connection.rollback()
            self._position, self._names = self._load()
        except duckdb.Error as error:
            log.error("history_rollback_failed", error=str(error))

    def _load(self) -> tuple[int, SeriesNames]:
        stored = self._connection.execute("SELECT * FROM series").fetchall()
        state = self._connection.execute("SELECT position, next_series FROM state").fetchone()
        position, next_id = state or (0, 1)
        names = SeriesNames(
            [Series(*row) for row in stored],
            next_id,
            keys_per_device=self._settings.keys_per_device,
        )
        return position, names

    def _wanted(self, query: HistoryQuery) -> list[Wanted]:
        """Return the series that there are of what is asked for, in the order of their names."""
        wanted: list[Wanted] = []
        for device in sorted(set(query.devices)):
            for key in sorted(set(query.keys)):
                numbers = self._names.find(query.tenant, device, key, is_text=False)
                texts = self._names.find(query.tenant, device, key, is_text=True)
                if numbers is not None or texts is not None:
                    wanted.append(Wanted(len(wanted), device, key, numbers, texts))
        return wanted

    async def _write(self, doing: str, work: Callable[[], T]) -> T:
        def run() -> T:
            with faults(self._path, doing):
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._writer, run)

    async def _scan(self, doing: str, work: Callable[[], T]) -> T:
        def run() -> T:
            with faults(self._path, doing):
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._scanner, run)

    async def _read(self, doing: str, work: Callable[[], T]) -> T:
        def run() -> T:
            with faults(self._path, doing):
                return work()

        loop = asyncio.get_running_loop()
        stop = loop.call_later(self._settings.query_timeout_s, self._reading.interrupt)
        try:
            return await loop.run_in_executor(self._reader, run)
        finally:
            stop.cancel()


def _columns(fresh: list[Series]) -> dict[str, Any] | None:
    """Return new series as arrays."""
    if not fresh:
        return None
    ids, tenants, devices, keys, texts = zip(*fresh, strict=True)
    return {
        "id": np.array(ids, np.int32),
        "tenant": np.array(tenants, object),
        "device": np.array(devices, object),
        "key": np.array(keys, object),
        "is_text": np.array(texts, np.bool_),
    }
