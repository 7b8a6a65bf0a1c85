"""The file: damage is found and named, set aside on demand, copied while in use."""

from pathlib import Path

import duckdb
import pytest
from tests.backends.duckdb.support import add, count, opened

from weft.backends.duckdb.faults import faults
from weft.backends.duckdb.files import FILE_NAME, copy_file, open_file, set_aside, used_bytes
from weft.errors import Damaged, StorageError
from weft.history.settings import HistorySettings
from weft.supervision import FakeClock


def filled(folder: Path) -> Path:
    """Write a file with points and close it."""
    connection = opened(folder)
    connection.execute("INSERT INTO settled SELECT range, range, 1, random() FROM range(50000)")
    connection.close()
    return folder / FILE_NAME


def test_a_file_is_opened_again_as_it_was(tmp_path: Path) -> None:
    """One state, whatever the number of starts."""
    filled(tmp_path)
    connection = opened(tmp_path)
    assert count(connection, "settled") == 50_000
    assert count(connection, "state") == 1


@pytest.mark.parametrize("place", [20, 5000, 9000, 13_000, -1000])
def test_a_flipped_bit_is_damage_with_a_remedy(tmp_path: Path, place: int) -> None:
    """No start on data that is not what was written."""
    path = filled(tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match=r"history\.duckdb is not what was written") as told:
        duckdb_reads(path)
    assert "--rebuild-history" in told.value.remedy


def duckdb_reads(path: Path) -> None:
    """Open, and read everything: blocks of points are checked when they are read."""
    connection = open_file(path, HistorySettings())
    try:
        with faults(path, "to read"):
            connection.execute("SELECT sum(value), sum(at_ns) FROM settled").fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize("content", [b"not a database" * 1000, b"x"])
def test_another_file_of_that_name_is_damage(tmp_path: Path, content: bytes) -> None:
    """A restored backup of something else."""
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(Damaged):
        opened(tmp_path)


def test_half_a_file_is_damage(tmp_path: Path) -> None:
    """A copy that was cut off."""
    path = filled(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(Damaged):
        duckdb_reads(path)


def test_a_file_of_a_later_format_is_refused(tmp_path: Path) -> None:
    """An older weft does not guess."""
    connection = opened(tmp_path)
    connection.execute("UPDATE state SET format = 99")
    connection.close()
    with pytest.raises(StorageError, match="format 99"):
        opened(tmp_path)


def test_a_damaged_file_is_set_aside_and_a_new_one_begins(tmp_path: Path) -> None:
    """Its position is 0, so the journal is read again; the old file is kept for a look."""
    path = filled(tmp_path)
    path.with_name(f"{FILE_NAME}.wal").write_bytes(b"torn")
    aside = set_aside(tmp_path, FakeClock())
    assert aside is not None
    assert aside.exists()
    assert aside.with_name(f"{aside.name}.wal").exists()
    connection = opened(tmp_path)
    assert connection.execute("SELECT position FROM state").fetchall() == [(0,)]
    connection.close()


def test_nothing_is_set_aside_where_there_is_nothing(tmp_path: Path) -> None:
    """Rebuilding on an empty folder is no fault."""
    assert set_aside(tmp_path, FakeClock()) is None


def test_a_copy_is_one_moment_s_view(tmp_path: Path) -> None:
    """It opens as a history of its own."""
    (tmp_path / "it's a copy").mkdir()
    connection = opened(tmp_path)
    add(connection, [(1, 1, 1, 1.0)])
    copy_file(connection.cursor(), tmp_path / FILE_NAME, tmp_path / "it's a copy")
    add(connection, [(1, 2, 2, 2.0)])
    copied = opened(tmp_path / "it's a copy")
    assert count(copied, "recent") == 1
    assert count(copied, "state") == 1
    with pytest.raises(StorageError, match="already"):
        copy_file(connection.cursor(), tmp_path / FILE_NAME, tmp_path / "it's a copy")


def test_used_bytes_grow_with_what_is_stored(tmp_path: Path) -> None:
    """A size limit needs a size that means something."""
    connection = opened(tmp_path)
    empty = used_bytes(connection, tmp_path / FILE_NAME)
    connection.execute("INSERT INTO settled SELECT range, range, 1, random() FROM range(500000)")
    connection.execute("CHECKPOINT")
    assert used_bytes(connection, tmp_path / FILE_NAME) > empty + 500_000


def test_nothing_is_fetched_from_elsewhere(tmp_path: Path) -> None:
    """No extension is loaded by a query, no Python variable is read as a table."""
    connection = opened(tmp_path)
    frame = {"a": [1]}
    assert frame
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT * FROM frame")
