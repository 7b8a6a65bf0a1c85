"""Pre-shared keys: what a device too small for certificates proves itself with over DTLS.

The name it sends is the credential's id; the key is 32 characters of base64url (192 random
bits): every client can be told it as text, and stacks that hold 32 bytes at most take it.
DTLS needs the key itself, so the vault seals it; it is never hashed, logged or shown again.
An unknown name costs the same work as a known one and gets a key that nobody has.
"""

import base64
import hashlib
import hmac
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct, structs

from weft.errors import Damaged, NotFound
from weft.model.device import Device
from weft.model.ids import TenantId
from weft.model.principal import Principal
from weft.observability.log import get_logger
from weft.security.credential_records import CredentialKind, DeviceCredential, IssuedKey
from weft.security.credentials import Credentials
from weft.security.machine_secrets import make_secret
from weft.security.secrets import NONCE_BYTES, Vault

log = get_logger(__name__)

KEY_RANDOM_BYTES = 24  # 32 characters: as long as small stacks allow, far beyond guessing
IDENTITY_MAX = 128  # bytes that a name may have; ours have 16
KIND = "preshared_key"  # what is sealed is bound to this word


class FoundKey(Struct, frozen=True):
    """The key of one name, and one that nobody has. Both are the same when the name is nobody's."""

    key: bytes
    decoy: bytes
    credential: DeviceCredential | None

    def __repr__(self) -> str:
        return "FoundKey(withheld)"


class PresharedKeys:
    """Issues pre-shared keys, and opens them for a handshake."""

    def __init__(self, credentials: Credentials, vault: Vault) -> None:
        self._credentials = credentials
        self._vault = vault
        self._secret = os.urandom(32)
        self._cipher = AESGCM(os.urandom(32))
        nonce = os.urandom(NONCE_BYTES)
        self._nonce, self._sealed = nonce, self._cipher.encrypt(nonce, bytes(32), b"")

    async def issue(
        self, actor: Principal, device: Device, *, life_s: int | None = None, label: str = ""
    ) -> IssuedKey:
        """Make a key for a device; the answer is the only place where it stands in clear."""
        await self.ready(device.tenant)
        issued = self.prepare(device, life_s=life_s, label=label)
        await self._credentials.add(actor, issued.credential)
        return issued

    async def ready(self, tenant: TenantId) -> None:
        """See to it that keys of a tenant can be sealed: `prepare` waits for nothing."""
        await self._vault.add_tenant(tenant)

    def prepare(self, device: Device, *, life_s: int | None = None, label: str = "") -> IssuedKey:
        """Make a key that is nobody's until the credential is added and learnt."""
        name = make_secret().key_id
        key = base64.urlsafe_b64encode(os.urandom(KEY_RANDOM_BYTES)).decode()
        credential = structs.replace(
            self._credentials.new_credential(device, CredentialKind.PSK, name, label, life_s),
            sealed=self._vault.seal(device.tenant, KIND, name, key.encode()),
        )
        return IssuedKey(credential, key)

    def adopt(
        self, device: Device, key: bytes, identity: str = "", *, label: str = ""
    ) -> DeviceCredential:
        """Take a key that was put into a device elsewhere; it is nobody's until it is added.

        Without an identity it gets one of ours. The key is sealed and never shown.
        """
        name = make_secret().key_id
        return structs.replace(
            self._credentials.new_credential(device, CredentialKind.PSK, name, label),
            sealed=self._vault.seal(device.tenant, KIND, name, key),
            identity=identity,
        )

    def find(self, identity: str) -> FoundKey:
        """Return the key of a name that is live; for any other, one that nobody has."""
        decoy = hmac.digest(self._secret, identity.encode(), hashlib.sha256)
        credential = self._credentials.find_identity(identity)
        if (
            credential is None
            or credential.kind is not CredentialKind.PSK
            or not self._credentials.is_live(credential)
        ):
            self._cipher.decrypt(self._nonce, self._sealed, b"")  # the same work for nobody
            return FoundKey(decoy, decoy, None)
        try:
            name = credential.credential_id
            key = self._vault.unseal(credential.tenant, KIND, name, credential.sealed)
        except (Damaged, NotFound) as error:
            name = credential.credential_id
            log.error("preshared_key_unusable", credential=name, error=error.detail)
            return FoundKey(decoy, decoy, None)
        return FoundKey(key, decoy, credential)
