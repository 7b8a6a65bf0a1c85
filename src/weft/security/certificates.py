"""Certificates: our own authority, and who a certificate says its holder is.

A root signs an intermediate, the intermediate signs devices and this server; the root's
key file can be taken offline at once. A device is known by the SHA-256 of its public key
and by exactly one URI in its SAN, `urn:weft:<tenant>:device:<uid>`; names in the subject
are for people and prove nothing (ID-4). What a signing request asks for beyond its key
is not read.
"""

import hashlib
import ipaddress
import os
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from weft.errors import ConfigurationError, Invalid
from weft.model.device import Device
from weft.model.moments import NS_PER_S
from weft.ports import Clock

DEVICE_DAYS = 90
SERVER_DAYS = 365
INTERMEDIATE_DAYS = 5 * 365
ROOT_DAYS = 20 * 365
BACKDATED = timedelta(minutes=5)  # a device whose clock is a little slow still believes us
CSR_MAX_BYTES = 16 * 1024
RSA_MIN_BITS = 2048

# TLS 1.2 suites with forward secrecy and AEAD; those of 1.3 are all such.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
PrivateKey = ec.EllipticCurvePrivateKey


class IssuedCertificate(Struct, frozen=True):
    """A device's certificate; the key is there only when it was made here, and is shown once."""

    certificate_pem: str
    chain_pem: str  # the intermediate, to be sent along
    root_pem: str  # to check this server with
    private_key_pem: str | None
    der: bytes
    expires_at: int


class PresentedCertificate(Struct, frozen=True):
    """What a certificate proves: a public key, one URI, and until when."""

    fingerprint: str  # SHA-256 of the SubjectPublicKeyInfo, hex
    uri: str
    not_before: int
    not_after: int


def uri_of(tenant: str, uid: str) -> str:
    """Return the SAN of a device."""
    return f"urn:weft:{tenant}:device:{uid}"


def fingerprint_of(key: PublicKey) -> str:
    """Return the SHA-256 of a SubjectPublicKeyInfo, in hex."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def read_certificate(der: bytes) -> PresentedCertificate:
    """Read what a device's certificate proves; raise `Invalid` if it is no device's."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        key = require_public_key(certificate.public_key())
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
        raise Invalid("The certificate is not one of a device.") from error
    uris = san.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1 or ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise Invalid("The certificate is not for client authentication by one URI.")
    return PresentedCertificate(
        fingerprint=fingerprint_of(key),
        uri=uris[0],
        not_before=_ns(certificate.not_valid_before_utc),
        not_after=_ns(certificate.not_valid_after_utc),
    )


