"""Key files: the folder of an authority's keys and certificates, each sealed and whole.

Files are for their owner alone; a private key is sealed under the folder's passphrase. A
file is replaced in one step, so that a crash leaves the old or the new one. The root's key
leaves the folder sealed under a passphrase of its owner's.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from weft.errors import ConfigurationError, Invalid
from weft.security.certificates import PrivateKey, pem_of

PASSPHRASE_MIN_CHARACTERS = 12
SEALING_ROUNDS = 600_000  # of PBKDF2-HMAC-SHA-256, for a passphrase of people's


class KeyFolder:
    """Certificates and keys by name: `root.pem` and `root.key`, and so on."""

    def __init__(self, folder: Path, passphrase: bytes) -> None:
        self._folder = folder
        self._passphrase = passphrase

    def prepare(self) -> None:
        """Make the folder."""
        self._folder.mkdir(mode=0o700, exist_ok=True)

    def path(self, name: str) -> Path:
        """Return where a file is, or would be."""
        return self._folder / name

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return self.path(name).exists()

    def store(self, name: str, key: PrivateKey, chain: Sequence[x509.Certificate]) -> None:
        """Write a key, and then its certificate with those that go along."""
        sealed = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(self._passphrase),
        )
        _write(self.path(f"{name}.key"), sealed)
        _write(self.path(f"{name}.pem"), "".join(map(pem_of, chain)).encode())

    def certificates(self, name: str) -> list[x509.Certificate]:
        """Return the certificates of a file, or raise `ConfigurationError`."""
        path = self.path(f"{name}.pem")
        try:
            return x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError) as error:
            raise _unusable(path) from error

    def key(self, name: str) -> PrivateKey:
        """Return a key, or raise `ConfigurationError`."""
        path = self.path(f"{name}.key")
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), self._passphrase)
        except (OSError, ValueError, TypeError) as error:
            raise _unusable(path) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise _unusable(path)
        return key

    def belong_together(self, name: str) -> bool:
        """Whether a key is that of its certificate: a stop between the two writes parts them."""
        return self.key(name).public_key() == self.certificates(name)[0].public_key()

    def remove_key(self, name: str) -> None:
        """Remove a key from the folder, for good."""
        path = self.path(f"{name}.key")
        path.write_bytes(b"\0" * path.stat().st_size)  # what undelete would find is nothing
        path.unlink()
        _sync(self._folder)


def seal_key(key: PrivateKey, certificate: x509.Certificate, passphrase: str) -> bytes:
    """Seal a key under a passphrase of its owner's (PKCS #12, as OpenSSL opens it).

    PKCS #8 would be PEM, but is written with too few rounds for what people choose.
    """
    if len(passphrase) < PASSPHRASE_MIN_CHARACTERS:
        raise Invalid(
            f"The passphrase has {len(passphrase)} characters.",
            remedy=f"Choose one of at least {PASSPHRASE_MIN_CHARACTERS}; it guards all devices.",
        )
    sealing = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(SEALING_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(passphrase.encode())
    )
    return pkcs12.serialize_key_and_certificates(b"weft root", key, certificate, None, sealing)


def open_key(sealed: bytes, passphrase: str) -> PrivateKey:
    """Open what `seal_key` sealed; raise `Invalid` for another file or passphrase."""
    try:
        key, _, _ = pkcs12.load_key_and_certificates(sealed, passphrase.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Invalid(
            "The sealed key does not open.", remedy="Check the file and its passphrase."
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Invalid("The file holds no key of an authority of Weft's.")
    return key


def _write(path: Path, data: bytes) -> None:
    target = path.with_suffix(path.suffix + ".new")
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    target.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unusable(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"The certificate authority's file {path} cannot be used.",
        remedy="Restore the data folder, its key file included, from one backup.",
    )
