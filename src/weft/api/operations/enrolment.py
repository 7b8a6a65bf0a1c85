"""Operations on enrolment: a certificate for a key that was born on the device, and the next.

`enrol` is for whoever holds a one-time token and nothing else; the device renews by itself,
an operator rotates. Of a signing request the key is taken and nothing else.
"""

from typing import Annotated

from msgspec import Meta, Struct

from weft.api.authentication import bearer_of
from weft.api.operation import JSON, PUBLIC, Call, Command, Operation, Reply
from weft.api.operations.credentials import (
    CredentialView,
    IssuedCredential,
    certificate_answer,
    key_answer,
    secret_answer,
    view_of,
)
from weft.api.services import Services
from weft.api.views import Moment, moment
from weft.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    QuotaExceeded,
    SigningRequestInvalid,
    Unauthenticated,
)
from weft.model.principal import PrincipalKind
from weft.security.credential_records import CredentialKind, IssuedIdentity
from weft.security.enrolment import LIFE_MAX_S, LIFE_S, require_bearer
from weft.security.rotation import GRACE_MAX_S, GRACE_S, Replacing

PKCS10 = "application/pkcs10"
PEM = "application/x-pem-file"
REQUESTS = (PKCS10, PEM)


class NewEnrolment(Struct, frozen=True, forbid_unknown_fields=True):
    """How long a token should be good."""

    life_s: Annotated[int, Meta(ge=60, le=LIFE_MAX_S, description="A day if left out.")] = LIFE_S


class EnrolmentView(Struct, frozen=True):
    """A one-time token, shown this once, and what to check the server with."""

    device_id: str
    token: str
    expires_at: Moment
    ca_pem: str


class EnrolledDevice(Struct, frozen=True):
    """A device's certificate with the one above it, and the root to check the server with."""

    device_id: str
    credential: CredentialView
    certificate_pem: str
    ca_pem: str


class NewRotation(Struct, frozen=True, forbid_unknown_fields=True):
    """What takes the place of a device's credentials, and for how long both are good."""

    kind: CredentialKind = CredentialKind.SECRET
    grace_s: Annotated[
        int, Meta(ge=0, le=GRACE_MAX_S, description="How long the old is good; a day if left out.")
    ] = GRACE_S
    credential_id: (
        Annotated[str, Meta(max_length=128, description="Replace only this one.")] | None
    ) = None
    request_pem: (
        Annotated[str, Meta(max_length=16_384, description="PKCS #10, to keep the key at home.")]
        | None
    ) = None


async def create_enrolment(services: Services, call: Call) -> EnrolmentView:
    """Make a one-time token for a device."""
    body: NewEnrolment = call.body or NewEnrolment()
    device = services.devices.get(call.principal.tenant, call.path["device_id"])
    issued = await services.enrolments.issue(call.principal, device, life_s=body.life_s)
    return EnrolmentView(
        device.device_id,
        issued.text,
        moment(issued.token.expires_at) or "",
        services.authority.root_pem,
    )


async def cancel_enrolment(services: Services, call: Call) -> None:
    """End the tokens of a device that nobody has used."""
    device = services.devices.get(call.principal.tenant, call.path["device_id"])
    await services.enrolments.cancel(call.principal, device)


async def enrol(services: Services, call: Call) -> Reply:
    """Issue the certificate that a token is good for."""
    text = require_bearer(bearer_of(call.headers.get(b"authorization")))
    token = services.enrolments.prove(text, call.address, services.authenticator)
    device = services.devices.find(token.tenant, token.device_id)
    return _reply(call, await services.enrolments.enrol(token, device, call.body))


async def renew_certificate(services: Services, call: Call) -> Reply:
    """Issue a device's next certificate; it proves itself with the one before."""
    device = services.devices.get(call.principal.tenant, call.path["device_id"])
    if call.principal.kind is not PrincipalKind.DEVICE:
        raise Forbidden(
            "A device renews its own certificate.",
            remedy="To replace it for the device: weft device rotate DEVICE --certificate",
        )
    issued = await services.rotation.renew(call.principal, device, call.credential_id, call.body)
    return _reply(call, issued)


