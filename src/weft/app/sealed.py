"""Sealed files: a stream that only its key opens, and that shows every change.

Chunks under AES-256-GCM in the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár
2015): a nonce is the chunk's number and whether it is the last, so chunks that were
changed, moved, left out or cut off do not open. The header is bound to every chunk. The
key comes from a passphrase (argon2id) or from a key file, and is another one in each file.
"""

import base64
import binascii
import hashlib
import io
import os
import stat
import struct
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from weft.errors import AlreadyExists, ConfigurationError, Damaged, Invalid
from weft.security.passwords import require_password

MAGIC = b"weft-sealed-1\n"
CHUNK_BYTES = 1 << 20
TAG_BYTES = 16
HEADER_MAX = 4096
MEMORY_KIB = 64 * 1024  # RFC 9106, 4: the second recommended option
MEMORY_KIB_MAX = 1 << 20  # a file from elsewhere must not take all memory
ITERATIONS = 3
ITERATIONS_MAX = 16
LANES = 4
KEY_FILE_FORM = "weft-backup-key-1"

Compression = Literal["gzip", "zstd"]


class Header(Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a sealed file without its key."""

    kind: Literal["passphrase", "key-file"]
    salt: bytes
    check: bytes  # tells a wrong key from a damaged file
    compression: Compression
    memory_kib: int = MEMORY_KIB
    iterations: int = ITERATIONS
    lanes: int = LANES


class Secret(Struct, frozen=True):
    """What seals and opens: a passphrase, or the bytes of a key file."""

    kind: Literal["passphrase", "key-file"]
    material: bytes

    def __repr__(self) -> str:
        return f"Secret({self.kind})"


def passphrase_secret(text: str, *, new: bool) -> Secret:
    """Return a passphrase as a secret; a new one must be as hard to guess as a password."""
    if new:
        text = require_password(text)
    return Secret("passphrase", text.encode())


def make_key_file(path: Path) -> Secret:
    """Write a new key file for its owner alone; refuse to write over one."""
    material = os.urandom(32)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise AlreadyExists(f"The key file {path} is there already.") from error
    except OSError as error:
        raise ConfigurationError(
            f"The key file {path} cannot be made: {error.strerror}."
        ) from error
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{KEY_FILE_FORM} {base64.b64encode(material).decode()}\n")
        file.flush()
        os.fsync(file.fileno())
    return Secret("key-file", material)


def read_key_file(path: Path) -> Secret:
    """Read a key file that `make_key_file` wrote."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            form, _, text = file.read(1024).decode("ascii", "replace").strip().partition(" ")
    except OSError as error:
        raise ConfigurationError(
            f"The key file {path} cannot be read: {error.strerror}.",
            remedy="Name the file that was made with the backup.",
        ) from error
    if mode & 0o077:
        raise ConfigurationError(
            f"Others may read the key file {path}.", remedy=f"Run: chmod 600 {path}"
        )
    try:
        material = base64.b64decode(text, validate=True)
    except binascii.Error:
        material = b""
    if form != KEY_FILE_FORM or len(material) != 32:
        raise ConfigurationError(
            f"{path} is no key file of a backup.",
            remedy="Name the file that was made with the backup.",
        )
    return Secret("key-file", material)


class SealedWriter(io.RawIOBase):
    """Seals what is written. Only after `finish` is the file whole."""

    def __init__(self, file: BinaryIO, secret: Secret, compression: Compression) -> None:
        super().__init__()
        self._file = file
        self._waiting = bytearray()
        self._number = 0
        header = Header(secret.kind, os.urandom(16), b"", compression)
        key, check = _keys(secret, header)
        header = msgspec.structs.replace(header, check=check)
        encoded = msgspec.json.encode(header)
        self._cipher = AESGCM(key)
        self._bound = hashlib.sha256(encoded).digest()
        file.write(MAGIC + struct.pack(">H", len(encoded)) + encoded)

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: object) -> int:
        """Take bytes; seal them a chunk at a time."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]  # whatever has a buffer
        self._waiting += view
        while len(self._waiting) > CHUNK_BYTES:  # never the last chunk: that is for `finish`
            self._seal(bytes(self._waiting[:CHUNK_BYTES]), last=False)
            del self._waiting[:CHUNK_BYTES]
        return len(view)

    def finish(self) -> None:
        """Write the last chunk."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        nonce = _nonce(self._number, last=last)
        self._number += 1
        self._file.write(self._cipher.encrypt(nonce, chunk, self._bound))


