"""Faults: what SQLite says, as an operator can act on it.

Every `sqlite3.Error` that leaves this folder goes through here: `Damaged` when the file is
not what was written, `StorageError` otherwise. What was asked has then not happened.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weft.errors import Damaged, StorageError

REPAIR = (
    "Stop Weft and run `weft doctor --repair`: it keeps the damaged files aside, saves what is "
    "intact and says what was dropped. Or restore a backup."
)

_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
# Our statements and tables are fixed, so these too mean that the file is not what it was.
_SIGNS = ("malformed", "no such table", "no such column", "already exists", "Could not decode")
_TEXTS = {
    sqlite3.SQLITE_FULL: ("The disk is full", "Free space on the disk of the data folder."),
    sqlite3.SQLITE_BUSY: ("Another process holds the file", "Stop it; Weft tries again."),
    sqlite3.SQLITE_LOCKED: ("Another process holds the file", "Stop it; Weft tries again."),
    sqlite3.SQLITE_READONLY: ("The file is read-only", "Give Weft's user the right to write it."),
    sqlite3.SQLITE_CANTOPEN: ("The file cannot be opened", "Check its folder and its rights."),
    sqlite3.SQLITE_IOERR: (
        "The disk does not read or write",
        "Check the disk and the system's log; nothing of this was acknowledged.",
    ),
}


def storage_error(error: sqlite3.Error, path: Path) -> StorageError:
    """Say what happened to a file in words of our own."""
    primary = code_of(error) & 0xFF
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if primary in _CORRUPT or any(sign in str(error) for sign in _SIGNS):
        return Damaged(f"{path.name} is damaged: {error} ({name}).", remedy=REPAIR)
    text, remedy = _TEXTS.get(
        primary, ("The database failed", "See the log; what was asked has not happened.")
    )
    return StorageError(f"{text}: {path.name}: {error} ({name}).", remedy=remedy)


def is_storage_fault(error: sqlite3.Error) -> bool:
    """Tell a fault of the disk or the file from a statement that was used wrongly."""
    return code_of(error) & 0xFF not in {0, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE}


def code_of(error: sqlite3.Error) -> int:
    """Return SQLite's extended result code; 0 when the driver itself refused."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code if isinstance(code, int) else 0


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite raises inside into errors of our own."""
    try:
        yield
    except sqlite3.Error as error:
        raise storage_error(error, path) from error