def require_public_key(key: object) -> PublicKey:
    """Return a key that is strong enough, or raise `Invalid`."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(
        key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1
    ):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_MIN_BITS:
        return key
    raise Invalid(
        "The key is too weak or of an unknown kind.",
        remedy="Use ECDSA P-256, Ed25519, or RSA with at least 2048 bits.",
    )


def read_request(pem: str) -> PublicKey:
    """Return the public key of a signing request whose signature proves the private one."""
    if len(pem) > CSR_MAX_BYTES:
        raise Invalid(f"A signing request fits in {CSR_MAX_BYTES} bytes.")
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        if not request.is_signature_valid:
            raise InvalidSignature
        asked = request.extensions
        key = require_public_key(request.public_key())
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise Invalid(
            "The signing request cannot be read, or its signature is not by its own key.",
            remedy="Make it with: openssl req -new -key device.key -subj /CN=device",
        ) from error
    for extension in asked:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            raise Invalid("A device cannot be an authority.", remedy="Leave CA:TRUE out.")
    return key


class CertificateAuthority:
    """Root and intermediate in a folder. `passphrase` seals the key files."""

    def __init__(self, folder: Path, passphrase: bytes, clock: Clock) -> None:
        self._folder = folder
        self._passphrase = passphrase
        self._clock = clock

    def open(self, server_names: Sequence[str] = ()) -> None:
        """Make what is missing and renew what is near its end. Blocks: call before the loop."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if not self._path("root.pem").exists():
            self._make_root()
        self._root = self._load_certificate("root.pem")
        if not self._path("intermediate.pem").exists() or self._is_old("intermediate.pem"):
            self._make_intermediate()
        self._intermediate = self._load_certificate("intermediate.pem")
        self._key = self._load_key("intermediate.key")
        names = _server_names(server_names)
        if not self._path("server.pem").exists() or self._is_old("server.pem", names):
            self._make_server(names)

    @property
    def root_pem(self) -> str:
        """The certificate that clients check this server with."""
        return _pem(self._root)

    def issue(self, device: Device, request_pem: str | None = None) -> IssuedCertificate:
        """Issue a device's certificate, for the key of its request or for a new one."""
        private: PrivateKey | None = None
        if request_pem is None:
            private = ec.generate_private_key(ec.SECP256R1())
            public: PublicKey = private.public_key()
        else:
            public = read_request(request_pem)
        uri = x509.UniformResourceIdentifier(uri_of(device.tenant, device.uid))
        certificate = (
            self._builder(device.device_id[:64], public, DEVICE_DAYS, self._intermediate.subject)
            .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(_leaf_usage(), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(self._issuer_id(), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return IssuedCertificate(
            certificate_pem=_pem(certificate),
            chain_pem=_pem(self._intermediate),
            root_pem=self.root_pem,
            private_key_pem=None if private is None else _private_pem(private),
            der=certificate.public_bytes(serialization.Encoding.DER),
            expires_at=_ns(certificate.not_valid_after_utc),
        )

    def server_context(
        self, clients: Literal["none", "optional", "required"] = "none"
    ) -> ssl.SSLContext:
        """Return TLS 1.2 and 1.3 for our listeners, without any resumption (RV-2)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        # Tickets of TLS 1.2 need the option, those of 1.3 the number: either alone leaves one.
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        context.num_tickets = 0
        # Python cannot turn off TLS 1.2's cache of session ids; this is asked in each handshake.
        context.sni_callback = _refuse_resumption
        context.load_cert_chain(
            self._path("server.pem"), self._path("server.key"), password=self._passphrase
        )
        if clients != "none":
            intermediates = self._path("intermediate.pem").read_text()
            context.load_verify_locations(cadata=self.root_pem + intermediates)
            required = clients == "required"
            context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        return context

    # --- making ---

    def _make_root(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Weft root")
        certificate = (
            self._builder("Weft root", key.public_key(), ROOT_DAYS, name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(_authority_usage(), critical=True)
            .sign(key, hashes.SHA256())
        )
        self._store("root", key, [certificate])

    def _make_intermediate(self) -> None:
        if not self._path("root.key").exists():
            raise ConfigurationError(
                "The intermediate certificate needs renewal and the root's key is not here.",
                remedy=f"Put the root key back at {self._path('root.key')} for one start.",
            )
        root_key = self._load_key("root.key")
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._builder("Weft devices", key.public_key(), INTERMEDIATE_DAYS, self._root.subject)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_authority_usage(), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
                critical=False,
            )
            .sign(root_key, hashes.SHA256())
        )
        path = self._path("intermediate.pem")
        # Devices of the one before come with a leaf alone for another 90 days.
        before = x509.load_pem_x509_certificates(path.read_bytes()) if path.exists() else []
        self._store("intermediate", key, [certificate, *before[:1]])

    def _make_server(self, names: list[x509.GeneralName]) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._builder("Weft server", key.public_key(), SERVER_DAYS, self._intermediate.subject)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_leaf_usage(), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(self._issuer_id(), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self._store("server", key, [certificate, self._intermediate])

    def _builder(
        self, common_name: str, key: PublicKey, days: int, issuer: x509.Name
    ) -> x509.CertificateBuilder:
        now = datetime.fromtimestamp(self._clock.now() / NS_PER_S, UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(common_name))
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )

    def _issuer_id(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())

    # --- files ---

    def _path(self, name: str) -> Path:
        return self._folder / name

    def _is_old(self, name: str, names: list[x509.GeneralName] | None = None) -> bool:
        certificate = self._load_certificate(name)
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        now = datetime.fromtimestamp(self._clock.now() / NS_PER_S, UTC)
        if certificate.not_valid_after_utc - now < life / 3:
            return True
        if names is None:
            return False
        try:
            certificate.verify_directly_issued_by(self._intermediate)
        except (ValueError, TypeError, InvalidSignature):
            return True
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return list(san) != names

    def _store(self, name: str, key: PrivateKey, chain: list[x509.Certificate]) -> None:
        sealed = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(self._passphrase),
        )
        _write(self._path(f"{name}.key"), sealed)
        _write(self._path(f"{name}.pem"), "".join(map(_pem, chain)).encode())

    def _load_certificate(self, name: str) -> x509.Certificate:
        try:
            return x509.load_pem_x509_certificate(self._path(name).read_bytes())
        except (OSError, ValueError) as error:
            raise _unusable(self._path(name)) from error

    def _load_key(self, name: str) -> PrivateKey:
        try:
            key = serialization.load_pem_private_key(
                self._path(name).read_bytes(), self._passphrase
            )
        except (OSError, ValueError, TypeError) as error:
            raise _unusable(self._path(name)) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise _unusable(self._path(name))
        return key


def _refuse_resumption(
    tls: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
) -> int | None:
    """Refuse a session that is resumed; the alert makes both ends forget it (RV-2)."""
    return ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE if tls.session_reused else None


def _server_names(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in dict.fromkeys(("localhost", "127.0.0.1", "::1", *names)):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _private_pem(key: PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _leaf_usage() -> x509.KeyUsage:
    return _usage(authority=False)


def _authority_usage() -> x509.KeyUsage:
    return _usage(authority=True)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * NS_PER_S


def _write(path: Path, data: bytes) -> None:
    target = path.with_suffix(path.suffix + ".new")
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    target.replace(path)


def _unusable(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"The certificate authority's file {path} cannot be used.",
        remedy="Restore the data folder, its key file included, from one backup.",
    )