def _reply(call: Call, issued: IssuedIdentity) -> Reply:
    chain = issued.certificate.certificate_pem + issued.certificate.chain_pem
    if call.accept == PEM:
        return Reply(content=chain.encode(), media_type=PEM)
    device_id = issued.credential.device_id
    root = issued.certificate.root_pem
    return Reply(EnrolledDevice(device_id, view_of(issued.credential), chain, root))


async def rotate_credential(services: Services, call: Call) -> IssuedCredential:
    """Replace a device's credentials; the old ones are good for a while."""
    body: NewRotation = call.body or NewRotation()
    device = services.devices.get(call.principal.tenant, call.path["device_id"])
    replacing = Replacing(body.grace_s, body.credential_id)
    if body.kind is CredentialKind.CERTIFICATE:
        identity = await services.rotation.rotate_certificate(
            call.principal, device, replacing, body.request_pem
        )
        return certificate_answer(services, identity)
    if body.request_pem is not None:
        raise Invalid(
            "A signing request is answered with a certificate.",
            remedy="Leave request_pem out, or ask for kind certificate.",
        )
    if body.kind is CredentialKind.PSK:
        made = await services.rotation.rotate_key(
            call.principal, device, replacing, services.preshared
        )
        return key_answer(services, made)
    issued = await services.rotation.rotate_secret(call.principal, device, replacing)
    return secret_answer(services, issued)


_ONE = "/devices/{device_id}"
_TARGET = "device:{device_id}"
_ISSUING = (NotFound, AlreadyExists, Conflict, QuotaExceeded)
_SIGNING = (*_ISSUING, SigningRequestInvalid)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "create_enrolment",
        "POST",
        _ONE + "/enrolment",
        "Make a one-time token with which a device enrols",
        create_enrolment,
        action="device.enrol",
        target=_TARGET,
        description="Good for one certificate, for a key that the device makes itself.",
        tag="devices",
        body=NewEnrolment,
        body_optional=True,
        result=EnrolmentView,
        status=201,
        secret=True,
        errors=_ISSUING,
        example={"life_s": 86_400},
        command=Command("device", "enrol"),
    ),
    Operation(
        "cancel_enrolment",
        "DELETE",
        _ONE + "/enrolment",
        "Cancel a device's enrolment tokens that nobody has used",
        cancel_enrolment,
        action="device.enrol",
        target=_TARGET,
        tag="devices",
        errors=(NotFound,),
        command=Command("device", "cancel-enrolment"),
    ),
    Operation(
        "enrol",
        "POST",
        "/enrol",
        "Enrol a device with its one-time token and a signing request",
        enrol,
        action=PUBLIC,
        description="The token comes as bearer. The body is PKCS #10, as PEM or DER; of what it "
        "asks for, only the key is taken; one that must not be signed is answered with 400 and "
        "signing_request_invalid. A request that is refused leaves the token good.",
        tag="devices",
        body=bytes,
        accepts=REQUESTS,
        result=EnrolledDevice,
        produces=(JSON, PEM),
        secret=True,
        errors=(Unauthenticated, *_SIGNING),
    ),
    Operation(
        "renew_certificate",
        "POST",
        _ONE + "/renewal",
        "Renew a device's certificate",
        renew_certificate,
        action="device.renew",
        target=_TARGET,
        description="Asked by the device itself, over TLS with the certificate to be renewed, in "
        "the last third of its life. Both are good until the old one ends.",
        tag="devices",
        body=bytes,
        accepts=REQUESTS,
        result=EnrolledDevice,
        produces=(JSON, PEM),
        secret=True,
        errors=_SIGNING,
    ),
    Operation(
        "rotate_credential",
        "POST",
        _ONE + "/credentials/rotation",
        "Replace a device's credentials without down time",
        rotate_credential,
        action="device.credentials",
        target=_TARGET,
        description="The new one is good at once, the old ones for the grace period.",
        tag="devices",
        body=NewRotation,
        body_optional=True,
        result=IssuedCredential,
        status=201,
        secret=True,
        errors=_SIGNING,
        example={"kind": "secret", "grace_s": 3600},
    ),
)
