"""The built dashboard: its document and its files, as `scripts/dashboard` leaves them.

They are read once, with what was compressed beforehand, and served from memory: they are few,
and change only with another version of Weft. A Weft whose dashboard was not built serves
everything else.
"""

from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable

from msgspec import Struct

FOLDER = "dist"
MEDIA_TYPES = {
    "css": b"text/css; charset=utf-8",
    "html": b"text/html; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "json": b"application/json",
    "mjs": b"text/javascript; charset=utf-8",
    "pbf": b"application/x-protobuf",
    "pmtiles": b"application/octet-stream",
    "png": b"image/png",
    "svg": b"image/svg+xml",
    "woff2": b"font/woff2",
}
ENCODINGS = ((b"br", ".br"), (b"gzip", ".gz"))  # the smaller first


class File(Struct, frozen=True):
    """One file, plain and as it was compressed."""

    content: bytes
    media_type: bytes
    encoded: tuple[tuple[bytes, bytes], ...] = ()  # (content coding, content)

    def choose(self, accepted: bytes) -> tuple[bytes, bytes]:
        """Return the content for an Accept-Encoding header, and its coding (RFC 9110, 12.5.3)."""
        codings = {part.partition(b";")[0].strip() for part in accepted.lower().split(b",")}
        for coding, content in self.encoded:
            if coding in codings:
                return content, coding
        return self.content, b""


class Built(Struct, frozen=True):
    """What was built: the one document, and the files that it names, by path."""

    document: File | None = None
    assets: Mapping[bytes, File] = {}

    @classmethod
    def read(cls, folder: Traversable | None = None) -> "Built":
        """Read a folder of built files; one that is not there is a dashboard not built."""
        folder = folder or resources.files("weft.web").joinpath(FOLDER)
        index = folder.joinpath("index.html")
        if not index.is_file():
            return cls()
        assets = folder.joinpath("assets")
        found = {
            f"/assets/{file.name}".encode(): _read(file, assets)
            for file in assets.iterdir()
            if _ending(file.name) in MEDIA_TYPES
        }
        return cls(_read(index, folder), found)


def _ending(name: str) -> str:
    return name.rpartition(".")[2]


def _read(file: Traversable, folder: Traversable) -> File:
    encoded = []
    for coding, ending in ENCODINGS:
        beside = folder.joinpath(file.name + ending)
        if beside.is_file():
            encoded.append((coding, beside.read_bytes()))
    return File(file.read_bytes(), MEDIA_TYPES[_ending(file.name)], tuple(encoded))
