"""Messages in one SQLite file: batch by batch, each on disk before anyone is told.

Writing has a thread of its own, so has reading, which is a few batches ahead of its
caller. Batches are chained by checksum; what was acknowledged is noted in the marker. So
nothing that was acknowledged goes missing unseen, whether in the file, in its log, or by
the loss of either.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from weft.backends.sqlite.batches import Chain, Routes, Row, checksum_of, encode, part_of
from weft.backends.sqlite.copying import copy_database
from weft.backends.sqlite.database import Database, OpeningReport, Tuning
from weft.backends.sqlite.ends import SQL, Ends, checksum_before, find_ends
from weft.backends.sqlite.faults import REPAIR, told
from weft.errors import Damaged, Unavailable
from weft.model.message import Batch, Committed

T = TypeVar("T")

FILE = "journal.sqlite"
_TRIM_BATCHES = 64  # forgotten in one go, so that appends wait milliseconds and not seconds
_RESERVE_BYTES = 16 << 20  # free space that stays in the file, for the next appends to use
_VACUUM_PAGES = 2048  # given back in one go


class SqliteJournal:
    """The one ordered copy of what was admitted. Make one with `open`."""

    def __init__(self, database: Database, *, read_batches: int, reserve_bytes: int) -> None:
        self.opening = OpeningReport(file=FILE)
        self._database = database
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="journal-write")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="journal-read")
        self._reader: sqlite3.Connection
        self._routes = Routes()
        self._read_batches = read_batches
        self._reserve_bytes = reserve_bytes
        self._ends = Ends(1, 0, b"", 0)
        self._closed = False

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        expected_at_least: int = 0,
        tuning: Tuning | None = None,
        read_batches: int = 32,
        reserve_bytes: int = _RESERVE_BYTES,
    ) -> "SqliteJournal":
        """Open or make `journal.sqlite` in a folder; `opening` says what was found.

        `expected_at_least` is the newest position that others have durably seen: a journal
        that ends before it is `Damaged`.
        """
        database = Database(folder / FILE, tuning)
        journal = cls(database, read_batches=read_batches, reserve_bytes=reserve_bytes)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(journal._writing, journal._open, expected_at_least)
            journal._reader = await loop.run_in_executor(journal._reading, database.connect)
        except BaseException:
            journal._closed = True
            journal._writing.shutdown(wait=False)
            journal._reading.shutdown(wait=False)
            raise
        return journal

    @property
    def head(self) -> int:
        """Position of the newest message on disk; 0 when there never was one."""
        return self._ends.head

    @property
    def tail(self) -> int:
        """Position of the oldest message still kept; head + 1 when there is none."""
        return self._ends.tail

    async def append(self, batch: Batch) -> int:
        """Write a batch with its QoS 2 changes, all or nothing; return its first position."""
        return await self._write(lambda: self._append(batch))

    async def read(self, after: int, *, until: int | None = None) -> AsyncIterator[Committed]:
        """Yield what was written behind `after`, up to the head of this moment or `until`."""
        last = self._ends.head if until is None else min(until, self._ends.head)
        upcoming = self._ask(partial(self._read_ahead, None, after, last))
        while True:
            chain, batches = await upcoming
            if chain.next_first > last and not batches:
                return
            upcoming = self._ask(partial(self._read_ahead, chain, after, last))
            for batch in batches:
                part = part_of(batch, after, last)
                if part.envelopes:
                    yield part

    async def unreleased(self, session: str) -> Sequence[int]:
        """Return the QoS 2 packet ids of a session that were received and not released."""
        return await self._ask(
            lambda: [row[0] for row in self._reader.execute(SQL["unreleased"], (session,))]
        )

    async def forget_session(self, session: str) -> None:
        """Drop the QoS 2 ids of a session that has ended."""
        await self._write(lambda: self._forget_session(session))

    async def trim(self, *, before: int) -> int:
        """Forget messages below position `before`, in whole batches; return the new tail."""
        while await self._write(lambda: self._trim(before)):
            continue  # other writes come in between
        return self._ends.tail

    async def first_after(self, at: int) -> int:
        """Return the first kept position received at or after a moment (head + 1 if none)."""
        return await self._ask(lambda: self._first_after(at))

    async def size_bytes(self) -> int:
        """Return what the journal takes on disk."""
        path = self._database.path
        return sum(
            file.stat().st_size
            for file in (path, path.with_name(path.name + "-wal"))
            if file.exists()
        )

    async def copy_to(self, folder: Path) -> Path:
        """Write a consistent copy into a folder, while running; return its path."""
        self._require_open()
        return await asyncio.to_thread(copy_database, self._database.path, folder / FILE)

    async def close(self) -> None:
        """Let go of the files, after what was asked before."""
        if self._closed:
            return
        self._closed = True
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
            raise Unavailable("The journal is closed.", remedy="Try again after the restart.")

    def _write(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        self._require_open()
        return asyncio.get_running_loop().run_in_executor(self._writing, work)

    def _ask(self, question: Callable[[], T]) -> "asyncio.Future[T]":
        self._require_open()

        def answer() -> T:
            with told(self._database.path):
                return question()

        return asyncio.get_running_loop().run_in_executor(self._reading, answer)

    # --- in the writing thread -------------------------------------------------------------

    def _open(self, expected_at_least: int) -> None:
        self.opening = self._database.open()
        try:
            self._ends = find_ends(self._database, expected_at_least)
            self._database.marker.write(self._ends.head)
        except BaseException:
            self._database.close()
            raise

    def _append(self, batch: Batch) -> int:
        ends, envelopes = self._ends, batch.envelopes
        first, checksum, received_to = ends.head + 1, ends.checksum, ends.received_to
        with self._database.transaction() as connection:
            if envelopes:
                body = encode(envelopes)
                checksum = checksum_of(first, len(envelopes), body, checksum)
                received_to = max(received_to, *[e.received_at for e in envelopes])
                row = (first, len(envelopes), received_to, body, checksum)
                connection.execute(SQL["append"], row)
            for change in batch.qos_two:
                statement = SQL["release"] if change.released else SQL["receive"]
                connection.execute(statement, (change.session, change.packet_id))
        ends.head += len(envelopes)
        ends.checksum, ends.received_to = checksum, received_to
        self._database.marker.write(ends.head)
        return first

    def _forget_session(self, session: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(SQL["forget_session"], (session,))

    def _trim(self, before: int) -> bool:
        """Forget some batches; return whether there are more to forget."""
        with self._database.transaction() as connection:
            oldest = connection.execute(SQL["oldest"], (before, _TRIM_BATCHES)).fetchall()
            if oldest:
                first, length, received_to, checksum = oldest[-1]
                last = first + length - 1
                connection.execute(SQL["note_trimmed"], (last, received_to, checksum))
                connection.execute(SQL["forget"], (last,))
        if oldest:
            self._ends.tail = last + 1
        return self._give_space_back() or len(oldest) == _TRIM_BATCHES

    def _give_space_back(self) -> bool:
        """Shorten the file a little; return whether there is more to give back."""
        connection = self._database.connection
        with self._database.distrusting():
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            spare = free - self._reserve_bytes // self._database.tuning.page_bytes
            if spare > 0:
                # `execute` takes one step of this PRAGMA, which is one page; a script takes all.
                connection.executescript(f"PRAGMA incremental_vacuum({min(spare, _VACUUM_PAGES)})")
        return bool(spare > _VACUUM_PAGES)

    # --- in the reading thread -------------------------------------------------------------

    def _read_ahead(
        self, chain: Chain | None, after: int, last: int
    ) -> tuple[Chain, list[Committed]]:
        """Read the next batches, beginning with the one that holds `after + 1`."""
        if chain is None:
            chain = self._start_chain(after)
        while chain.next_first <= last:
            values = (chain.next_first, self._read_batches)
            rows: list[Row] = self._reader.execute(SQL["read"], values).fetchall()
            if rows and rows[0][0] == chain.next_first:
                return chain, chain.decode(rows)
            tail = self._ends.tail
            if chain.next_first >= tail:
                raise Damaged(
                    f"The journal has no positions from {chain.next_first} on.", remedy=REPAIR
                )
            chain = self._start_chain(tail - 1)  # forgotten on purpose, meanwhile
        return chain, []

    def _start_chain(self, after: int) -> Chain:
        position = max(after + 1, self._ends.tail)
        found = self._reader.execute(SQL["holding"], (position,)).fetchone()
        first = position if found is None or sum(found) <= position else found[0]
        return Chain(first, checksum_before(self._reader.execute, first), self._routes)

    def _first_after(self, at: int) -> int:
        start = self._ends.tail
        while found := self._reader.execute(SQL["reached"], (start, at)).fetchone():
            chain = self._start_chain(found[0] - 1)
            rows = self._reader.execute(SQL["read"], (found[0], 1)).fetchall()
            for batch in chain.decode(rows):
                for position, envelope in enumerate(batch.envelopes, batch.first):
                    if envelope.received_at >= at:
                        return position
            start = sum(found)
        return self._ends.head + 1
