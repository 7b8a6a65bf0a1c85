"""Archives: a snapshot as one sealed file, and back into a data folder.

The file is a tar, compressed, then sealed; a manifest with the size and SHA-256 of every
part comes first. Restoring unpacks beside the target, verifies every part, and only then
gives the folder its name: a wrong key, a damaged file or a full disk leaves nothing behind.
"""

import gzip
import hashlib
import importlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import msgspec
from msgspec import Struct

from weft.app.backup import POSITIONS_FILE, Positions
from weft.app.sealed import Compression, SealedReader, SealedWriter, Secret
from weft.errors import AlreadyExists, ConfigurationError, Damaged, Invalid, StorageError

MANIFEST = "manifest.json"
FORMAT = 1
MANIFEST_MAX = 1 << 20
_BLOCK = 1 << 20
_USE_ANOTHER = "Use another copy of the backup; nothing of this one was put in place."

Progress = Callable[[int, int], None]  # bytes done, of how many


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a backup."""

    name: str
    size: int
    sha256: str


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup holds."""

    format: int
    positions: Positions
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.size for part in self.parts)


# --- packing -------------------------------------------------------------------------------


def pack(snapshot: Path, file: Path, secret: Secret, progress: Progress) -> Manifest:
    """Write a snapshot into one sealed file (mode 0600); refuse to write over a file."""
    compression = compression_of(file)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise AlreadyExists(f"{file} is there already.", remedy="Name another file.") from error
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "wb") as output:
            manifest = _manifest_of(snapshot)
            sealed = SealedWriter(output, secret, compression)
            with _compressing(sealed, compression) as stream:
                _write_tar(snapshot, manifest, stream, progress)
            sealed.finish()
            output.flush()
            os.fsync(output.fileno())
    except OSError as error:
        file.unlink(missing_ok=True)
        raise StorageError(f"{file} cannot be written: {error}.", remedy="Make room.") from error
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return manifest


def _manifest_of(snapshot: Path) -> Manifest:
    positions = msgspec.json.decode((snapshot / POSITIONS_FILE).read_bytes(), type=Positions)
    files = sorted(path for path in snapshot.rglob("*") if path.is_file())
    parts = []
    for path in files:
        name = str(path.relative_to(snapshot))
        if name != POSITIONS_FILE:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            parts.append(Part(name, path.stat().st_size, digest))
    return Manifest(FORMAT, positions, tuple(parts))


def _write_tar(snapshot: Path, manifest: Manifest, stream: IO[bytes], progress: Progress) -> None:
    done = 0

    def count(amount: int) -> None:
        nonlocal done
        done += amount
        progress(done, manifest.size)

    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        encoded = msgspec.json.encode(manifest)
        tar.addfile(_member(MANIFEST, len(encoded)), io.BytesIO(encoded))
        for part in manifest.parts:
            with (snapshot / part.name).open("rb") as file:
                tar.addfile(_member(part.name, part.size), _Counted(file, count))


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


class _Counted(io.RawIOBase):
    """A file that tells how much of it was read."""

    def __init__(self, file: BinaryIO, count: Callable[[int], None]) -> None:
        super().__init__()
        self._file = file
        self._count = count

    def read(self, size: int = -1) -> bytes:
        """Read, and count."""
        data = self._file.read(size)
        self._count(len(data))
        return data


# --- restoring -----------------------------------------------------------------------------


