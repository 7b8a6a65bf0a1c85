"""Credentials of devices: what each may prove itself with, in memory and at once.

A device has machine-made secrets or certificates, several at a time while one is being
replaced. Whoever presents one is that device, in that tenant, and nobody else: neither a
name nor a tenant is ever taken from what the peer says (ID-4). A public key belongs to
one device for good (ID-2). The index is complete in memory, so that a CONNECT costs one
HMAC and no disk. Of those that were revoked it is remembered whose they were and when they
ended, the latest of them: they open nothing, and their owner reads why.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from msgspec import structs

from weft.errors import Invalid, NotFound, QuotaExceeded
from weft.model.device import Device
from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal
from weft.ports import Clock, Records, Writer
from weft.security.audit import Audit
from weft.security.authority import CertificateAuthority
from weft.security.certificates import read_certificate, uri_of
from weft.security.credential_records import (
    CREDENTIALS,
    PER_DEVICE_MAX,
    CredentialKind,
    DeviceCredential,
    IssuedIdentity,
    IssuedSecret,
    all_credentials,
    bind_identity,
    bind_key,
    credentials_of,
    free_identity,
    require_identity,
)
from weft.security.machine_secrets import MachineSecret, make_secret
from weft.security.revocation import Revocation

REVOKED_KEPT = 16_384  # half a kilobyte each, of all tenants; older ones are nobody's again

Vouches = Callable[[TenantId, str, bytes], bool]  # tenant, authority, certificate


class Credentials:
    """Issues, finds and revokes what devices prove themselves with."""

    def __init__(
        self,
        records: Records,
        audit: Audit,
        clock: Clock,
        pepper: bytes,
        authority: CertificateAuthority,
        revocation: Revocation,
    ) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._pepper = pepper
        self._authority = authority
        self._revocation = revocation
        self._index: dict[str, DeviceCredential] = {}
        self._revoked: OrderedDict[str, DeviceCredential] = OrderedDict()  # longest ago first
        self._identities: dict[str, str] = {}  # of factories' keys -> credential ids
        self._vouches: Vouches | None = None
        self._of_device: dict[str, tuple[str, ...]] = {}  # device uid -> credential ids

    async def load(self) -> None:
        """Read all credentials; of the revoked ones, the latest."""
        found = await self._records.read(all_credentials)
        # An identity that has run out may be another device's by now: the latest has it.
        for credential in sorted(found, key=lambda one: (one.revoked_at or 0, one.created_at)):
            if credential.revoked_at is None:
                self.learn(credential)
            else:
                self._keep_revoked(credential)

    def learn(self, credential: DeviceCredential) -> None:
        """Take note of a credential that is on disk."""
        self._index[credential.credential_id] = credential
        self._revoked.pop(credential.credential_id, None)
        if credential.identity:
            self._identities[credential.identity] = credential.credential_id
        self._hold(credential)

    def _hold(self, credential: DeviceCredential) -> None:
        held = self._of_device.get(credential.device_uid, ())
        if credential.credential_id not in held:
            self._of_device[credential.device_uid] = (*held, credential.credential_id)

    def _keep_revoked(self, credential: DeviceCredential) -> None:
        """Remember whose a credential was; what it would be proven by is not kept."""
        kept = structs.replace(credential, digest="", sealed="")
        self._revoked[credential.credential_id] = kept
        self._hold(credential)
        if len(self._revoked) > REVOKED_KEPT:
            self._revoked.popitem(last=False)

    def _drop(self, credential_id: str) -> None:
        """Forget a credential; an identity that another has by now stays that one's."""
        found = self._index.pop(credential_id, None)
        if found is not None and self._identities.get(found.identity) == credential_id:
            del self._identities[found.identity]

    # --- finding, without waiting ---

    def find_secret(self, secret: MachineSecret) -> DeviceCredential | None:
        """Return the live credential that a secret proves."""
        found = self._index.get(secret.key_id)
        digest = found.digest if found else "0" * 64
        matches = secret.matches(digest, self._pepper)  # the same work for an unknown id
        return found if found and matches and self.is_live(found) else None

    def find_certificate(self, der: bytes) -> DeviceCredential | None:
        """Return the live credential of a certificate that TLS has verified.

        The public key names the device; the certificate's URI must be that device's, exactly,
        or the customer's authority that vouches for the key must have signed it.
        """
        try:
            presented = read_certificate(der)
        except Invalid:
            return None
        found = self._index.get(presented.fingerprint)
        now = self._clock.now()
        if found is None or not self.is_live(found):
            return None
        if not presented.not_before <= now < presented.not_after:
            return None
        if not found.authority:  # ours states what it is for, always
            own = presented.states_usage and presented.uri == uri_of(found.tenant, found.device_uid)
            return found if own else None
        vouched = self._vouches is not None and self._vouches(found.tenant, found.authority, der)
        # The customer renews the certificate; what we kept of the key has no end of its own.
        ends = min(presented.not_after, found.expires_at or presented.not_after)
        return structs.replace(found, expires_at=ends) if vouched else None

    def vouch_by(self, vouches: Vouches) -> None:
        """Ask this whether a customer's authority still stands behind a certificate."""
        self._vouches = vouches

    def of_authority(self, tenant: TenantId, authority_id: str) -> set[str]:
        """Return the uids of devices that have a credential by a customer's authority."""
        return {
            one.device_uid
            for one in self._index.values()
            if one.authority == authority_id and one.tenant == tenant
        }

    def find_fingerprint(self, der: bytes) -> DeviceCredential | None:
        """Return the credential that a certificate's key is of, though it may not be accepted."""
        try:
            return self._index.get(read_certificate(der).fingerprint)
        except Invalid:
            return None

    def find_revoked_certificate(self, der: bytes) -> DeviceCredential | None:
        """Return whose a certificate's key was that is revoked, as far as that is remembered."""
        try:
            return self._revoked.get(read_certificate(der).fingerprint)
        except Invalid:
            return None

    def find_by_id(self, key_id: str) -> DeviceCredential | None:
        """Return the credential of a key id that is not revoked, proven or not, live or not."""
        return self._index.get(key_id)

    def find_revoked(self, key_id: str) -> DeviceCredential | None:
        """Return whose a key id was that is revoked, as far as that is remembered."""
        return self._revoked.get(key_id)

    def find_identity(self, identity: str) -> DeviceCredential | None:
        """Return the credential that a pre-shared key's name is of, not revoked, live or not."""
        found = self._index.get(self._identities.get(identity, identity))
        return found if found is not None and found.name == identity else None

    def is_admitted(self, credential: DeviceCredential) -> bool:
        """Whether the device itself is active, or waits to be heard in the quarantine."""
        policy, tenant, uid = self._revocation.policy, credential.tenant, credential.device_uid
        return policy.is_active(tenant, uid) or policy.is_waiting(tenant, uid)

    def is_live(self, credential: DeviceCredential) -> bool:
        """Whether a credential that was found has not run out."""
        return credential.expires_at is None or self._clock.now() < credential.expires_at

    # --- issuing ---

    async def issue_secret(
        self, actor: Principal, device: Device, *, life_s: int | None = None, label: str = ""
    ) -> IssuedSecret:
        """Make a secret for a device; the answer is the only place where it stands in clear."""
        issued = self.prepare_secret(device, life_s=life_s, label=label)
        await self.add(actor, issued.credential)
        return issued

    def prepare_secret(
        self, device: Device, *, life_s: int | None = None, label: str = ""
    ) -> IssuedSecret:
        """Make a secret that is nobody's until `add_in` and `learn`."""
        secret = make_secret()
        credential = structs.replace(
            self.new_credential(device, CredentialKind.SECRET, secret.key_id, label, life_s),
            digest=secret.digest(self._pepper),
        )
        return IssuedSecret(credential, secret.text)

    async def issue_certificate(
        self,
        actor: Principal,
        device: Device,
        *,
        request_pem: str | bytes | None = None,
        label: str = "",
    ) -> IssuedIdentity:
        """Issue a certificate for the key of a signing request, or with a new key."""
        issued = self.prepare_certificate(device, request_pem=request_pem, label=label)
        await self.add(actor, issued.credential)
        return issued

    def prepare_certificate(
        self, device: Device, *, request_pem: str | bytes | None = None, label: str = ""
    ) -> IssuedIdentity:
        """Sign a certificate that admits nobody until `add_in` and `learn`."""
        certificate = self._authority.issue(device, request_pem)
        presented = read_certificate(certificate.der)
        kind = CredentialKind.CERTIFICATE
        credential = structs.replace(
            self.new_credential(device, kind, presented.fingerprint, label),
            expires_at=presented.not_after,
        )
        return IssuedIdentity(credential, certificate)

    def new_credential(
        self,
        device: Device,
        kind: CredentialKind,
        credential_id: str,
        label: str,
        life_s: int | None = None,
    ) -> DeviceCredential:
        """Return a credential that is not kept yet."""
        now = self._clock.now()
        return DeviceCredential(
            tenant=device.tenant,
            credential_id=credential_id,
            kind=kind,
            device_id=device.device_id,
            device_uid=device.uid,
            created_at=now,
            expires_at=None if life_s is None else now + life_s * NS_PER_S,
            label=label,
        )

    async def add(self, actor: Principal, credential: DeviceCredential) -> None:
        """Keep a credential; raises `QuotaExceeded` when the device has enough."""
        await self._records.write(lambda writer: self.add_in(writer, actor, credential))
        self.learn(credential)

    def add_in(self, writer: Writer, actor: Principal, credential: DeviceCredential) -> None:
        """Keep a prepared credential in the caller's transaction; then `learn` must be called."""
        held = credentials_of(writer, credential)
        live = [one for one in held if one.revoked_at is None and self.is_live(one)]
        if len(live) >= PER_DEVICE_MAX:
            raise QuotaExceeded(
                f"Device {credential.device_id} has {len(live)} credentials.",
                remedy="Revoke those that are no longer used.",
            )
        if credential.kind is CredentialKind.CERTIFICATE:
            bind_key(writer, credential)
            # The same key again is a renewal: it takes the old certificate's place.
            writer.put(CREDENTIALS, credential.tenant, credential.credential_id, credential)
        else:
            if credential.identity:
                bind_identity(writer, credential, self._clock.now())
            writer.insert(CREDENTIALS, credential.tenant, credential.credential_id, credential)
        self._audit.entry(
            writer,
            actor,
            "device.credentials",
            f"device:{credential.device_id}",
            detail={"issued": credential.credential_id, "kind": credential.kind.value},
        )

    def require_identity_in(self, writer: Writer, identity: str) -> None:
        """Raise `AlreadyExists` while a factory's identity is in use, here or elsewhere."""
        require_identity(writer, identity, self._clock.now())

    # --- ending ---

    async def revoke(self, actor: Principal, device: Device, credential_id: str) -> None:
        """End one credential; the device is cut, and comes back with another if it has one."""

        def work(writer: Writer) -> DeviceCredential:
            stored = writer.get(CREDENTIALS, device.tenant, credential_id)
            if stored.value.device_uid != device.uid:
                raise NotFound(f"Device {device.device_id} has no such credential.")
            ended = structs.replace(stored.value, revoked_at=self._clock.now())
            writer.put(CREDENTIALS, device.tenant, stored.key, ended, version=stored.version)
            self._audit.entry(
                writer,
                actor,
                "device.credentials",
                f"device:{device.device_id}",
                detail={"revoked": credential_id},
            )
            return ended

        self._end(await self._records.write(work))
        self._revocation.renew(device.uid, "a credential was revoked")

    def revoke_all_in(self, writer: Writer, device: Device) -> list[str]:
        """End all credentials of a device in the caller's transaction; return their ids.

        When the transaction is on disk, `revoked` must be called with them.
        """
        ended: list[str] = []
        for stored in writer.list(
            CREDENTIALS, device.tenant, where=("device", device.uid), limit=1_000
        ):
            if stored.value.revoked_at is None:
                value = structs.replace(stored.value, revoked_at=self._clock.now())
                writer.put(CREDENTIALS, device.tenant, stored.key, value, version=stored.version)
                ended.append(stored.key)
        return ended

    def revoked(self, device: Device, credential_ids: Sequence[str]) -> None:
        """Drop credentials whose end is on disk, and cut what they opened."""
        for credential_id in credential_ids:
            held = self._index.get(credential_id)
            if held is not None:
                self._end(structs.replace(held, revoked_at=self._clock.now()))
        self._revocation.renew(device.uid, "its credentials were revoked")

    def _end(self, credential: DeviceCredential) -> None:
        self._drop(credential.credential_id)
        self._keep_revoked(credential)

    def rebind_in(self, writer: Writer, old: Device, new: Device) -> list[DeviceCredential]:
        """Let the secrets of one device open another, in the caller's transaction.

        Certificates and pre-shared keys are bound to the old one's tenant and stay behind. The
        caller deletes the old device, and calls `learn` with what is returned.
        """
        bound: list[DeviceCredential] = []
        for stored in writer.list(CREDENTIALS, old.tenant, where=("device", old.uid), limit=1_000):
            held = stored.value
            if held.kind is CredentialKind.SECRET and held.revoked_at is None:
                value = structs.replace(
                    held, tenant=new.tenant, device_id=new.device_id, device_uid=new.uid
                )
                writer.insert(CREDENTIALS, new.tenant, stored.key, value)
                bound.append(value)
        return bound

    def delete_in(self, writer: Writer, device: Device) -> None:
        """Remove a device's credentials in the transaction that deletes it."""
        for credential in writer.list(
            CREDENTIALS, device.tenant, where=("device", device.uid), limit=1_000
        ):
            free_identity(writer, credential.value)
            writer.delete(CREDENTIALS, device.tenant, credential.key)

    def forget(self, device: Device) -> None:
        """Drop a deleted device's credentials from memory and end its rights."""
        for credential_id in self._of_device.pop(device.uid, ()):
            self._drop(credential_id)
            self._revoked.pop(credential_id, None)
        self._revocation.end(device.uid, "the device was deleted")

    async def list_credentials(self, device: Device) -> Sequence[DeviceCredential]:
        """Return all credentials of a device, those that have ended too."""
        return await self._records.read(
            lambda r: [
                stored.value
                for stored in r.list(
                    CREDENTIALS, device.tenant, where=("device", device.uid), limit=1_000
                )
            ]
        )


__all__ = [
    "CREDENTIALS",
    "PER_DEVICE_MAX",
    "CredentialKind",
    "Credentials",
    "DeviceCredential",
    "IssuedIdentity",
    "IssuedSecret",
]
