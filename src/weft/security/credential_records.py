"""Credential records: what is kept of each way in, and what is shown of a new one once.

A record holds nothing that proves anything by itself: an HMAC of a secret, the hash of a
public key, or a pre-shared key that only the vault opens.
"""

import hashlib
from enum import StrEnum

from msgspec import Struct

from weft.errors import AlreadyExists, Conflict
from weft.model.ids import DeviceId, DeviceUid, TenantId
from weft.ports import Kind, Reader, Writer
from weft.security.certificates import IssuedCertificate
from weft.security.secrets import PLATFORM

PER_DEVICE_MAX = 8  # two overlap in a rotation; more than a few is a mistake


class CredentialKind(StrEnum):
    """How a device proves itself."""

    SECRET = "secret"  # noqa: S105  the kind, not a secret
    CERTIFICATE = "certificate"
    PSK = "psk"  # of DTLS: the key itself is needed, so it is sealed and not hashed


class DeviceCredential(Struct, frozen=True):
    """One way in for one device. Holds no secret that opens without the master key."""

    tenant: TenantId
    credential_id: str  # key id, or the SHA-256 of the public key
    kind: CredentialKind
    device_id: DeviceId
    device_uid: DeviceUid
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    digest: str = ""
    label: str = ""
    sealed: str = ""  # the key of kind psk
    authority: str = ""  # id of the customer's authority that vouches for the key; else ours
    identity: str = ""  # of kind psk, what a factory calls it; else the credential's id

    @property
    def name(self) -> str:
        """What a device sends with its pre-shared key."""
        return self.identity or self.credential_id


class PublicKeyBinding(Struct, frozen=True):
    """To which device a public key belongs, in all tenants, for good."""

    device_uid: DeviceUid


class IdentityBinding(Struct, frozen=True):
    """Whose an identity of a factory's key is, among all tenants: DTLS knows no tenant."""

    tenant: TenantId
    credential_id: str


class IssuedSecret(Struct, frozen=True):
    """A new credential with its secret, which is shown this once."""

    credential: DeviceCredential
    token: str


class IssuedKey(Struct, frozen=True):
    """A new pre-shared key and the name to send with it; the key is shown this once."""

    credential: DeviceCredential
    key: str

    def __repr__(self) -> str:
        return f"IssuedKey({self.credential.credential_id}, withheld)"


class IssuedIdentity(Struct, frozen=True):
    """A new credential with its certificate, and its private key if it was made here."""

    credential: DeviceCredential
    certificate: IssuedCertificate


CREDENTIALS: Kind[DeviceCredential] = Kind(
    "device_credential", DeviceCredential, index=lambda c: {"device": c.device_uid}
)
IDENTITIES: Kind[IdentityBinding] = Kind("psk_identity", IdentityBinding)
PUBLIC_KEYS: Kind[PublicKeyBinding] = Kind("public_key", PublicKeyBinding)


def all_credentials(reader: Reader) -> list[DeviceCredential]:
    """Return the credentials of all tenants."""
    found: list[DeviceCredential] = []
    for tenant in reader.tenants(CREDENTIALS):
        after = ""
        while page := reader.list(CREDENTIALS, tenant, after=after, limit=1_000):
            found += [stored.value for stored in page]
            after = page[-1].key
    return found


def credentials_of(reader: Reader, credential: DeviceCredential) -> list[DeviceCredential]:
    """Return all credentials of the device that one belongs to."""
    found = reader.list(
        CREDENTIALS, credential.tenant, where=("device", credential.device_uid), limit=1_000
    )
    return [stored.value for stored in found]


def bind_identity(writer: Writer, credential: DeviceCredential, now: int) -> None:
    """Bind a factory's identity to its credential; raise `AlreadyExists` while it is another's."""
    require_identity(writer, credential.identity, now)
    binding = IdentityBinding(credential.tenant, credential.credential_id)
    writer.put(IDENTITIES, PLATFORM, _identity_key(credential.identity), binding)


def require_identity(reader: Reader, identity: str, now: int) -> None:
    """Raise `AlreadyExists` while a factory's identity is that of a credential.

    It is free again when that one was revoked, has expired or was deleted. Whose it is, in
    whichever tenant, is not told.
    """
    found = reader.find(IDENTITIES, PLATFORM, _identity_key(identity))
    if found is not None:
        bound = found.value
        held = reader.find(CREDENTIALS, bound.tenant, bound.credential_id)
        if held is not None and held.value.revoked_at is None:
            ends = held.value.expires_at
            if ends is None or now < ends:
                raise AlreadyExists(
                    "This identity is in use already.",
                    remedy="Revoke the credential that has it, or give the device another one.",
                )


def free_identity(writer: Writer, credential: DeviceCredential) -> None:
    """Forget the identity of a credential that is deleted."""
    if not credential.identity:
        return
    key = _identity_key(credential.identity)
    found = writer.find(IDENTITIES, PLATFORM, key)
    if found is not None and found.value.credential_id == credential.credential_id:
        writer.delete(IDENTITIES, PLATFORM, key)


def _identity_key(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()  # any text may be one


def bind_key(writer: Writer, credential: DeviceCredential) -> None:
    """Bind a public key to its device for good; raise `AlreadyExists` if it is another's."""
    binding = PublicKeyBinding(credential.device_uid)
    found = writer.find(PUBLIC_KEYS, PLATFORM, credential.credential_id)
    if found is None:
        writer.insert(PUBLIC_KEYS, PLATFORM, credential.credential_id, binding)
        return
    if found.value.device_uid != credential.device_uid:
        raise AlreadyExists(
            "This public key is bound to another device.",
            remedy="Make a new key pair on this device: two devices never share one.",
        )
    stored = writer.find(CREDENTIALS, credential.tenant, credential.credential_id)
    if stored is not None and stored.value.revoked_at is not None:
        raise Conflict("This public key was revoked.", remedy="Make a new key pair on the device.")
