"""One SQLite file: opened with distrust, written by one thread, never trusted after a fault.

Opening checks the log before SQLite sees it, the file behind it, and that nothing is missing
which was acknowledged. After a failed commit nothing of it is visible, and the next one
starts on a connection opened anew: after a failed `fsync` the kernel may call pages clean
that never reached the disk, so what the old connection believes counts for nothing.
"""

import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from weft.backends.sqlite.faults import REPAIR, storage_error, told
from weft.backends.sqlite.marker import Marker
from weft.backends.sqlite.statements import load_migrations
from weft.backends.sqlite.wal import FRAME_HEADER_BYTES, HEADER_BYTES, check_wal
from weft.errors import ConfigurationError, Damaged, StorageError

BUSY_S = 5.0
# The log's index: page size and frames committed (then a copy, at 48); frames written back.
_WAL_INDEX = struct.Struct("=14xHI76xI")


class Tuning(Struct, frozen=True):
    """How a file is laid out and kept; tests make small ones."""

    page_bytes: int = 4096  # of 4, 16 and 64 KiB the least CPU and space for batches of 60 KB
    max_pages: int | None = None
    checkpoint_pages: int = 1000  # the log is written back when so many pages wait
    check_up_to_bytes: int = 1 << 30  # larger files are not checked whole at each start


class OpeningReport(Struct, frozen=True):
    """What opening a file found: `notes` are sentences for an operator, none when all is well."""

    file: str
    created: bool = False
    clean: bool = True  # it was closed in order
    notes: tuple[str, ...] = ()


