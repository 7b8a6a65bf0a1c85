"""Faults: what DuckDB raises, in our words. No exception of the driver leaves this folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from weft.errors import Damaged, StorageError, Unavailable, WeftError

_DAMAGE: Final = (
    "corrupt",
    "checksum",
    "not a valid duckdb",
    "could not read enough bytes",
    "serialization error",
    "failure while replaying",
)
REBUILD: Final = (
    "Run weft doctor --rebuild-history: it sets the file aside, and the next start reads "
    "history again from the journal, as far back as the journal reaches. Or restore a backup."
)


@contextmanager
def faults(path: Path, doing: str) -> Iterator[None]:
    """Translate the driver's errors; `doing` says what did not happen."""
    try:
        yield
    except duckdb.InterruptException as error:
        raise Unavailable(
            f"History stopped {doing}: it took too long.",
            remedy="Ask for a shorter time, fewer devices or larger buckets.",
        ) from error
    except duckdb.Error as error:
        raise _translated(error, path, doing) from error
    except OSError as error:
        raise StorageError(
            f"History failed {doing} ({path.name}): {error.strerror or error}.",
            remedy="Look at the disk: space, permissions, health.",
        ) from error


def _translated(error: duckdb.Error, path: Path, doing: str) -> WeftError:
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    low = said.lower()
    if any(word in low for word in _DAMAGE):
        return Damaged(f"{path.name} is not what was written ({said}).", remedy=REBUILD)
    if "conflicting lock" in low:
        return StorageError(
            f"{path.name} is in use by another process.",
            remedy="Stop the other weft on this data folder first.",
        )
    return StorageError(
        f"History failed {doing} ({path.name}): {said}",
        remedy="Look at the disk (space, permissions, health) and at [history] memory_bytes.",
    )