class SealedReader(io.RawIOBase):
    """Opens what `SealedWriter` wrote, or raises `Damaged`; gives nothing that is not verified."""

    def __init__(self, file: BinaryIO, secret: Secret, name: str) -> None:
        super().__init__()
        self._file = file
        self._name = name
        self._ready = memoryview(b"")
        self._number = 0
        self._ended = False
        encoded, self.header = read_header(file, name)
        if secret.kind != self.header.kind:
            other = "--key-file" if self.header.kind == "key-file" else "its passphrase"
            raise Invalid(f"{name} is not sealed with a {secret.kind}.", remedy=f"Give {other}.")
        key, check = _keys(secret, self.header)
        if check != self.header.check:
            raise Invalid(
                f"This is not the {secret.kind} that {name} was sealed with.",
                remedy="Try again; without it nobody can open the file.",
            )
        self._cipher = AESGCM(key)
        self._bound = hashlib.sha256(encoded).digest()
        self._next = file.read(CHUNK_BYTES + TAG_BYTES)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill a buffer with verified bytes; 0 at the end."""
        target = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # whatever has a buffer
        if not self._ready and not self._ended:
            self._ready = memoryview(self._open_next())
        count = min(len(target), len(self._ready))
        target[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _open_next(self) -> bytes:
        sealed, self._next = self._next, self._file.read(CHUNK_BYTES + TAG_BYTES)
        self._ended = not self._next
        nonce = _nonce(self._number, last=self._ended)
        self._number += 1
        try:
            return self._cipher.decrypt(nonce, sealed, self._bound)
        except InvalidTag as error:
            raise Damaged(
                f"{self._name} is damaged or was cut off, {self._number - 1} MiB in.",
                remedy="Use another copy of the backup; nothing of this one was put in place.",
            ) from error


def read_header(file: BinaryIO, name: str) -> tuple[bytes, Header]:
    """Return the header, as it is written and read."""
    start = file.read(len(MAGIC) + 2)
    if not start.startswith(MAGIC) or len(start) != len(MAGIC) + 2:
        raise Invalid(f"{name} is no backup of Weft.", remedy="Name a file of `weft backup`.")
    encoded = file.read(min(struct.unpack(">H", start[-2:])[0], HEADER_MAX))
    try:
        header = msgspec.json.decode(encoded, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"The header of {name} is damaged.", remedy="Use another copy.") from error
    if header.memory_kib > MEMORY_KIB_MAX or not 0 < header.iterations <= ITERATIONS_MAX:
        raise Invalid(
            f"{name} asks for more work on its passphrase than a backup of Weft ever does.",
            remedy="Use a file that `weft backup` wrote.",
        )
    return encoded, header


def _keys(secret: Secret, header: Header) -> tuple[bytes, bytes]:
    """Return the key of one file, and what tells that it is that one."""
    material = secret.material
    if header.kind == "passphrase":
        try:
            material = Argon2id(
                salt=header.salt,
                length=32,
                iterations=header.iterations,
                lanes=header.lanes,
                memory_cost=header.memory_kib,
            ).derive(material)
        except ValueError as error:
            raise Damaged("The backup's header is damaged.", remedy="Use another copy.") from error
    both = HKDF(SHA256(), 48, salt=header.salt, info=b"weft/backup").derive(material)
    return both[:32], both[32:]


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")
