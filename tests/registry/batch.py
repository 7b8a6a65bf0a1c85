"""What tests of batches share: claims, and a door through which their devices come."""

from pathlib import Path
from typing import Any

from tests.registry.support import ALICE, Registry

from weft.registry.claims import Claim, Claims, NewClaim
from weft.registry.devices import DeviceChange
from weft.registry.provision_documents import Provisioned, ProvisionRequest
from weft.registry.provisioning import Provisioning
from weft.security.attempts import Attempts
from weft.security.authentication import Authenticator
from weft.security.authority import CertificateAuthority
from weft.security.connections import Connections
from weft.security.credentials import Credentials
from weft.security.keys import Keys
from weft.security.policy import Policy
from weft.security.preshared_keys import PresharedKeys
from weft.security.revocation import Revocation
from weft.security.secrets import MasterKey, Vault
from weft.security.sessions import Sessions
from weft.security.throttle import Throttle
from weft.security.tokens import AccessTokens

PEER = "10.20.0.7:40001"
PEPPER = b"p" * 32


class Batch(Registry):
    """A registry whose devices provision themselves."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.policy = Policy()
        self.connections = Connections(self.clock)
        self.revocation = Revocation(self.policy, self.connections)
        self.authority = CertificateAuthority(folder / "ca", b"passphrase", self.clock)
        self.authority.open()
        parts = (self.records, self.audit, self.clock, PEPPER)
        self.credentials = Credentials(*parts, self.authority, self.revocation)
        keys = Keys(*parts, self.policy, self.revocation)
        sessions = Sessions(*parts, AccessTokens([b"s" * 32], self.clock))
        self.vault = Vault(MasterKey.open(folder), self.records)
        self.preshared = preshared = PresharedKeys(self.credentials, self.vault)
        self.door = Authenticator(
            self.credentials, keys, sessions, Throttle(self.clock), self.clock, preshared
        )
        self.door.claims = self.claims = Claims(*parts, self.vault)
        self.attempts: Attempts = self.door.attempts
        self.provisioning = Provisioning(
            self.records,
            self.claims,
            self.devices,
            (self.credentials, preshared),
            (self.audit, self.attempts),
            self.clock,
        )
        self.devices.on_change(self._changed)
        self.devices.in_delete(self.credentials.delete_in)
        self.token = ""

    def _changed(self, change: DeviceChange) -> None:
        if change.new is None:
            self.credentials.forget(change.device)
        else:
            self.revocation.device_changed(
                change.new.tenant, change.new.uid, active=change.new.lifecycle == "active"
            )

    async def claim(self, **more: Any) -> Claim:
        """Make a claim; its token is the one that `provision` shows from now on."""
        issued = await self.claims.create(
            ALICE, NewClaim(**{"name": "pumps", "count": 3, "approve": True, **more})
        )
        self.token = issued.token
        return issued.claim

    async def provision(self, serial: str, *, peer: str = PEER, **more: Any) -> Provisioned:
        """Ask as a device of the batch does."""
        request = ProvisionRequest(serial=serial, **more)
        return await self.provisioning.provision(self.token, request, peer)

    def reasons(self, claim: Claim) -> list[str]:
        """Why a claim's requests ended as they did, newest first."""
        return [attempt.reason for attempt in self.provisioning.attempts(claim)]
