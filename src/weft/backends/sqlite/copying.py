"""Copying a database while it is in use: one consistent moment of it, for its owner alone."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from weft.backends.sqlite.faults import told
from weft.errors import AlreadyExists, StorageError


def copy_database(source: Path, target: Path) -> Path:
    """Copy a database as it is at this moment; refuse to write over a file."""
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError as error:
        raise AlreadyExists(f"{target.name} is there already.") from error
    except OSError as error:
        raise StorageError(f"{target.name} cannot be written: {error}.") from error
    with (
        told(target),
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as original,
        closing(sqlite3.connect(target)) as copy,
    ):
        original.backup(copy)
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return target