class Database:
    """The file, its writing connection and its marker. All but `connect` in one thread."""

    def __init__(self, path: Path, tuning: Tuning | None = None) -> None:
        self.path = path
        self.marker: Marker
        self.connection: sqlite3.Connection
        self.tuning = tuning or Tuning()
        self._suspect = False

    # --- opening and closing ---------------------------------------------------------------

    def open(self) -> OpeningReport:
        """Open or make the file; raise `Damaged` rather than go on without something."""
        created = self._prepare()
        try:
            self.marker = Marker(self.path.with_suffix(".head"))
        except OSError as error:
            raise StorageError(f"{self.path.parent}: {error}.") from error
        try:
            return self._open(created=created)
        except BaseException:
            self.marker.close()
            raise

    def _open(self, *, created: bool) -> OpeningReport:
        if self.marker.value and not self.path.stat().st_size:
            raise Damaged(f"{self.path.name} is empty and once was not.", remedy=REPAIR)
        wal = self._wal_path()
        clean = not (wal.exists() and wal.stat().st_size)
        notes = self._check_wal()
        if not self.marker.readable:
            notes.append(f"{self.marker.path.name} was not readable; it is written anew.")
        with told(self.path):
            self.connection = self._connect_writer()
            try:
                self._migrate()
                self._quick_check()
            except BaseException:
                self.connection.close()
                raise
        return OpeningReport(
            file=self.path.name, created=created, clean=clean or created, notes=tuple(notes)
        )

    def close(self) -> None:
        """Write the log back into the file and let go of it."""
        try:
            with told(self.path):
                self.connection.close()
        finally:
            self.marker.close()

    def connect(self) -> sqlite3.Connection:
        """Open a connection that only reads, for the thread that asks."""
        with told(self.path):
            connection = sqlite3.connect(
                f"file:{self.path}?mode=ro", uri=True, isolation_level=None, timeout=BUSY_S
            )
            connection.execute("PRAGMA query_only = ON")
            return connection

    # --- writing ---------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit what is written inside, or undo all of it.

        Whatever SQLite reports is raised as `StorageError`, and distrusted from then on.
        """
        if self._suspect:
            self._reopen()
        self._checkpoint_if_due()
        with self.distrusting():
            self.connection.execute("BEGIN IMMEDIATE")
            yield self.connection
            self.connection.execute("COMMIT")

    @contextmanager
    def distrusting(self) -> Iterator[None]:
        """Raise what SQLite reports inside as `StorageError`, and undo what is not committed."""
        try:
            yield
        except sqlite3.Error as error:
            self._undo(failed=True)
            raise storage_error(error, self.path) from error
        except BaseException:
            self._undo(failed=False)
            raise

    def _undo(self, *, failed: bool) -> None:
        self._suspect = self._suspect or failed
        try:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            if failed:
                self._cut_log()
        except (sqlite3.Error, OSError):
            # The reason that is on its way to the caller tells more than this one would.
            self._suspect = True

    def _cut_log(self) -> None:
        """Cut the log behind the last good commit: a failed one may stand there, whole."""
        size, frames, _ = self._log_index()
        page_bytes = size if size != 1 else 65536
        end = HEADER_BYTES + frames * (FRAME_HEADER_BYTES + page_bytes) if frames else 0
        wal = self._wal_path()
        if wal.stat().st_size > end:
            os.truncate(wal, end)

    def _log_index(self) -> tuple[int, int, int]:
        with self.path.with_name(self.path.name + "-shm").open("rb") as file:
            size, frames, written_back = _WAL_INDEX.unpack(file.read(_WAL_INDEX.size))
        return size, frames, written_back

    def _checkpoint_if_due(self) -> None:
        """Write the log back into the file, before a transaction and not within its commit.

        SQLite's own checkpoint runs after a commit and, failing, makes a commit that has
        happened look as if it had not.
        """
        try:
            _, frames, written_back = self._log_index()
        except OSError as error:
            self._suspect = True
            raise StorageError(f"The log of {self.path.name} cannot be read: {error}.") from error
        if frames - written_back >= self.tuning.checkpoint_pages:
            with self.distrusting():
                self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _reopen(self) -> None:
        """Verify the log from the disk and go on with a new connection, or fail again."""
        try:
            self._cut_log()
            self._drop_cached_log()
            self._check_wal()
            self.connection.close()
            self.connection = self._connect_writer()
            self.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error as error:
            raise storage_error(error, self.path) from error
        except OSError as error:
            raise StorageError(
                f"{self.path.name} cannot be opened again after a fault: {error}.",
                remedy="Check the disk and the system's log.",
            ) from error
        self._suspect = False

    def _drop_cached_log(self) -> None:
        """Let the kernel forget the log's pages, so that it is read from the disk."""
        descriptor = os.open(self._wal_path(), os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)

    # --- details ---------------------------------------------------------------------------

    def _wal_path(self) -> Path:
        return self.path.with_name(self.path.name + "-wal")

    def _prepare(self) -> bool:
        """Make folder and file for their owner alone, before SQLite makes them for everyone."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            created = not self.path.exists()
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.fchmod(descriptor, 0o600)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StorageError(
                f"{self.path.name} cannot be made or opened: {error}.",
                remedy="Check the data folder, its rights and the space on its disk.",
            ) from error
        return created

    def _check_wal(self) -> list[str]:
        try:
            state = check_wal(self._wal_path())
        except OSError as error:
            raise StorageError(f"{self._wal_path().name} cannot be read: {error}.") from error
        name = self._wal_path().name
        if state.header_damaged:
            raise Damaged(f"The header of {name} is damaged.", remedy=REPAIR)
        if state.damaged is not None:
            raise Damaged(
                f"{name} is damaged at frame {state.damaged + 1}, and what is behind it was "
                f"committed; {state.committed} frames before it are intact.",
                remedy=REPAIR,
            )
        if state.torn:
            note = (
                f"{name} ends with {state.torn} pages of a transaction that was never finished, "
                "so never acknowledged; they are dropped."
            )
            return [note]
        return []

    def _connect_writer(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=BUSY_S)
        try:
            for pragma in self._pragmas():
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _pragmas(self) -> Iterator[str]:
        if not self.path.stat().st_size:  # it would write to a file that has them already
            yield f"page_size = {self.tuning.page_bytes}"
            yield "auto_vacuum = INCREMENTAL"
        yield "journal_mode = WAL"
        yield "synchronous = FULL"
        yield "foreign_keys = ON"
        yield "secure_delete = FAST"  # distributions set ON, which writes pages only to blank them
        yield "wal_autocheckpoint = 0"
        yield f"journal_size_limit = {16 << 20}"
        if self.tuning.max_pages is not None:
            yield f"max_page_count = {self.tuning.max_pages}"

    def _migrate(self) -> None:
        migrations = load_migrations(self.path.stem)
        (version,) = self.connection.execute("PRAGMA user_version").fetchone()
        if version > len(migrations):
            raise ConfigurationError(
                f"{self.path.name} has form {version}; this Weft knows {len(migrations)}.",
                remedy="Use the newer Weft that wrote it, or restore a backup of before.",
            )
        for number in range(version, len(migrations)):
            try:
                self.connection.executescript(
                    f"BEGIN IMMEDIATE; {migrations[number]}; PRAGMA user_version = {number + 1};"
                    "COMMIT;"
                )
            except sqlite3.Error:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def _quick_check(self) -> None:
        """Check the structure, unless the file is so large that it would hold up the start.

        What is read later carries checksums of its own.
        """
        if self.path.stat().st_size > self.tuning.check_up_to_bytes:
            return
        problems = [row[0] for row in self.connection.execute("PRAGMA quick_check(3)")]
        if problems != ["ok"]:
            raise Damaged(f"{self.path.name} is damaged: {'; '.join(problems)}.", remedy=REPAIR)
