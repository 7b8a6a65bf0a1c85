"""Authorities: customers' own, whose devices come with certificates that we did not sign.

A tenant registers its authority and proves that it holds the key: it signs a certificate for
a nonce of ours. Whose key it is is then settled, in all tenants. TLS trusts the authority
from the next handshake on; the tenant of a device is that of the authority which signed its
certificate, and never what the certificate says (ID-4).
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import NameOID
from msgspec import UNSET, Struct, UnsetType, structs

from weft.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound, QuotaExceeded
from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal
from weft.ports import Clock, Kind, Reader, Records, Writer
from weft.security.audit import Audit
from weft.security.authority import CertificateAuthority
from weft.security.certificates import fingerprint_of, ns_of, pem_of, require_public_key
from weft.security.secrets import PLATFORM

PER_TENANT_MAX = 32
PEM_MAX_BYTES = 16 * 1024
NONCE_LIFE_S = 24 * 3600  # the key may lie in a safe in another town
ACTION = "authority.write"


class NameField(StrEnum):
    """Which field of a device's certificate is its name, as it stands there."""

    COMMON_NAME = "common_name"
    URI = "uri"


class Status(StrEnum):
    """Whether devices of an authority are let in."""

    UNPROVEN = "unproven"
    ACTIVE = "active"
    DISABLED = "disabled"


class NewAuthority(Struct, frozen=True, forbid_unknown_fields=True):
    """What a tenant says of its authority."""

    certificate_pem: str
    label: str = ""
    name_field: NameField = NameField.COMMON_NAME
    type_name: str | None = None  # that its devices follow
    auto_approve: bool = False


class AuthorityPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be changed of an authority."""

    label: str | UnsetType = UNSET
    name_field: NameField | UnsetType = UNSET
    type_name: str | UnsetType | None = UNSET
    auto_approve: bool | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class CustomerAuthority(Struct, frozen=True):
    """An authority of a tenant's, known by the SHA-256 of its public key."""

    tenant: TenantId
    authority_id: str
    certificate_pem: str
    status: Status
    nonce: str
    nonce_expires_at: int
    created_at: int
    expires_at: int
    label: str = ""
    name_field: NameField = NameField.COMMON_NAME
    type_name: str | None = None
    auto_approve: bool = False
    version: int = 1


class AuthorityOwner(Struct, frozen=True):
    """To which tenant an authority's key belongs."""

    tenant: TenantId


AUTHORITIES: Kind[CustomerAuthority] = Kind("customer_authority", CustomerAuthority)
OWNERS: Kind[AuthorityOwner] = Kind("authority_owner", AuthorityOwner)

Ended = Callable[[CustomerAuthority], None]


