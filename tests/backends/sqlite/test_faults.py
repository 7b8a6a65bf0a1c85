"""Faults in an operator's words."""

import sqlite3
from pathlib import Path

import pytest

from weft.backends.sqlite.faults import code_of, is_storage_fault, storage_error, told
from weft.errors import Damaged, StorageError

PATH = Path("journal.sqlite")


def _error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    error.sqlite_errorname = f"CODE_{code}"
    return error


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        (sqlite3.SQLITE_FULL, "disk is full"),
        (sqlite3.SQLITE_BUSY, "Another process"),
        (sqlite3.SQLITE_IOERR | 4 << 8, "does not read or write"),
        (sqlite3.SQLITE_READONLY, "read-only"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened"),
        (sqlite3.SQLITE_NOMEM, "failed"),
    ],
)
def test_each_fault_says_what_happened_and_what_to_do(code: int, detail: str) -> None:
    """The extended code counts for its family."""
    error = storage_error(_error(code), PATH)

    assert detail in error.detail
    assert "journal.sqlite" in error.detail
    assert error.remedy
    assert not isinstance(error, Damaged)


@pytest.mark.parametrize("code", [sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB])
def test_a_corrupt_file_is_damaged(code: int) -> None:
    """And the remedy is the repair."""
    error = storage_error(_error(code), PATH)

    assert isinstance(error, Damaged)
    assert "--repair" in error.remedy


def test_no_error_of_sqlite_leaves() -> None:
    """At the boundary of this folder, all errors are ours."""
    with pytest.raises(StorageError), told(PATH):
        raise _error(sqlite3.SQLITE_FULL)


def test_a_wrong_statement_is_no_fault_of_the_disk() -> None:
    """What `work` did wrong is its own; the others in its commit go on."""
    assert is_storage_fault(_error(sqlite3.SQLITE_IOERR))
    assert not is_storage_fault(_error(sqlite3.SQLITE_CONSTRAINT))
    assert code_of(sqlite3.ProgrammingError("closed")) == 0
