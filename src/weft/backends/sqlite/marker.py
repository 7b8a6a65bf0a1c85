"""Marker: what has been acknowledged, noted beside the database after each commit.

The note is written after the commit is on disk and never synced, so it can lag and never
lead. A database that ends before its marker has lost what was acknowledged: that tells a
last frame that was damaged, or a log that was deleted, from one that was never finished.
The open file also carries the lock that keeps a second process out.
"""

import fcntl
import os
import struct
import zlib
from pathlib import Path

from weft.errors import StorageError

_FORM = struct.Struct("<QI")


class Marker:
    """A number in a small file of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.value = 0
        self.readable = True
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise StorageError(
                f"{path.parent} is in use by another process.",
                remedy="Stop the other one first, or name another data folder.",
            ) from error
        self._read()

    def _read(self) -> None:
        data = os.pread(self._file, _FORM.size, 0)
        if not data:
            return
        if len(data) == _FORM.size:
            value, checksum = _FORM.unpack(data)
            if zlib.crc32(data[:8]) == checksum:
                self.value = value
                return
        self.readable = False

    def write(self, value: int) -> None:
        """Note what is acknowledged from now on."""
        self.value = value
        data = value.to_bytes(8, "little")
        try:
            os.pwrite(self._file, data + zlib.crc32(data).to_bytes(4, "little"), 0)
        except OSError:
            # A marker that lags is allowed; what it marks is on disk already.
            self.readable = False

    def close(self) -> None:
        """Let go of the file and of the lock."""
        os.close(self._file)
