"""Operations on what devices prove themselves with. A secret is shown once, here."""

from typing import Annotated

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation
from weft.api.services import Services
from weft.api.snippets import (
    Snippets,
    certificate_snippets,
    preshared_snippets,
    secret_snippets,
)
from weft.api.views import Moment, Page, moment
from weft.errors import (
    AlreadyExists,
    Conflict,
    Invalid,
    NotFound,
    QuotaExceeded,
    SigningRequestInvalid,
)
from weft.security.credential_records import IssuedKey
from weft.security.credentials import (
    CredentialKind,
    DeviceCredential,
    IssuedIdentity,
    IssuedSecret,
)

TEN_YEARS_S = 10 * 366 * 86_400


class CredentialView(Struct, frozen=True):
    """One way in for a device; the secret itself is not kept anywhere."""

    credential_id: str
    kind: CredentialKind
    label: str
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    psk_identity: str | None = None  # what the device sends with its pre-shared key


class NewCredential(Struct, frozen=True, forbid_unknown_fields=True):
    """The credential that a device should get."""

    kind: CredentialKind = CredentialKind.SECRET
    label: Annotated[str, Meta(max_length=256)] = ""
    life_s: (
        Annotated[int, Meta(ge=1, le=TEN_YEARS_S, description="Of a secret or a key.")] | None
    ) = None
    request_pem: (
        Annotated[str, Meta(max_length=16_384, description="PKCS #10, to keep the key at home.")]
        | None
    ) = None


class IssuedCredential(Struct, frozen=True):
    """A new credential with its secret part, shown this once, and what to paste."""

    credential: CredentialView
    snippets: Snippets
    token: str | None = None
    certificate_pem: str | None = None
    private_key_pem: str | None = None
    ca_pem: str | None = None
    psk_identity: str | None = None
    psk_key: str | None = None


def view_of(credential: DeviceCredential) -> CredentialView:
    """Show a credential."""
    return CredentialView(
        credential_id=credential.credential_id,
        kind=credential.kind,
        label=credential.label,
        created_at=moment(credential.created_at) or "",
        expires_at=moment(credential.expires_at),
        revoked_at=moment(credential.revoked_at),
        psk_identity=credential.name if credential.kind is CredentialKind.PSK else None,
    )


async def list_credentials(services: Services, call: Call) -> Page[CredentialView]:
    """Answer with a device's credentials, those that have ended too."""
    device = services.devices.get(call.principal.tenant, call.path["device_id"])
    found = await services.credentials.list_credentials(device)
    return Page([view_of(credential) for credential in found])


async def issue_credential(services: Services, call: Call) -> IssuedCredential:
    """Give a device a secret, a certificate or a pre-shared key."""
    body: NewCredential = call.body or NewCredential()
    device = services.devices.get(call.principal.tenant, call.path["device_id"])
    if body.kind is not CredentialKind.CERTIFICATE and body.request_pem is not None:
        raise Invalid("A signing request goes with kind certificate.")
    if body.kind is CredentialKind.PSK:
        made = await services.preshared.issue(
            call.principal, device, life_s=body.life_s, label=body.label
        )
        return key_answer(services, made)
    if body.kind is CredentialKind.SECRET:
        issued = await services.credentials.issue_secret(
            call.principal, device, life_s=body.life_s, label=body.label
        )
        return secret_answer(services, issued)
    if body.life_s is not None:
        raise Invalid("The life of a certificate is not chosen.", remedy="Leave life_s out.")
    identity = await services.credentials.issue_certificate(
        call.principal, device, request_pem=body.request_pem, label=body.label
    )
    return certificate_answer(services, identity)


def secret_answer(services: Services, issued: IssuedSecret) -> IssuedCredential:
    """Show a new secret, this once."""
    device_id = issued.credential.device_id
    return IssuedCredential(
        view_of(issued.credential),
        secret_snippets(device_id, issued.token, services.endpoints()),
        token=issued.token,
    )


def key_answer(services: Services, issued: IssuedKey) -> IssuedCredential:
    """Show a new pre-shared key and the name that goes with it, this once."""
    name = issued.credential.credential_id
    return IssuedCredential(
        view_of(issued.credential),
        preshared_snippets(name, issued.key, services.endpoints()),
        psk_identity=name,
        psk_key=issued.key,
    )


def certificate_answer(services: Services, identity: IssuedIdentity) -> IssuedCredential:
    """Show a new certificate, and its key if that was made here."""
    certificate = identity.certificate
    return IssuedCredential(
        view_of(identity.credential),
        certificate_snippets(identity.credential.device_id, services.endpoints()),
        certificate_pem=certificate.certificate_pem + certificate.chain_pem,
        private_key_pem=certificate.private_key_pem,
        ca_pem=certificate.root_pem,
    )


async def revoke_credential(services: Services, call: Call) -> None:
    """End one credential; the device's live connections are cut."""
    device = services.devices.get(call.principal.tenant, call.path["device_id"])
    await services.credentials.revoke(call.principal, device, call.path["credential_id"])


_PATH = "/devices/{device_id}/credentials"
_TARGET = "device:{device_id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_credentials",
        "GET",
        _PATH,
        "List a device's credentials",
        list_credentials,
        action="device.credentials",
        target=_TARGET,
        tag="devices",
        result=Page[CredentialView],
        errors=(NotFound,),
        command=Command(
            "credential",
            "list",
            columns=("credential_id", "kind", "label", "created_at", "expires_at", "revoked_at"),
        ),
    ),
    Operation(
        "issue_credential",
        "POST",
        _PATH,
        "Give a device a secret, a certificate or a pre-shared key",
        issue_credential,
        action="device.credentials",
        target=_TARGET,
        description="The answer is the only place where the secret stands in clear.",
        tag="devices",
        body=NewCredential,
        body_optional=True,
        result=IssuedCredential,
        status=201,
        secret=True,
        errors=(NotFound, AlreadyExists, Conflict, QuotaExceeded, SigningRequestInvalid),
        example={"kind": "secret", "label": "first"},
        command=Command("credential", "add"),
    ),
    Operation(
        "revoke_credential",
        "DELETE",
        _PATH + "/{credential_id}",
        "Revoke a device's credential",
        revoke_credential,
        action="device.credentials",
        target=_TARGET,
        description="Its live connections are cut at once.",
        tag="devices",
        errors=(NotFound,),
        command=Command(
            "credential", "revoke", confirm="Revoke the credential {credential_id} of {device_id}?"
        ),
    ),
)
