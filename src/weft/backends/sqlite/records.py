"""Documents in one SQLite file, with group commit.

Writes that wait while a commit is under way share the next one: each runs inside a
savepoint of its own, so that one that fails undoes only its own writes, and all learn of
their outcome after the commit is on disk. Reads have a thread, a connection and, each, one
snapshot of their own. Neither ever runs on the loop's thread.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from weft.backends.sqlite.copying import copy_database
from weft.backends.sqlite.database import Database, OpeningReport, Tuning
from weft.backends.sqlite.faults import REPAIR, is_storage_fault, told
from weft.backends.sqlite.rows import SQL, RowReader, RowWriter, decode_texts, is_whole
from weft.errors import Damaged, Unavailable
from weft.ports import Reader, Writer

T = TypeVar("T")

FILE = "records.sqlite"
_CHECKED_BYTES = 64 << 20  # every record of such a file is verified at each start (0.3 s)


class _Outcome(NamedTuple):
    value: Any
    error: BaseException | None


class _Job(NamedTuple):
    work: Callable[[Writer], Any]
    future: asyncio.Future[_Outcome]


class SqliteRecords:
    """The store of documents. Make one with `open`; use it from one event loop."""

    def __init__(self, database: Database, *, max_waiting: int, max_group: int) -> None:
        self.opening = OpeningReport(file=FILE)
        self._database = database
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="records-write")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="records-read")
        self._reader: sqlite3.Connection
        self._room = asyncio.Semaphore(max_waiting)
        self._max_group = max_group
        self._jobs: list[_Job] = []
        self._busy = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        max_waiting: int = 4096,
        max_group: int = 512,
        tuning: Tuning | None = None,
    ) -> "SqliteRecords":
        """Open or make `records.sqlite` in a folder; `opening` says what was found."""
        database = Database(folder / FILE, tuning)
        records = cls(database, max_waiting=max_waiting, max_group=max_group)
        loop = asyncio.get_running_loop()
        try:
            records.opening = await loop.run_in_executor(records._writing, records._open)
            records._reader = await loop.run_in_executor(records._reading, database.connect)
        except BaseException:
            records._closed = True
            records._writing.shutdown(wait=False)
            records._reading.shutdown(wait=False)
            raise
        return records

    async def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` over one consistent view."""
        self._require_open()
        async with self._room:
            loop = asyncio.get_running_loop()
            outcome = await loop.run_in_executor(self._reading, self._read, work)
        return _value_of(outcome)  # type: ignore[no-any-return]  # the outcome of `work`

    async def write(self, work: Callable[[Writer], T]) -> T:
        """Run `work` as one transaction; when this returns, it is on disk."""
        self._require_open()
        async with self._room:
            self._require_open()
            future: asyncio.Future[_Outcome] = asyncio.get_running_loop().create_future()
            context = copy_context()
            self._jobs.append(_Job(lambda writer: context.run(work, writer), future))
            self._commit_next()
            outcome = await future
        return _value_of(outcome)  # type: ignore[no-any-return]  # the outcome of `work`

    async def copy_to(self, folder: Path) -> Path:
        """Write a consistent copy into a folder, while running; return its path."""
        self._require_open()
        return await asyncio.to_thread(copy_database, self._database.path, folder / FILE)

    async def close(self) -> None:
        """Finish what was asked and let go of the files."""
        if self._closed:
            return
        self._closed = True
        await self._idle.wait()
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._reading, self._reader.close)
            await loop.run_in_executor(self._writing, self._database.close)
        finally:
            self._reading.shutdown(wait=False)
            self._writing.shutdown(wait=False)

    # --- on the loop -----------------------------------------------------------------------

    def _require_open(self) -> None:
        if self._closed:
            raise Unavailable("The records are closed.", remedy="Try again after the restart.")

    def _commit_next(self) -> None:
        if self._busy or not self._jobs:
            return
        group, self._jobs = self._jobs[: self._max_group], self._jobs[self._max_group :]
        self._busy = True
        self._idle.clear()
        loop = asyncio.get_running_loop()
        commit = loop.run_in_executor(self._writing, self._commit, [job.work for job in group])
        commit.add_done_callback(lambda done: self._committed(group, done))

    def _committed(self, group: list[_Job], done: "asyncio.Future[list[_Outcome]]") -> None:
        self._busy = False
        error = done.exception()
        outcomes = [_Outcome(None, error)] * len(group) if error else done.result()
        for job, outcome in zip(group, outcomes, strict=True):
            if not job.future.done():
                job.future.set_result(outcome)
        self._commit_next()
        if not self._busy:
            self._idle.set()

    # --- in the writing thread -------------------------------------------------------------

    def _open(self) -> OpeningReport:
        report = self._database.open()
        small = self._database.path.stat().st_size <= _CHECKED_BYTES
        try:
            verify_records(self._database, every=small or not report.clean)
        except BaseException:
            self._database.close()
            raise
        return report

    def _commit(self, group: list[Callable[[Writer], Any]]) -> list[_Outcome]:
        """Run a group in one transaction; a storage fault is the outcome of all of them."""
        with self._database.transaction() as connection:
            outcomes = [_run(connection, work) for work in group]
            (commits,) = connection.execute(SQL["count_commit"]).fetchone()
        self._database.marker.write(commits)
        return outcomes

    # --- in the reading thread -------------------------------------------------------------

    def _read(self, work: Callable[[Reader], Any]) -> _Outcome:
        with told(self._database.path):
            self._reader.execute("BEGIN")
            try:
                return _Outcome(work(RowReader(self._reader)), None)
            except Exception as error:
                if isinstance(error, sqlite3.Error) and is_storage_fault(error):
                    raise
                return _Outcome(None, error)
            finally:
                if self._reader.in_transaction:
                    self._reader.execute("ROLLBACK")


