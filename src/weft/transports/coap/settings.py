"""Settings of CoAP, and what its listeners are given."""

from typing import Protocol

from msgspec import Struct, field

from weft.commands.commands import Commands
from weft.ingest.dialects.thingsboard.provision import Answered
from weft.ingest.dialects.thingsboard.requests import Requests
from weft.ingest.gate import Gate
from weft.ingest.gate_session import KnownDevices
from weft.ingest.pipeline import Pipeline
from weft.ports import Clock, Deciding
from weft.registry.provision_documents import Provisioned, ProvisionRequest
from weft.security.authentication import Authenticator
from weft.security.claim_keys import Visit
from weft.security.connections import Connections
from weft.security.limits import Limiter
from weft.transports.coap.shares import Shares
from weft.transports.dtls.settings import DtlsSettings
from weft.twins.twins import Twins
from weft.wire.coap.limits import Limits


class CoapSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[transports.coap]`: how devices reach us over CoAP."""

    listen: str = "127.0.0.1:5683"  # loopback only; empty turns it off
    listen_dtls: str = ""  # as "0.0.0.0:5684": the way in from anywhere else
    dtls: DtlsSettings = field(default_factory=DtlsSettings)
    limits: Limits = field(default_factory=Limits)
    token_sessions: int = 10_000  # of who proves itself by a token in each request
    token_idle_s: float = 300.0  # then its next request is a new connection
    receive_buffer_bytes: int = 4 * 1024 * 1024  # a fleet wakes at the full hour


class Provisions(Protocol):
    """Who gives identities out."""

    async def provision(self, payload: bytes, peer: str, /) -> Answered:
        """Answer a request; a refusal is an answer as well."""
        ...


class Identities(Protocol):
    """Who gives them out in our own words."""

    async def provision(self, claim: str, request: ProvisionRequest, peer: str, /) -> Provisioned:
        """Make the device of a serial, for who shows a claim."""
        ...

    async def provision_visitor(
        self, visit: Visit, request: ProvisionRequest, peer: str, /
    ) -> Provisioned:
        """The same, for whom a handshake has proven the claim."""
        ...


class Given(Struct, frozen=True):
    """What every CoAP listener is given."""

    settings: CoapSettings
    authenticator: Authenticator
    policy: Deciding
    gate: Gate
    pipeline: Pipeline
    devices: KnownDevices
    twins: Twins
    connections: Connections
    limiter: Limiter
    clock: Clock
    commands: Commands
    shares: Shares  # of what may be observed, on all listeners together
    thingsboard: Requests | None = None  # its device API, where it is spoken
    provisions: Provisions | None = None  # who has no identity yet may ask for one there
    identities: Identities | None = None  # and for the same in our own words
