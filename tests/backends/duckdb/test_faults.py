"""No exception of the driver leaves its folder; damage is told from a full disk."""

from pathlib import Path

import duckdb
import pytest

from weft.backends.duckdb.faults import faults
from weft.errors import Damaged, Invalid, StorageError, Unavailable

PATH = Path("history.duckdb")


@pytest.mark.parametrize(
    ("raised", "expected", "says"),
    [
        (duckdb.IOException("Corrupt database file: computed checksum 1"), Damaged, "not what was"),
        (duckdb.IOException("it is not a valid DuckDB database file!"), Damaged, "not what was"),
        (
            duckdb.IOException("IO Error: Conflicting lock is held"),
            StorageError,
            "in use",
        ),
        (duckdb.IOException("No space left on device\nstack"), StorageError, "No space left"),
        (duckdb.OutOfMemoryException("failed to pin"), StorageError, "failed to pin"),
        (duckdb.InterruptException("Interrupted!"), Unavailable, "too long"),
        (OSError(28, "No space left on device"), StorageError, "No space left"),
    ],
)
def test_each_fault_has_our_word_and_a_remedy(
    raised: Exception, expected: type[Exception], says: str
) -> None:
    """An operator reads what happened and what to do."""
    with pytest.raises(expected, match=says) as told, faults(PATH, "to append"):
        raise raised
    assert type(told.value) is expected
    assert told.value.remedy  # type: ignore[attr-defined]
    assert "stack" not in str(told.value)


def test_our_own_errors_pass() -> None:
    """A refused query is the caller's affair."""
    with pytest.raises(Invalid), faults(PATH, "to answer"):
        raise Invalid("no aggregate")