def _run(connection: sqlite3.Connection, work: Callable[[Writer], Any]) -> _Outcome:
    connection.execute("SAVEPOINT job")
    try:
        outcome = _Outcome(work(RowWriter(connection)), None)
    except sqlite3.Error as error:
        if is_storage_fault(error):
            raise  # SQLite may have undone the whole transaction: nobody's work can stand
        outcome = _Outcome(None, error)
        connection.execute("ROLLBACK TO job")
    except Exception as error:  # noqa: BLE001  any error of `work` is its caller's
        outcome = _Outcome(None, error)
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")
    return outcome


def _value_of(outcome: _Outcome) -> Any:
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


def verify_records(database: Database, *, every: bool = True) -> None:
    """Raise `Damaged` unless all commits are there, and `every` record is as it was written."""
    execute = database.connection.execute
    with told(database.path):
        (commits,) = execute(SQL["commits"]).fetchone()
        damaged = _damaged(execute) if every else []
    if commits < database.marker.value:
        raise Damaged(
            f"{FILE} ends at commit {commits}; {database.marker.value} were acknowledged.",
            remedy=REPAIR,
        )
    if damaged:
        raise Damaged(
            f"{FILE} holds {len(damaged)} damaged entries: {', '.join(damaged[:3])}.",
            remedy=REPAIR,
        )
    database.marker.write(commits)


def _damaged(execute: Callable[..., sqlite3.Cursor]) -> list[str]:
    """Verify each record, and the index against what the records say it holds."""
    damaged, expected = [], set()
    for kind, tenant, *row in execute(SQL["every_record"]):
        if not is_whole(kind, tenant, (row[0], row[1], row[2], row[3], row[4])):
            damaged.append(f"{kind} {row[0]!r}")
            continue
        for name, (text, lone) in decode_texts(row[3]).items():
            expected.add((kind, tenant, name, text, row[0], int(lone)))
    if not damaged:
        wrong = expected.symmetric_difference(execute(SQL["every_text"]))
        damaged += [f"index {name} of {kind} {key!r}" for kind, _, name, _, key, _ in wrong]
    return damaged
