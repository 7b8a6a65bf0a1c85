"""A small world of security services over records in memory."""

from pathlib import Path
from typing import Any

from weft.backends.memory.records import MemoryRecords
from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceId, DeviceUid, TenantId, new_id
from weft.model.principal import Principal, PrincipalKind
from weft.security.actions import Role
from weft.security.audit import Audit
from weft.security.authentication import Authenticator
from weft.security.authority import CertificateAuthority
from weft.security.connections import Connection, Connections
from weft.security.credentials import Credentials, DeviceCredential
from weft.security.keys import Keys
from weft.security.passwords import PasswordHasher
from weft.security.people import People, User
from weft.security.policy import Policy
from weft.security.preshared_keys import PresharedKeys
from weft.security.revocation import Revocation
from weft.security.secrets import MasterKey, Vault
from weft.security.sessions import Sessions
from weft.security.sign_in import SignIn
from weft.security.throttle import Throttle
from weft.security.tokens import AccessTokens
from weft.supervision import FakeClock

MAIN = TenantId("main")
OTHER = TenantId("other")
PEPPER = b"p" * 32
SYSTEM = Principal(MAIN, PrincipalKind.SYSTEM, "weft", "weft")
ADMIN = Principal(MAIN, PrincipalKind.USER, "ada", "uid-ada")
PASSWORD = "violet umbrella tangent 88"
PEER = "192.0.2.7:40001"


def device(name: str = "pump-7", tenant: TenantId = MAIN) -> Device:
    """A new active device."""
    return Device(
        tenant=tenant,
        device_id=DeviceId(name),
        uid=DeviceUid(new_id()),
        type_name=None,
        lifecycle=Lifecycle.ACTIVE,
        created_at=0,
    )


class FullDisk(MemoryRecords):
    """Records whose disk can be full: then nothing that was asked happens."""

    def __init__(self) -> None:
        super().__init__()
        self.full: Exception | None = None

    async def write(self, work: Any) -> Any:
        if self.full is not None:
            raise self.full
        return await super().write(work)


class AdmittedCredentials(Credentials):
    """Tells the policy of the device first, as the registry does when it makes one."""

    async def add(self, actor: Principal, credential: DeviceCredential) -> None:
        tenant, uid = credential.tenant, credential.device_uid
        self._revocation.device_changed(tenant, uid, active=True)
        await super().add(actor, credential)


class World:
    """Every service, composed as the frame composes them."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.records = FullDisk()
        self.audit = Audit(self.records, self.clock, b"a" * 32)
        self.policy = Policy()
        self.connections = Connections(self.clock)
        self.revocation = Revocation(self.policy, self.connections)
        self.authority = CertificateAuthority(folder / "ca", b"a passphrase of tests", self.clock)
        self.throttle = Throttle(self.clock)
        self.hasher = PasswordHasher()
        self.vault = Vault(MasterKey.open(folder), self.records)
        self.build()

    def build(self) -> None:
        """Make the services that keep an index, as at a start."""
        parts = (self.records, self.audit, self.clock, PEPPER)
        self.sessions = Sessions(*parts, AccessTokens([b"t" * 32], self.clock))
        self.people = People(*parts, self.sessions, self.revocation)
        self.credentials = AdmittedCredentials(*parts, self.authority, self.revocation)
        self.preshared = PresharedKeys(self.credentials, self.vault)
        self.keys = Keys(*parts, self.policy, self.revocation)
        self.sign_in = SignIn(self.people, self.sessions, self.hasher, self.throttle, self.audit)
        self.door = Authenticator(
            self.credentials,
            self.keys,
            self.sessions,
            self.throttle,
            self.clock,
            self.preshared,
        )

    async def restart(self) -> None:
        """Forget what is in memory and read it back."""
        self.build()
        for service in (self.sessions, self.people, self.credentials, self.keys):
            await service.load()

    async def user(self, name: str, *roles: Role, tenant: TenantId = MAIN) -> User:
        """A user who was invited and has signed up, without the cost of an argon2."""
        token = await self.people.invite(SYSTEM, roles or (Role.VIEWER,), tenant=tenant)
        return await self.people.accept(token, name, "$argon2id$not-a-hash")

    def connect(self, principal: Principal, **more: Any) -> tuple[Connection, list[str]]:
        """A live connection and the reasons for which it was cut."""
        cuts: list[str] = []
        connection = Connection(principal, "mqtt", PEER, cuts.append, **more)
        return self.connections.register(connection), cuts
