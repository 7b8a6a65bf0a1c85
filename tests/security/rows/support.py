"""A whole Weft with two tenants, every listener on, and clients of every protocol.

The rows of the security requirements that span stations are tried here as a peer would
try them: over sockets, with credentials that were issued, against the running platform.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from tests.interop.support import Account, RunningWeft, settings
from tests.transports.mqtt.support import Peer

from weft.app.compose import MAIN, Weft
from weft.app.folder import DataFolder
from weft.model.device import Device
from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.registry.devices import NewDevice
from weft.security.filters import Direction, Effect, Grant
from weft.security.keys import NewKey
from weft.wire.mqtt.packets import Connack, Properties
from weft.wire.mqtt.reasons import Reason

GLOBEX = TenantId("globex")
BUSY = (  # a test asks more in a second than a business does
    "security.limits.principal_requests.per_s=10000",
    "security.limits.principal_requests.burst=10000",
)
KEPT = Properties(session_expiry_s=3600)
TLS = ("transports.mqtt.listen_tls=127.0.0.1:0", "api.tls_listen=127.0.0.1:0")
PATIENCE_S = 20.0
REFUSED = {Reason.NOT_AUTHORIZED, Reason.BAD_USER_NAME_OR_PASSWORD}


def operator(tenant: TenantId = MAIN) -> Principal:
    """Who sets things up, in a tenant."""
    return Principal(tenant, PrincipalKind.SYSTEM, "operator", "operator")


@dataclass(frozen=True)
class Enrolled(Account):
    """A device with a secret and a certificate."""

    device: Device
    secret_id: str
    certificate_id: str
    pem: Path

    @property
    def principal(self) -> Principal:
        return Principal(
            self.device.tenant, PrincipalKind.DEVICE, self.device.device_id, self.device.uid
        )


@dataclass(frozen=True)
class Key(Account):
    """A service key."""

    principal: Principal


class House(RunningWeft):
    """A Weft that serves two tenants."""

    def __init__(self, weft: Weft) -> None:
        super().__init__(weft)
        self.identity = weft.identity

    @property
    def mqtts_port(self) -> int:
        return int(self.weft.endpoints.mqtts.rpartition(":")[2])

    @property
    def coap_port(self) -> int:
        return int(self.weft.endpoints.coap.rpartition(":")[2])

    @property
    def coaps_port(self) -> int:
        return int(self.weft.endpoints.coaps.rpartition(":")[2])

    async def enrol(self, name: str, tenant: TenantId = MAIN) -> Enrolled:
        device = await self.identity.devices.create(operator(tenant), NewDevice(device_id=name))
        secret = await self.identity.credentials.issue_secret(operator(tenant), device)
        issued = await self.identity.credentials.issue_certificate(operator(tenant), device)
        pem = self.weft.folder.path / f"{device.uid}.pem"
        made = issued.certificate
        pem.write_text(f"{made.private_key_pem}{made.certificate_pem}{made.chain_pem}")
        ids = secret.credential.credential_id, issued.credential.credential_id
        return Enrolled(name, secret.token, device, *ids, pem)

    async def key(
        self,
        *scopes: str,
        topics: Sequence[str] = (),
        denied: Sequence[str] = (),
        tenant: TenantId = MAIN,
    ) -> Key:
        grants = [Grant(Direction.BOTH, one) for one in topics]
        grants += [Grant(Direction.BOTH, one, Effect.DENY) for one in denied]
        new = NewKey("system", scopes, tuple(grants))
        issued = await self.identity.keys.create(operator(tenant), new)
        key = issued.key
        principal = self.identity.authenticator.prove_bearer(issued.token, "127.0.0.1:1").principal
        return Key(key.key_id, issued.token, principal)

    async def revoke_key(self, key: Key) -> None:
        tenant = key.principal.tenant
        await self.identity.keys.revoke(operator(tenant), tenant, key.username)

    # --- clients ---

    async def dial(self, who: Account, **options: Any) -> tuple[Peer, Connack]:
        """Connect over plain MQTT with a secret."""
        peer = await Peer.dial(self.mqtt_port)
        options.setdefault("client_id", who.username)
        return peer, await peer.sign_in(who.username, password=who.token.encode(), **options)

    async def mqtt(self, who: Account, **options: Any) -> Peer:
        """Connect, and be let in."""
        peer, answer = await self.dial(who, **options)
        assert answer.reason is Reason.SUCCESS, answer
        return peer

    def client_context(self, pem: Path | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.identity.authority.root_pem)
        if pem is not None:
            context.load_cert_chain(pem)
        return context

    async def dial_tls(self, pem: Path, **options: Any) -> tuple[Peer, Connack]:
        """Connect with a certificate; a user name is only what the peer says of itself."""
        peer = Peer(
            *await asyncio.open_connection(
                "127.0.0.1",
                self.mqtts_port,
                ssl=self.client_context(pem),
                server_hostname="localhost",
            )
        )
        options.setdefault("client_id", "anything")
        options.setdefault("password", None)
        return peer, await peer.sign_in(options.pop("username", None), **options)

    def http(self, token: str = "", **headers: str) -> httpx2.AsyncClient:
        """A client of the API."""
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return httpx2.AsyncClient(
            base_url=f"{self.http_url}/api/v1/",
            headers=headers,
            timeout=PATIENCE_S,
            trust_env=False,
        )

    async def settle(self) -> None:
        """Wait until everything received so far is committed and applied."""
        await self.weft.path.pipeline.drain()


async def publish(peer: Peer, topic: str, payload: bytes, **options: Any) -> Reason:
    """Publish at QoS 1; return what the server says of it."""
    packet_id = peer.publish(topic, payload, **options)
    answer: Any = await peer.next()
    assert answer.packet_id == packet_id, answer
    reason: Reason = answer.reason
    return reason


async def nothing_for(peer: Peer) -> bool:
    """Whether the server has nothing to say: the next packet answers a ping."""
    peer.write(peer.machine.ping())
    return type(await peer.next()).__name__ == "Pingresp"


@asynccontextmanager
async def house_in(folder: Path, *assignments: str) -> AsyncIterator[House]:
    """Serve two tenants from `folder` until the context ends."""
    opened = Weft.open(settings(*TLS, *BUSY, *assignments), DataFolder(folder))
    async with opened as weft, weft.running():
        if weft.identity.tenants.find(GLOBEX) is None:
            await weft.identity.tenants.create(operator(), GLOBEX)
            await weft.identity.vault.add_tenant(GLOBEX)
        yield House(weft)