class Authorities:
    """All tenants' authorities, in memory as well: a CONNECT asks without waiting."""

    def __init__(
        self, records: Records, audit: Audit, clock: Clock, own: CertificateAuthority
    ) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._own = own
        self._known: dict[tuple[TenantId, str], CustomerAuthority] = {}
        self._signing: dict[bytes, list[tuple[x509.Certificate, CustomerAuthority]]] = {}
        self._ended: list[Ended] = []
        self._trusting = asyncio.Lock()

    def on_end(self, ended: Ended) -> None:
        """Call `ended` with each authority whose devices are let in no more."""
        self._ended.append(ended)

    async def load(self) -> None:
        """Read all authorities, and trust those that are active."""
        for one in await self._records.read(_all_authorities):
            self._known[one.tenant, one.authority_id] = one
        await self._trust()

    # --- finding, without waiting ---

    def find_issuer(self, der: bytes) -> CustomerAuthority | None:
        """Return the active authority that signed a certificate itself, by its signature."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            named = self._signing.get(certificate.issuer.public_bytes(), ())
        except ValueError:
            return None
        for issuer, authority in named:
            if _is_issued_by(certificate, issuer):
                return authority
        return None

    def vouches(self, tenant: TenantId, authority_id: str, der: bytes) -> bool:
        """Whether this authority is active and signed this certificate."""
        found = self.find_issuer(der)
        return found is not None and (found.tenant, found.authority_id) == (tenant, authority_id)

    def get(self, tenant: TenantId, authority_id: str) -> CustomerAuthority:
        """Return a tenant's authority, or raise `NotFound`."""
        found = self._known.get((tenant, authority_id))
        if found is None:
            raise NotFound(
                f"There is no authority {authority_id[:80]!r}.", remedy="See weft authority list."
            )
        return found

    def list(
        self, tenant: TenantId, *, after: str = "", limit: int = 100
    ) -> Sequence[CustomerAuthority]:
        """Return a tenant's authorities in the order of their ids, those behind `after`."""
        ids = sorted(key for owner, key in self._known if owner == tenant and key > after)
        return [self._known[tenant, key] for key in ids[:limit]]

    # --- registering ---

    async def register(self, actor: Principal, new: NewAuthority) -> CustomerAuthority:
        """Take in an authority that has yet to prove its key; again, it gets a new nonce.

        Raises `Invalid` for what is no authority, `AlreadyExists` for one that is proven.
        """
        certificate = _require_authority(new.certificate_pem, self._clock.now())
        if pem_of(certificate) in self._own.trusted_own_pem:
            raise Invalid("This is Weft's own authority.", remedy="Register the customer's.")
        now = self._clock.now()
        made = CustomerAuthority(
            tenant=actor.tenant,
            authority_id=fingerprint_of(require_public_key(certificate.public_key())),
            certificate_pem=pem_of(certificate),
            status=Status.UNPROVEN,
            nonce=secrets.token_hex(16),
            nonce_expires_at=now + NONCE_LIFE_S * NS_PER_S,
            created_at=now,
            expires_at=ns_of(certificate.not_valid_after_utc),
            label=new.label,
            name_field=new.name_field,
            type_name=new.type_name,
            auto_approve=new.auto_approve,
        )

        def work(writer: Writer) -> None:
            held = writer.find(AUTHORITIES, actor.tenant, made.authority_id)
            if held is not None and held.value.status is not Status.UNPROVEN:
                raise AlreadyExists(
                    "This authority is registered already.",
                    remedy=f"See weft authority show {made.authority_id}",
                )
            if held is None and writer.count(AUTHORITIES, actor.tenant) >= PER_TENANT_MAX:
                raise QuotaExceeded(
                    f"The tenant has {PER_TENANT_MAX} authorities.",
                    remedy="Delete those that are out of use.",
                )
            writer.put(AUTHORITIES, actor.tenant, made.authority_id, made)
            self._note(writer, actor, made, {"registered": made.label})

        await self._records.write(work)
        self._known[made.tenant, made.authority_id] = made
        return made

    async def prove(
        self, actor: Principal, authority_id: str, certificate_pem: str
    ) -> CustomerAuthority:
        """Activate an authority by a certificate that it signed for its nonce (PR-4).

        Raises `Invalid` for a certificate that proves nothing, `Conflict` when the nonce is
        too old or was used, `AlreadyExists` when the key is another tenant's.
        """
        held = self.get(actor.tenant, authority_id)
        proof = _read_pem(certificate_pem)
        if held.status is not Status.UNPROVEN or self._clock.now() >= held.nonce_expires_at:
            raise Conflict(
                "The nonce was used, or is too old.",
                remedy="Register the authority again for a new one.",
            )
        names = proof.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        issuer = _read_pem(held.certificate_pem)
        if [name.value for name in names] != [held.nonce] or not _is_issued_by(proof, issuer):
            raise Invalid(
                "The certificate is not one of this authority's with the nonce as common name.",
                remedy=f"Sign one with the authority's key: subject CN={held.nonce}",
            )

        def work(writer: Writer) -> CustomerAuthority:
            stored = writer.get(AUTHORITIES, actor.tenant, authority_id)
            if stored.value.nonce != held.nonce or stored.value.status is not Status.UNPROVEN:
                raise Conflict("The nonce was used.", remedy="See weft authority show ID")
            if writer.find(OWNERS, PLATFORM, authority_id) is not None:
                raise AlreadyExists(
                    "This authority is registered elsewhere.",
                    remedy="One authority is one owner's: have it deleted there first.",
                )
            writer.insert(OWNERS, PLATFORM, authority_id, AuthorityOwner(actor.tenant))
            proven = structs.replace(
                stored.value, status=Status.ACTIVE, nonce="", version=stored.value.version + 1
            )
            writer.put(AUTHORITIES, actor.tenant, authority_id, proven)
            self._note(writer, actor, proven, {"proven": True})
            return proven

        return await self._changed(await self._records.write(work))

    async def update(
        self, actor: Principal, authority_id: str, patch: AuthorityPatch
    ) -> CustomerAuthority:
        """Change an authority; disabled, none of its devices is let in until it is enabled."""
        self.get(actor.tenant, authority_id)
        fields = {
            name: getattr(patch, name)
            for name in ("label", "name_field", "type_name", "auto_approve")
            if getattr(patch, name) is not UNSET
        }

        def work(writer: Writer) -> CustomerAuthority:
            old = writer.get(AUTHORITIES, actor.tenant, authority_id).value
            new = structs.replace(old, version=old.version + 1, **fields)
            if patch.enabled is not UNSET:
                if old.status is Status.UNPROVEN:
                    raise Conflict(
                        "The authority has not proven its key yet.",
                        remedy="Send the certificate for its nonce: weft authority prove ID",
                    )
                status = Status.ACTIVE if patch.enabled else Status.DISABLED
                new = structs.replace(new, status=status)
            writer.put(AUTHORITIES, actor.tenant, authority_id, new)
            changed = sorted([*fields, *(["enabled"] if patch.enabled is not UNSET else [])])
            self._note(writer, actor, new, {"changed": changed})
            return new

        return await self._changed(await self._records.write(work))

    async def delete(self, actor: Principal, authority_id: str) -> None:
        """Forget an authority; its devices stay, and are let in no more by its certificates."""
        held = self.get(actor.tenant, authority_id)

        def work(writer: Writer) -> None:
            writer.delete(AUTHORITIES, actor.tenant, authority_id)
            owner = writer.find(OWNERS, PLATFORM, authority_id)
            if owner is not None and owner.value.tenant == actor.tenant:
                writer.delete(OWNERS, PLATFORM, authority_id)
            self._note(writer, actor, held, {"deleted": True})

        await self._records.write(work)
        self._known.pop((actor.tenant, authority_id), None)
        await self._trust()
        self._tell_end(held)

    async def _changed(self, new: CustomerAuthority) -> CustomerAuthority:
        self._known[new.tenant, new.authority_id] = new
        await self._trust()
        if new.status is not Status.ACTIVE:
            self._tell_end(new)
        return new

    def _tell_end(self, authority: CustomerAuthority) -> None:
        for ended in self._ended:
            ended(authority)

    async def _trust(self) -> None:
        """Let TLS trust the active ones, from the next handshake on; one change at a time."""
        async with self._trusting:
            await self._trust_active()

    async def _trust_active(self) -> None:
        active = [one for one in self._known.values() if one.status is Status.ACTIVE]
        self._signing = {}
        for one in active:
            certificate = _read_pem(one.certificate_pem)
            self._signing.setdefault(certificate.subject.public_bytes(), []).append(
                (certificate, one)
            )
        await asyncio.to_thread(self._own.trust, [one.certificate_pem for one in active])

    def _note(
        self,
        writer: Writer,
        actor: Principal,
        authority: CustomerAuthority,
        detail: dict[str, object],
    ) -> None:
        target = f"authority:{authority.authority_id}"
        self._audit.entry(writer, actor, ACTION, target, detail=detail)


