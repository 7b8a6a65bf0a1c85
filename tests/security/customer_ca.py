"""A customer's own authority, as the customer runs it: makes devices, proves its key."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from weft.security.certificates import key_usage, name_of, pem_of, private_pem

CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)


class CustomerCa:
    """An authority at a moment (seconds; now if left out)."""

    def __init__(self, name: str = "Acme devices", *, at_s: float | None = None) -> None:
        self.now = datetime.now(UTC) if at_s is None else datetime.fromtimestamp(at_s, UTC)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = name_of(name)
        self.certificate = (
            self._builder(self.name, self.key.public_key(), 3650)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(authority=True), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.pem = pem_of(self.certificate)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: float
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - timedelta(hours=1))
            .not_valid_after(self.now + timedelta(days=days))
        )

    def sign(
        self,
        common_name: str,
        key: ec.EllipticCurvePrivateKey | None = None,
        *,
        uris: tuple[str, ...] = (),
        usage: tuple[x509.ObjectIdentifier, ...] = CLIENT,
        days: float = 30,
    ) -> x509.Certificate:
        """Sign a device's certificate."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(name_of(common_name), key.public_key(), days)
        builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        if uris:
            names = [x509.UniformResourceIdentifier(uri) for uri in uris]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def request(self, common_name: str, key: ec.EllipticCurvePrivateKey) -> str:
        """A signing request, as a device makes it."""
        builder = x509.CertificateSigningRequestBuilder().subject_name(name_of(common_name))
        return pem_of(builder.sign(key, hashes.SHA256()))

    def proof(self, nonce: str) -> str:
        """Sign the certificate that proves the key."""
        return pem_of(self.sign(nonce))


def der_of(certificate: x509.Certificate) -> bytes:
    """Return what TLS shows of a certificate."""
    return certificate.public_bytes(serialization.Encoding.DER)


def with_key(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> str:
    """Return a file for `load_cert_chain`."""
    return private_pem(key) + pem_of(certificate)
