"""The ends of a journal: found at each start, and nothing missing between them."""

import sqlite3
from pathlib import Path

import pytest
from tests.backends.sqlite.support import closed_journal

from weft.backends.sqlite.database import Database
from weft.backends.sqlite.ends import find_ends, verify_journal
from weft.errors import Damaged


def _run_sql(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / "journal.sqlite")
    with connection:
        connection.execute(statement)
    connection.close()


async def test_the_ends_are_found(tmp_path: Path) -> None:
    """Five batches of three."""
    await closed_journal(tmp_path, 5)
    database = Database(tmp_path / "journal.sqlite")
    database.open()
    ends = find_ends(database, 15)
    database.close()

    assert (ends.tail, ends.head) == (1, 15)


@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        ("DELETE FROM batch WHERE first = 7", "no positions 7 to 9"),
        ("DELETE FROM batch WHERE first = 1", "no positions 1 to 3"),
        ("DELETE FROM batch WHERE first = 13", "ends at position 12"),
        ("UPDATE batch SET length = 2 WHERE first = 4", "no positions"),
        ("UPDATE batch SET body = x'90' WHERE first = 10", "positions 10 to 12"),
        ("DELETE FROM batch", "ends at position 0"),
    ],
)
async def test_what_is_missing_or_changed_is_named(
    tmp_path: Path, statement: str, detail: str
) -> None:
    """Someone edits the journal by hand, or a bug does."""
    await closed_journal(tmp_path, 5)
    _run_sql(tmp_path, statement)
    database = Database(tmp_path / "journal.sqlite")
    database.open()

    with pytest.raises(Damaged, match=detail) as caught:
        find_ends(database, 0)
    database.close()
    assert "weft doctor --repair" in caught.value.remedy


async def test_a_full_verification_reads_every_batch(tmp_path: Path) -> None:
    """An old batch was changed, further back than a start looks: the doctor finds it."""
    await closed_journal(tmp_path, 100)
    _run_sql(tmp_path, "UPDATE batch SET body = x'90' WHERE first = 4")
    database = Database(tmp_path / "journal.sqlite")
    database.open()
    find_ends(database, 0)

    with pytest.raises(Damaged, match="positions 4 to 6"):
        verify_journal(database, 0)
    database.close()
