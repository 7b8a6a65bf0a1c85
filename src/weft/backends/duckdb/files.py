"""The file history.duckdb: opened with its limits, set aside when damaged, copied while in use."""

from importlib import resources
from pathlib import Path
from typing import Final

import duckdb

from weft.backends.duckdb.faults import REBUILD, faults
from weft.errors import Damaged, StorageError
from weft.history.settings import HistorySettings
from weft.model.moments import NS_PER_S
from weft.ports import Clock

FILE_NAME: Final = "history.duckdb"
FORMAT: Final = 1


def open_file(path: Path, settings: HistorySettings) -> duckdb.DuckDBPyConnection:
    """Open the file, made now if it is not there; raise `Damaged` if it cannot be trusted."""
    with faults(path, "to open"):
        connection = duckdb.connect(
            str(path),
            config={
                "threads": settings.threads,
                "memory_limit": f"{settings.memory_bytes}B",
                # What a long replay took is given back: 90 MB after a million messages.
                "allocator_background_threads": True,
                "temp_directory": str(path.with_name("history.tmp")),
                # The database is ours alone: nothing is fetched, nothing is found by its name.
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
            },
        )
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    schema = resources.files(__package__).joinpath("schema.sql").read_text("utf-8")
    for statement in schema.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    found = connection.execute("SELECT format FROM state").fetchall()
    if not found:
        connection.execute("INSERT INTO state VALUES (?, 0, 1)", [FORMAT])
    elif found != [(FORMAT,)]:
        if len(found) > 1:
            raise Damaged(f"{path.name} has {len(found)} states.", remedy=REBUILD)
        raise StorageError(
            f"{path.name} is of format {found[0][0]}; this weft reads format {FORMAT}.",
            remedy="Start the weft that wrote it, or a newer one.",
        )


def set_aside(folder: Path, clock: Clock) -> Path | None:
    """Rename a damaged file, so that the next start rebuilds history from the journal.

    The new file's position is 0: what the journal still holds is read again. Returns where
    the old file went, None if there was none.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return None
    aside = path.with_name(f"{FILE_NAME}.damaged-{clock.now() // NS_PER_S}")
    with faults(path, "to set aside"):
        path.rename(aside)
        wal = path.with_name(f"{FILE_NAME}.wal")
        if wal.exists():
            wal.rename(aside.with_name(f"{aside.name}.wal"))
    return aside


def copy_file(connection: duckdb.DuckDBPyConnection, source: Path, folder: Path) -> None:
    """Write what one moment's reader sees into `folder`, while appends go on."""
    target = folder / FILE_NAME
    if target.exists():
        raise StorageError(f"{target} is there already.", remedy="Copy into an empty folder.")
    name = str(target).replace("'", "''")
    with faults(source, "to copy"):
        connection.execute(f"ATTACH '{name}' AS copied")
        try:
            connection.execute(f'COPY FROM DATABASE "{source.stem}" TO copied')
            connection.execute("CHECKPOINT copied")
        finally:
            connection.execute("DETACH copied")


def used_bytes(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Return what the stored points take on disk (free blocks of the file left out)."""
    row = connection.execute(
        "SELECT used_blocks * block_size FROM pragma_database_size() WHERE database_name = ?",
        [path.stem],
    ).fetchone()
    wal = path.with_name(f"{path.name}.wal")
    return (int(row[0]) if row else 0) + (wal.stat().st_size if wal.exists() else 0)
