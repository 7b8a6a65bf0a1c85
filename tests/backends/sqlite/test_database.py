"""One SQLite file: for its owner alone, never opened by a Weft that does not know it."""

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from weft.backends.sqlite.database import Database, Tuning
from weft.errors import ConfigurationError, Damaged, StorageError


def _opened(folder: Path, tuning: Tuning | None = None) -> Database:
    database = Database(folder / "journal.sqlite", tuning)
    database.open()
    return database


def test_folder_and_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """OP-1: 0700 and 0600, the log too, whatever the umask."""
    old = os.umask(0)
    try:
        database = _opened(tmp_path / "data")
        with database.transaction() as connection:
            connection.execute("INSERT INTO qos_two VALUES ('s', 1)")
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "data").iterdir()}
        database.close()
    finally:
        os.umask(old)

    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert len(modes) == 4
    assert set(modes.values()) == {0o600}


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    """The settings that the promise stands on."""
    database = _opened(tmp_path)
    found = {
        name: database.connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "auto_vacuum")
    }
    database.close()

    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "auto_vacuum": 2}


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """A downgrade is told, and the file stays as it is."""
    _opened(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "journal.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(ConfigurationError, match="form 99"):
        _opened(tmp_path)


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    """Two platforms on one folder would give the same positions twice."""
    database = _opened(tmp_path)
    with pytest.raises(StorageError, match="in use"):
        _opened(tmp_path)
    database.close()
    _opened(tmp_path).close()


def test_an_emptied_file_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    """Zero bytes where there was data: SQLite would begin anew, we do not."""
    database = _opened(tmp_path)
    database.marker.write(5)
    database.close()
    (tmp_path / "journal.sqlite").write_bytes(b"")

    with pytest.raises(Damaged, match="empty"):
        _opened(tmp_path)


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    """Something else lies where the journal was."""
    (tmp_path / "journal.sqlite").write_bytes(b"hello" * 1000)

    with pytest.raises(Damaged, match="NOTADB"):
        _opened(tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """The data folder's parent is a file."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match="cannot be made"):
        _opened(tmp_path / "file" / "data")


def test_an_error_inside_undoes_the_transaction(tmp_path: Path) -> None:
    """An error that is not SQLite's: nothing is kept, and the connection is trusted."""
    database = _opened(tmp_path)
    with pytest.raises(KeyError), database.transaction() as connection:  # noqa: PT012  the block is what is tested
        connection.execute("INSERT INTO qos_two VALUES ('s', 1)")
        raise KeyError
    with database.transaction() as connection:
        assert connection.execute("SELECT count(*) FROM qos_two").fetchone() == (0,)
    database.close()


def test_the_log_is_written_back_when_it_is_long(tmp_path: Path) -> None:
    """Many commits: the log does not grow with them."""
    database = _opened(tmp_path, Tuning(checkpoint_pages=20))
    for number in range(300):
        with database.transaction() as connection:
            connection.execute("INSERT INTO qos_two VALUES ('s', ?)", (number,))
    size = (tmp_path / "journal.sqlite-wal").stat().st_size
    database.close()

    assert size < 60 * 4200