def restore(file: Path, target: Path, secret: Secret, progress: Progress) -> Manifest:
    """Make a data folder of a backup, whole or not at all."""
    target = target.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise AlreadyExists(
            f"{target} is there already and not empty.",
            remedy="Restore into a new folder, and start Weft on it with --data.",
        )
    aside = target.with_name(f".{target.name}.restoring-{os.getpid()}")
    try:
        aside.mkdir(mode=0o700, parents=True)
        with file.open("rb") as sealed:
            manifest = _unpack(SealedReader(sealed, secret, file.name), aside, progress)
        _sync(aside)
        aside.rename(target)  # also onto an empty folder
        _sync_folder(target.parent)
    except OSError as error:
        raise StorageError(
            f"{file.name} cannot be restored to {target}: {error}.",
            remedy="Nothing was put in place: mend that and try again.",
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return manifest


def _unpack(sealed: SealedReader, folder: Path, progress: Progress) -> Manifest:
    source = cast("IO[bytes]", io.BufferedReader(sealed, _BLOCK))
    with _broken_archive(), _decompressing(source, sealed.header.compression) as stream:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            manifest = _read_manifest(tar)
            _require_room(manifest, folder)
            parts = {part.name: part for part in manifest.parts}
            done = 0
            while (member := tar.next()) is not None:
                part = parts.pop(member.name, None)
                if part is None or not member.isreg() or member.size != part.size:
                    raise Damaged(f"{member.name!r} is not as declared.", remedy=_USE_ANOTHER)
                _write_part(tar, member, part, folder)
                done += part.size
                progress(done, manifest.size)
        while stream.read(_BLOCK):
            pass  # up to the last chunk, which tells that nothing was cut off
        while source.read(_BLOCK):
            pass
    if parts:
        raise Damaged(f"The backup lacks {', '.join(sorted(parts))}.", remedy=_USE_ANOTHER)
    return manifest


@contextmanager
def _broken_archive() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise Damaged(f"The backup is damaged: {error}.", remedy=_USE_ANOTHER) from error


def _read_manifest(tar: tarfile.TarFile) -> Manifest:
    member = tar.next()
    content = tar.extractfile(member) if member is not None else None
    if member is None or content is None or member.name != MANIFEST or member.size > MANIFEST_MAX:
        raise Damaged("The backup has no manifest.", remedy=_USE_ANOTHER)
    try:
        document = msgspec.json.decode(content.read())
        if document["format"] != FORMAT:
            raise Invalid(
                f"The backup is of format {document['format']}; this Weft reads {FORMAT}.",
                remedy="Restore it with the Weft that wrote it, or a newer one.",
            )
        return msgspec.convert(document, Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise Damaged(f"The backup's manifest: {error}.", remedy=_USE_ANOTHER) from error


def _require_room(manifest: Manifest, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < manifest.size:
        raise StorageError(
            f"The backup takes {manifest.size >> 20} MiB; {free >> 20} MiB are free.",
            remedy="Make room, or restore on another disk.",
        )


def _write_part(tar: tarfile.TarFile, member: tarfile.TarInfo, part: Part, folder: Path) -> None:
    path = (folder / part.name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise Damaged(f"{part.name!r} is outside of the folder.", remedy=_USE_ANOTHER)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    source = cast("IO[bytes]", tar.extractfile(member))  # a regular file has one
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while block := source.read(_BLOCK):
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != part.sha256:
        raise Damaged(f"{part.name} is not what was backed up.", remedy=_USE_ANOTHER)


def _sync(folder: Path) -> None:
    for path in (folder, *(one for one in folder.rglob("*") if one.is_dir())):
        _sync_folder(path)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- compression ---------------------------------------------------------------------------


def compression_of(file: Path) -> Compression:
    """Return what a file's name asks for, or raise `ConfigurationError` if this Python has not."""
    if file.suffix == ".zst":
        _zstd()
        return "zstd"
    return "gzip"


@contextmanager
def _compressing(sealed: SealedWriter, compression: Compression) -> Iterator[IO[bytes]]:
    if compression == "gzip":
        with gzip.GzipFile("", "wb", compresslevel=1, fileobj=sealed, mtime=0) as stream:
            yield cast("IO[bytes]", stream)
    else:
        with _zstd().ZstdFile(sealed, "wb") as stream:
            yield stream


@contextmanager
def _decompressing(source: IO[bytes], compression: Compression) -> Iterator[IO[bytes]]:
    if compression == "gzip":
        with gzip.GzipFile("", "rb", fileobj=source) as stream:
            yield cast("IO[bytes]", stream)
    else:
        with _zstd().ZstdFile(source, "rb") as stream:
            yield stream


def _zstd() -> Any:
    try:
        return importlib.import_module("compression.zstd")
    except ImportError as error:
        raise ConfigurationError(
            "This Python has no Zstandard; it came with Python 3.14.",
            remedy="Name the file .tar.gz.",
        ) from error