def require_name_of(der: bytes, field: NameField) -> str:
    """Return the name that a certificate gives in the declared field, as it stands there.

    Raises `Forbidden` where the field is not there exactly once.
    """
    certificate = x509.load_der_x509_certificate(der)
    if field is NameField.URI:
        try:
            kind = x509.SubjectAlternativeName
            san = certificate.extensions.get_extension_for_class(kind).value
            found = san.get_values_for_type(x509.UniformResourceIdentifier)
        except x509.ExtensionNotFound:
            found = []
    else:
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        found = [str(name.value) for name in names]
    if len(found) != 1:
        raise Forbidden(f"The certificate has {len(found)} fields {field}; it needs one.")
    return found[0]


def _read_pem(pem: str) -> x509.Certificate:
    if len(pem) > PEM_MAX_BYTES:
        raise Invalid(f"A certificate fits in {PEM_MAX_BYTES} bytes.")
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise Invalid(
            "The certificate cannot be read.", remedy="Send it as PEM: -----BEGIN CERTIFICATE-----"
        ) from error


def _require_authority(pem: str, now: int) -> x509.Certificate:
    certificate = _read_pem(pem)
    try:
        require_public_key(certificate.public_key())
        extensions = certificate.extensions
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = next((e.value for e in extensions if isinstance(e.value, x509.KeyUsage)), None)
    except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound) as error:
        raise _no_authority() from error
    if not constraints.ca or (usage is not None and not usage.key_cert_sign):
        raise _no_authority()
    if not ns_of(certificate.not_valid_before_utc) <= now < ns_of(certificate.not_valid_after_utc):
        raise Invalid("The authority's certificate is not valid now.", remedy="Check its dates.")
    return certificate


def _no_authority() -> Invalid:
    return Invalid(
        "The certificate is not one of an authority.",
        remedy="Send the one that signs devices: with CA:TRUE, and for signing certificates.",
    )


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _all_authorities(reader: Reader) -> list[CustomerAuthority]:
    return [
        stored.value
        for tenant in reader.tenants(AUTHORITIES)
        for stored in reader.list(AUTHORITIES, tenant, limit=PER_TENANT_MAX)
    ]
