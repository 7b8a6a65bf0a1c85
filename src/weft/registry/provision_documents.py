"""Provisioning's words: what a device says of itself, and what it is answered, this once.

They are the same over HTTP and CoAP. What proves the device is in the answer alone: nothing
here keeps it, and its text form withholds it.
"""

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from weft.model.device import Device, Lifecycle
from weft.model.ids import NAME_MAX_CHARACTERS
from weft.registry.device_checks import LABEL_MAX_CHARACTERS
from weft.security.certificates import IssuedCertificate
from weft.security.credential_records import IssuedIdentity, IssuedKey, IssuedSecret


class Wanted(StrEnum):
    """Which credential a device asks for."""

    SECRET = "secret"  # noqa: S105  the kind, not a secret
    CERTIFICATE = "certificate"
    PSK = "psk"


class ProvisionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a device says of itself."""

    serial: Annotated[
        str, Meta(min_length=1, max_length=NAME_MAX_CHARACTERS, description="Its own, for good.")
    ]
    label: Annotated[str, Meta(max_length=LABEL_MAX_CHARACTERS)] = ""
    attributes: dict[str, Any] = {}
    want: Annotated[
        Wanted,
        Meta(
            description="Which credential: a secret, a certificate (also where there is a "
            "signing request), or a pre-shared key for CoAP over DTLS."
        ),
    ] = Wanted.SECRET
    request_pem: (
        Annotated[str, Meta(max_length=16_384, description="PKCS #10, to keep the key at home.")]
        | None
    ) = None


class Provisioned(Struct, frozen=True):
    """A device with its first credential, which is shown this once."""

    device: Device
    issued: IssuedSecret | IssuedIdentity | IssuedKey

    def __repr__(self) -> str:
        return f"Provisioned({self.device.device_id}, withheld)"

    @property
    def token(self) -> str | None:
        """The secret, where that is what it got."""
        return self.issued.token if isinstance(self.issued, IssuedSecret) else None

    @property
    def certificate(self) -> IssuedCertificate | None:
        """The certificate, where that is what it got."""
        return self.issued.certificate if isinstance(self.issued, IssuedIdentity) else None

    @property
    def key(self) -> IssuedKey | None:
        """The pre-shared key with its name, where that is what it got."""
        return self.issued if isinstance(self.issued, IssuedKey) else None


class ProvisionedView(Struct, frozen=True):
    """What a device keeps: its identity, and the one thing that it proves itself with."""

    device_id: str
    uid: str
    lifecycle: Lifecycle
    token: str | None = None
    certificate_pem: str | None = None  # with the chain
    private_key_pem: str | None = None
    ca_pem: str | None = None
    psk_identity: str | None = None
    psk_key: str | None = None


def view_of(made: Provisioned) -> ProvisionedView:
    """Show what a device was given."""
    certificate, key = made.certificate, made.key
    return ProvisionedView(
        made.device.device_id,
        made.device.uid,
        made.device.lifecycle,
        token=made.token,
        certificate_pem=certificate.certificate_pem + certificate.chain_pem
        if certificate
        else None,
        private_key_pem=certificate.private_key_pem if certificate else None,
        ca_pem=certificate.root_pem if certificate else None,
        psk_identity=key.credential.credential_id if key else None,
        psk_key=key.key if key else None,
    )


__all__ = ["ProvisionRequest", "Provisioned", "ProvisionedView", "Wanted", "view_of"]
