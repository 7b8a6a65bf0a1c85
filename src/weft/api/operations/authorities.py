"""Operations on customers' own authorities: whose devices come with certificates of theirs."""

from typing import Annotated

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation
from weft.api.operations.credentials import CredentialView
from weft.api.operations.credentials import view_of as credential_view
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import AlreadyExists, Conflict, Invalid, NotFound, QuotaExceeded
from weft.security.authorities import (
    AuthorityPatch,
    CustomerAuthority,
    NameField,
    NewAuthority,
    Status,
)
from weft.security.certificates import CSR_MAX_BYTES

Pem = Annotated[str, Meta(max_length=16_384, description="A certificate in PEM.")]


class AuthorityView(Struct, frozen=True):
    """A customer's authority; the nonce is there until its key is proven."""

    authority_id: str
    label: str
    status: Status
    name_field: NameField
    type_name: str | None
    auto_approve: bool
    created_at: Moment
    expires_at: Moment
    nonce: str | None
    nonce_expires_at: Moment | None
    certificate_pem: str
    version: int


class CertificateBody(Struct, frozen=True, forbid_unknown_fields=True):
    """One certificate."""

    certificate_pem: Pem


class BoundCertificate(Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate, and who holds its key."""

    certificate_pem: Pem
    request_pem: Annotated[
        str,
        Meta(
            max_length=CSR_MAX_BYTES,
            description="A signing request for the device's id by the same key (PKCS #10); not "
            "needed once the device has come with the certificate.",
        ),
    ] = ""


def view_of(authority: CustomerAuthority) -> AuthorityView:
    """Show an authority."""
    unproven = authority.status is Status.UNPROVEN
    return AuthorityView(
        authority_id=authority.authority_id,
        label=authority.label,
        status=authority.status,
        name_field=authority.name_field,
        type_name=authority.type_name,
        auto_approve=authority.auto_approve,
        created_at=moment(authority.created_at) or "",
        expires_at=moment(authority.expires_at) or "",
        nonce=authority.nonce if unproven else None,
        nonce_expires_at=moment(authority.nonce_expires_at) if unproven else None,
        certificate_pem=authority.certificate_pem,
        version=authority.version,
    )


async def list_authorities(services: Services, call: Call) -> Page[AuthorityView]:
    """Answer with a page of authorities."""
    found = services.authorities.list(
        call.principal.tenant,
        after=after_of(call, "authorities"),
        limit=call.query.limit + 1,
    )
    return page_of(call, "authorities", found, view_of, lambda one: one.authority_id)


async def register_authority(services: Services, call: Call) -> AuthorityView:
    """Take in an authority that has yet to prove its key."""
    body: NewAuthority = call.body
    _require_type(services, call, body.type_name)
    return view_of(await services.authorities.register(call.principal, body))


async def get_authority(services: Services, call: Call) -> AuthorityView:
    """Answer with one authority."""
    return view_of(services.authorities.get(call.principal.tenant, call.path["authority_id"]))


async def prove_authority(services: Services, call: Call) -> AuthorityView:
    """Activate an authority by a certificate for its nonce."""
    return view_of(
        await services.authorities.prove(
            call.principal, call.path["authority_id"], call.body.certificate_pem
        )
    )


async def update_authority(services: Services, call: Call) -> AuthorityView:
    """Change, enable or disable an authority."""
    body: AuthorityPatch = call.body
    _require_type(services, call, body.type_name or None)
    return view_of(
        await services.authorities.update(call.principal, call.path["authority_id"], body)
    )


async def delete_authority(services: Services, call: Call) -> None:
    """Forget an authority."""
    await services.authorities.delete(call.principal, call.path["authority_id"])


async def bind_certificate(services: Services, call: Call) -> CredentialView:
    """Let a device prove itself with a certificate of a customer's authority."""
    device_id = call.path["device_id"]
    services.devices.get(call.principal.tenant, device_id)
    try:
        certificate = x509.load_pem_x509_certificate(call.body.certificate_pem.encode())
    except ValueError as error:
        raise Invalid("The certificate cannot be read.", remedy="Send it as PEM.") from error
    der = certificate.public_bytes(serialization.Encoding.DER)
    bound = await services.arrivals.bind(call.principal, device_id, der, call.body.request_pem)
    return credential_view(bound)


def _require_type(services: Services, call: Call, name: object) -> None:
    if isinstance(name, str):
        services.types.get(call.principal.tenant, name)


_EXAMPLE = {"certificate_pem": "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"}
_ONE = "/authorities/{authority_id}"
_TARGET = "authority:{authority_id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_authorities",
        "GET",
        "/authorities",
        "List customers' authorities",
        list_authorities,
        action="authority.read",
        query=Paging,
        result=Page[AuthorityView],
        command=Command(
            "authority",
            "list",
            columns=("authority_id", "label", "status", "auto_approve", "expires_at"),
        ),
    ),
    Operation(
        "register_authority",
        "POST",
        "/authorities",
        "Register an authority whose devices come with certificates of its own",
        register_authority,
        action="authority.write",
        description="It is trusted once its key is proven: sign a certificate with the nonce of "
        "the answer as common name, and send it as proof.",
        body=NewAuthority,
        example={**_EXAMPLE, "label": "Acme devices", "name_field": "common_name"},
        result=AuthorityView,
        status=201,
        errors=(AlreadyExists, NotFound, QuotaExceeded),
    ),
    Operation(
        "get_authority",
        "GET",
        _ONE,
        "Show an authority",
        get_authority,
        action="authority.read",
        target=_TARGET,
        result=AuthorityView,
        errors=(NotFound,),
        command=Command("authority", "show"),
    ),
    Operation(
        "prove_authority",
        "POST",
        _ONE + "/proof",
        "Prove that one holds an authority's key",
        prove_authority,
        action="authority.write",
        target=_TARGET,
        body=CertificateBody,
        example=_EXAMPLE,
        result=AuthorityView,
        errors=(NotFound, Conflict, AlreadyExists),
    ),
    Operation(
        "update_authority",
        "PATCH",
        _ONE,
        "Change, enable or disable an authority",
        update_authority,
        action="authority.write",
        target=_TARGET,
        description="Disabled, none of its devices is let in, and those that are here are cut.",
        body=AuthorityPatch,
        result=AuthorityView,
        errors=(NotFound, Conflict),
        example={"enabled": False},
        command=Command("authority", "update", renames=(("type_name", "type"),)),
    ),
    Operation(
        "delete_authority",
        "DELETE",
        _ONE,
        "Delete an authority",
        delete_authority,
        action="authority.write",
        target=_TARGET,
        description="Its devices stay, and need other credentials to connect.",
        errors=(NotFound,),
        command=Command(
            "authority", "delete", confirm="Trust no more certificates of {authority_id}?"
        ),
    ),
    Operation(
        "bind_certificate",
        "POST",
        "/devices/{device_id}/credentials/certificate",
        "Let a device use a certificate of a customer's authority",
        bind_certificate,
        action="device.credentials",
        target="device:{device_id}",
        description="For a device that is there before it comes, or that got a new key. The key "
        "has to be proven: by the device's own connection, or by a signing request.",
        tag="devices",
        body=BoundCertificate,
        example=_EXAMPLE,
        result=CredentialView,
        status=201,
        errors=(NotFound, AlreadyExists, Conflict, QuotaExceeded),
    ),
)
