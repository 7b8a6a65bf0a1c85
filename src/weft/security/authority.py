"""Authority: our own, and what it signs.

A root signs an intermediate, the intermediate signs devices and this server (P-256). The
root's key is needed for nothing else, so it can be kept elsewhere: then all goes on, and
only a new intermediate waits for it. What nears its end is renewed long before.
"""

import ipaddress
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from msgspec import Struct

from weft.errors import ConfigurationError, Conflict, Invalid, NotFound
from weft.model.device import Device
from weft.model.moments import NS_PER_S, to_rfc3339
from weft.ports import Clock
from weft.security.certificates import (
    IssuedCertificate,
    PrivateKey,
    PublicKey,
    key_usage,
    name_of,
    ns_of,
    pem_of,
    private_pem,
    read_request,
    uri_of,
)
from weft.security.key_files import KeyFolder, open_key, seal_key
from weft.security.server_tls import Clients, ServerTls

SERVER_DAYS = 365
INTERMEDIATE_DAYS = 5 * 365
ROOT_DAYS = 20 * 365
BACKDATED = timedelta(minutes=5)  # a device whose clock is a little slow still believes us


class CertificateSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[security.certificates]`: what our authority issues."""

    device_days: float = 90.0  # renewal is open in the last third: a month for a device to wake


class AuthorityState(Struct, frozen=True):
    """Until when each certificate is good, and whether the root's key is in the data folder."""

    root_pem: str
    chain_pem: str
    root_expires_at: int
    intermediate_expires_at: int
    server_expires_at: int
    root_key_here: bool
    warning: str = ""  # what somebody must do, if anything


class ServerIdentity(Struct, frozen=True):
    """What a listener shows of itself, and whom it trusts to vouch for devices."""

    chain: Sequence[x509.Certificate]  # its own first
    key: PrivateKey
    trusted: Sequence[x509.Certificate]


class CertificateAuthority:
    """Root and intermediate in a folder. `passphrase` seals the key files."""

    def __init__(
        self,
        folder: Path,
        passphrase: bytes,
        clock: Clock,
        settings: CertificateSettings | None = None,
    ) -> None:
        self._files = KeyFolder(folder, passphrase)
        self._clock = clock
        self._settings = settings or CertificateSettings()
        server = (self._files.path("server.pem"), self._files.path("server.key"))
        self._tls = ServerTls(*server, passphrase)
        self._names: list[x509.GeneralName] = []
        self._foreign: tuple[str, ...] = ()

    def open(self, server_names: Sequence[str] = ()) -> None:
        """Make what is missing and renew what is near its end. Blocks: call before the loop."""
        self._files.prepare()
        if not self._files.has("root.pem"):
            self._make_root()
        self._root = self._files.certificates("root")[0]
        if not self._files.has("intermediate.pem"):
            self._make_intermediate(self._root_key())
        if self._files.has("root.key") and not self._files.belong_together("intermediate"):
            self._make_intermediate(self._root_key())
        self._load_intermediate()
        self._names = _server_names(server_names)
        self._root_key_here = self._files.has("root.key")
        self.renew_due()
        if self._clock.now() >= ns_of(self._intermediate.not_valid_after_utc):
            self._root_key()  # says where to put it: nothing works without a new intermediate

    @property
    def root_pem(self) -> str:
        """The certificate that clients check this server with."""
        return pem_of(self._root)

    @property
    def chain_pem(self) -> str:
        """The intermediate that signs now."""
        return pem_of(self._intermediate)

    def issue(
        self, device: Device, request: str | bytes | None = None, *, life: timedelta | None = None
    ) -> IssuedCertificate:
        """Issue a device's certificate, for the key of its request or for a new one."""
        private: PrivateKey | None = None
        own = uri_of(device.tenant, device.uid)
        if request is None:
            private = ec.generate_private_key(ec.SECP256R1())
            public: PublicKey = private.public_key()
        else:
            public = read_request(request, own)
        uri = x509.UniformResourceIdentifier(own)
        subject = device.device_id[:64]
        life = life or timedelta(days=self._settings.device_days)
        certificate = (
            self._builder(subject, public, life, self._intermediate.subject)
            .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(key_usage(authority=False), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(self._issuer_id(), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return IssuedCertificate(
            certificate_pem=pem_of(certificate),
            chain_pem=self.chain_pem,
            root_pem=self.root_pem,
            private_key_pem=None if private is None else private_pem(private),
            der=certificate.public_bytes(serialization.Encoding.DER),
            expires_at=ns_of(certificate.not_valid_after_utc),
        )

    def server_context(self, clients: Clients = "none") -> ssl.SSLContext:
        """Return TLS for a listener; what is renewed later is seen by its next handshakes."""
        return self._tls.context(clients)

    @property
    def generation(self) -> int:
        """Grows when our certificate is renewed, or who is trusted has changed."""
        return self._tls.generation

    def server_identity(self) -> ServerIdentity:
        """Return certificates and key for a listener whose TLS is not Python's. Blocks."""
        trusted = x509.load_pem_x509_certificates(self.trusted_pem.encode())
        return ServerIdentity(
            self._files.certificates("server"), self._files.key("server"), trusted
        )

    def trust(self, foreign: Sequence[str]) -> None:
        """Trust customers' own authorities (PEM) beside ours for client certificates."""
        self._foreign = tuple(foreign)
        self._trust()

    @property
    def trusted_own_pem(self) -> str:
        """Our root, the intermediate, and the one before."""
        return "".join([self.root_pem, *map(pem_of, self._intermediates)])

    @property
    def trusted_pem(self) -> str:
        """All authorities that a client certificate may come from, ours first."""
        return "".join([self.trusted_own_pem, *self._foreign])

    def _trust(self) -> None:
        self._tls.trust([self.trusted_pem])

    # --- the root's key, and renewal ---

    def state(self) -> AuthorityState:
        """Return until when all is good."""
        warning = ""
        if not self._root_key_here and self._is_old(self._intermediate):
            ends = to_rfc3339(ns_of(self._intermediate.not_valid_after_utc))
            warning = (
                f"the intermediate certificate ends at {ends} and the root's key is not here: "
                "weft ca renew-intermediate --root FILE"
            )
        return AuthorityState(
            root_pem=self.root_pem,
            chain_pem=self.chain_pem,
            root_expires_at=ns_of(self._root.not_valid_after_utc),
            intermediate_expires_at=ns_of(self._intermediate.not_valid_after_utc),
            server_expires_at=ns_of(self._server.not_valid_after_utc),
            root_key_here=self._root_key_here,
            warning=warning,
        )

    def renew_due(self) -> list[str]:
        """Renew what is in its last third; return what was. Blocks for some milliseconds."""
        renewed = []
        if self._is_old(self._intermediate) and self._files.has("root.key"):
            self.renew_intermediate()
            renewed.append("intermediate")
        if not self._files.has("server.pem") or self._is_server_old():
            self._make_server()
            renewed.append("server")
        self._server = self._files.certificates("server")[0]
        self._trust()
        return renewed

    def export_root(self, passphrase: str) -> bytes:
        """Return the root's key sealed under its owner's passphrase; it stays here as well.

        Raises `NotFound` when it was taken offline before. Blocks for some tenths of a second.
        """
        if not self._files.has("root.key"):
            raise NotFound(
                "The root's key is not here: it was taken offline.",
                remedy="It is in the file that was made then.",
            )
        return seal_key(self._files.key("root"), self._root, passphrase)

    def take_root_offline(self, sealed: bytes, passphrase: str) -> None:
        """Remove the root's key, once shown a sealed copy of it that opens.

        Raises `Invalid` for a file that does not open or holds another key.
        """
        self.require_root(sealed, passphrase)
        if self._files.has("root.key"):
            self._files.remove_key("root")
        self._root_key_here = False

    def renew_intermediate(self, sealed: bytes = b"", passphrase: str = "") -> None:
        """Sign a new intermediate, with the root's key from here or from its sealed copy.

        Certificates of the intermediate before stay good. Raises `Conflict` when the root's
        key is not here and no copy was given, `Invalid` when the copy is not the root's.
        """
        if sealed:
            key = self.require_root(sealed, passphrase)
        elif self._files.has("root.key"):
            key = self._files.key("root")
        else:
            raise Conflict(
                "The root's key is not here: it was taken offline.",
                remedy="Name the file that was made then: weft ca renew-intermediate --root FILE",
            )
        self._make_intermediate(key)
        self._load_intermediate()
        self._make_server()
        self._server = self._files.certificates("server")[0]
        self._trust()

    def require_root(self, sealed: bytes, passphrase: str) -> PrivateKey:
        """Return the root's key out of its sealed copy, or raise `Invalid`."""
        key = open_key(sealed, passphrase)
        if key.public_key() != self._root.public_key():
            raise Invalid(
                "This is not the key of this Weft's root.",
                remedy="Compare with weft ca show: each data folder has a root of its own.",
            )
        return key

    def _root_key(self) -> PrivateKey:
        if not self._files.has("root.key"):
            raise ConfigurationError(
                "The intermediate certificate needs renewal and the root's key is not here.",
                remedy=f"Put the root key back at {self._files.path('root.key')} for one start.",
            )
        return self._files.key("root")

    # --- making ---

    def _make_root(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        life = timedelta(days=ROOT_DAYS)
        certificate = (
            self._builder("Weft root", key.public_key(), life, name_of("Weft root"))
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(key_usage(authority=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        self._files.store("root", key, [certificate])

    def _make_intermediate(self, root_key: PrivateKey) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        life = timedelta(days=INTERMEDIATE_DAYS)
        certificate = (
            self._builder("Weft devices", key.public_key(), life, self._root.subject)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(authority=True), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
                critical=False,
            )
            .sign(root_key, hashes.SHA256())
        )
        # Devices of the one before come with a leaf alone for another 90 days.
        has_one = self._files.has("intermediate.pem")
        before = self._files.certificates("intermediate") if has_one else []
        self._files.store("intermediate", key, [certificate, *before[:1]])

    def _load_intermediate(self) -> None:
        self._intermediates = self._files.certificates("intermediate")
        self._intermediate = self._intermediates[0]
        self._key = self._files.key("intermediate")

    def _make_server(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        life = timedelta(days=SERVER_DAYS)
        certificate = (
            self._builder("Weft server", key.public_key(), life, self._intermediate.subject)
            .add_extension(x509.SubjectAlternativeName(self._names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(key_usage(authority=False), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(self._issuer_id(), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self._files.store("server", key, [certificate, self._intermediate])

    def _builder(
        self, common_name: str, key: PublicKey, life: timedelta, issuer: x509.Name
    ) -> x509.CertificateBuilder:
        now = self._now()
        return (
            x509.CertificateBuilder()
            .subject_name(name_of(common_name))
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(now + life)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )

    def _issuer_id(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())

    # --- age ---

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now() / NS_PER_S, UTC)

    def _is_old(self, certificate: x509.Certificate) -> bool:
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        return certificate.not_valid_after_utc - self._now() < life / 3

    def _is_server_old(self) -> bool:
        """Whether it nears its end, is of another intermediate, or for other names or a key."""
        certificate = self._files.certificates("server")[0]
        if self._is_old(certificate) or not self._files.belong_together("server"):
            return True
        try:
            certificate.verify_directly_issued_by(self._intermediate)
        except (ValueError, TypeError, InvalidSignature):
            return True
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return list(san) != self._names


def _server_names(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in dict.fromkeys(("localhost", "127.0.0.1", "::1", *names)):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found
