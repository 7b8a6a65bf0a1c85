"""The map file: a map of one's own, which the dashboard reads in parts.

A PMTiles archive (version 3) is one file of any size; who draws a map asks for the bytes that it
needs (RFC 9110, 14.2: a range). Without one the dashboard draws the map that comes with it. The
file is read in threads, some of it at a time, and never written. It is public, as a map is.
"""

import asyncio
import os
import re
from pathlib import Path
from typing import Final

from msgspec import Struct

from weft.errors import ConfigurationError

PATH: Final = b"/web/map.pmtiles"
RANGE_MAX_BYTES: Final = 8 * 1024 * 1024  # a directory or a tile is far smaller
_HEADER_BYTES: Final = 127  # PMTiles 3, section 3
_MAGIC: Final = b"PMTiles\x03"
_RANGE: Final = re.compile(rb"bytes=(\d{1,15})-(\d{1,15})?")


class WebSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[web]`: the dashboard."""

    map_file: str = ""  # a .pmtiles file to draw maps from; empty: the one that comes with us


class Part(Struct, frozen=True):
    """What answers a request for some of the file."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    content: bytes = b""


class MapFile:
    """An archive that is there: `read` answers for any part of it."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                head = file.read(_HEADER_BYTES)
        except OSError as error:
            raise ConfigurationError(
                f"The map file {path} cannot be read: {error.strerror}.",
                remedy="Let web.map_file name a readable .pmtiles file, or leave it empty.",
            ) from error
        if len(head) < _HEADER_BYTES or not head.startswith(_MAGIC):
            raise ConfigurationError(
                f"The map file {path} is no PMTiles archive of version 3.",
                remedy="Make one with `pmtiles convert`, or leave web.map_file empty.",
            )
        self._path = path

    async def read(self, wanted: bytes | None, *, head: bool = False) -> Part:
        """Return the part that a Range header names; the whole is sent to nobody."""
        return await asyncio.to_thread(self._read, wanted, head=head)

    def _read(self, wanted: bytes | None, *, head: bool) -> Part:
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return Part(404, ())  # it was taken away since the start
        try:
            known = os.fstat(file)
            etag = f'"{known.st_mtime_ns:x}-{known.st_size:x}"'.encode()
            headers = ((b"accept-ranges", b"bytes"), (b"etag", etag))
            if head:
                return Part(200, headers)
            match = _RANGE.fullmatch(wanted or b"")
            first = int(match[1]) if match else known.st_size
            if match is None or first >= known.st_size:
                whole = f"bytes */{known.st_size}".encode()
                return Part(416, (*headers, (b"content-range", whole)))
            last = known.st_size - 1 if match[2] is None else min(int(match[2]), known.st_size - 1)
            last = min(last, first + RANGE_MAX_BYTES - 1)
            if last < first:
                return Part(416, headers)
            content = os.pread(file, last - first + 1, first)
        finally:
            os.close(file)
        said = f"bytes {first}-{first + len(content) - 1}/{known.st_size}".encode()
        return Part(206, (*headers, (b"content-range", said)), content)


def open_map(settings: WebSettings) -> MapFile | None:
    """Return the configured archive, None where there is none; raise `ConfigurationError`."""
    return MapFile(Path(settings.map_file)) if settings.map_file else None
