"""Certificates: who a certificate says its holder is, and what a signing request proves.

A device is known by the SHA-256 of its public key and, in a certificate of ours, by exactly
one URI in its SAN, `urn:weft:<tenant>:device:<uid>`; names in the subject are for people and
prove nothing (ID-4). Of a signing request the key is taken and nothing else; one that asks to be
another device is refused, since whoever made it expects to be that.
"""

import hashlib
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from weft.errors import Invalid, SigningRequestInvalid
from weft.model.moments import NS_PER_S

CSR_MAX_BYTES = 16 * 1024
RSA_MIN_BITS = 2048
_OURS = "urn:weft:"

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
    states_usage: bool = True  # that it is for clients; else it says nothing of what it is for


def uri_of(tenant: str, uid: str) -> str:
    """Return the SAN of a device."""
    return f"{_OURS}{tenant}:device:{uid}"


def fingerprint_of(key: PublicKey) -> str:
    """Return the SHA-256 of a SubjectPublicKeyInfo, in hex."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def read_certificate(der: bytes) -> PresentedCertificate:
    """Read what a device's certificate proves; raise `Invalid` if it is no device's.

    The URI is empty where there is none, or not one: no device of ours has such a one. Without
    the extension extendedKeyUsage its use is not restricted (RFC 5280 4.2.1.12), as a factory's
    often is; where the extension is there, it names client authentication.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        key = require_public_key(certificate.public_key())
        found = (one.value for one in certificate.extensions)
        usage = next((one for one in found if isinstance(one, x509.ExtendedKeyUsage)), None)
        uris = uris_of(certificate)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise Invalid("The certificate is not one of a device.") from error
    if usage is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise Invalid(
            "The certificate is not for client authentication.",
            remedy="Have it signed with extendedKeyUsage=clientAuth, or without that extension.",
        )
    return PresentedCertificate(
        fingerprint=fingerprint_of(key),
        uri=uris[0] if len(uris) == 1 else "",
        not_before=ns_of(certificate.not_valid_before_utc),
        not_after=ns_of(certificate.not_valid_after_utc),
        states_usage=usage is not None,
    )


def uris_of(certificate: x509.Certificate) -> list[str]:
    """Return the URIs of a certificate's SAN."""
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return san.get_values_for_type(x509.UniformResourceIdentifier)


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


def read_request(request: str | bytes, uri: str = "") -> PublicKey:
    """Return the public key of a signing request whose signature proves the private one.

    Takes PKCS #10 as PEM or DER; raises `SigningRequestInvalid` for what is neither, for a
    signature that another key made, for a weak key, for one who would be an authority, and for
    one who would be another device than that of `uri` (PR-2). Names of hosts are let pass, and
    not read.
    """
    try:
        return _key_of(request, uri)
    except Invalid as error:
        raise SigningRequestInvalid(error.detail, remedy=error.remedy) from error


def _key_of(request: str | bytes, uri: str) -> PublicKey:
    data = request.encode() if isinstance(request, str) else request
    if len(data) > CSR_MAX_BYTES:
        raise Invalid(
            f"A signing request fits in {CSR_MAX_BYTES} bytes.",
            remedy="Leave out what is not its key: Weft reads nothing else.",
        )
    try:
        is_pem = b"-----BEGIN" in data
        asked = x509.load_pem_x509_csr(data) if is_pem else x509.load_der_x509_csr(data)
        if not asked.is_signature_valid:
            raise InvalidSignature
        extensions = asked.extensions
        key = require_public_key(asked.public_key())
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise Invalid(
            "The signing request cannot be read, or its signature is not by its own key.",
            remedy="Make it with: openssl req -new -key device.key -subj /CN=device",
        ) from error
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            raise Invalid("A device cannot be an authority.", remedy="Leave CA:TRUE out.")
        if isinstance(value, x509.SubjectAlternativeName):
            _require_own_name(value.get_values_for_type(x509.UniformResourceIdentifier), uri)
    return key


def require_possession(request: str, certificate: PresentedCertificate, name: str) -> None:
    """Raise `Invalid` unless a signing request for `name` is signed with a certificate's key."""
    key = read_request(request, certificate.uri)
    asked = x509.load_pem_x509_csr(request.encode()).subject
    names = [str(one.value) for one in asked.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if fingerprint_of(key) != certificate.fingerprint:
        raise Invalid(
            "The signing request is by another key than the certificate's.",
            remedy="Make it with the key of the device.",
        )
    if names != [name]:
        raise Invalid(
            f"The signing request is not for {name!r}.",
            remedy=f"Make it with: openssl req -new -key device.key -subj /CN={name}",
        )


def _require_own_name(asked: list[str], uri: str) -> None:
    for name in asked:
        if name.lower().startswith(_OURS) and name != uri:
            raise Invalid(
                f"The signing request names another device: {name[:200]}.",
                remedy="Leave the subjectAltName out: Weft puts the device's own there.",
            )


# --- what all who make certificates share ---


def name_of(common_name: str) -> x509.Name:
    """Return a subject of one common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def pem_of(certificate: x509.Certificate) -> str:
    """Write a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def private_pem(key: PrivateKey) -> str:
    """Write a private key in clear, to be shown once."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def key_usage(*, authority: bool) -> x509.KeyUsage:
    """Return what a key may do: sign certificates, or sign handshakes."""
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


def ns_of(moment: datetime) -> int:
    """Return a moment of a certificate (they are whole seconds) in nanoseconds."""
    return int(moment.timestamp()) * NS_PER_S
