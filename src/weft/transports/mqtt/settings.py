"""Settings of MQTT, and what every connection is given."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol

from msgspec import Struct, field

from weft.broker.broker import Broker
from weft.ingest.dialects.dialect import UnknownChildren
from weft.ingest.gate import Gate
from weft.ingest.pipeline import Pipeline
from weft.model.principal import Principal
from weft.ports import Clock, Deciding
from weft.security.authentication import Authenticator
from weft.security.connections import Connections
from weft.security.limits import Limiter
from weft.transports.tls import TlsSettings
from weft.wire.mqtt.limits import Limits


class MqttSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[transports.mqtt]`: how devices reach us over MQTT."""

    listen: str = "127.0.0.1:1883"  # loopback only; empty turns it off
    listen_tls: str = ""  # as "0.0.0.0:8883": the way in from anywhere else
    websocket: bool = True  # also at /mqtt of the HTTP listeners
    client_certificate: Literal["optional", "required"] = "optional"  # required: no passwords
    tls: TlsSettings = field(default_factory=TlsSettings)
    limits: Limits = field(default_factory=Limits)
    strangers_per_address: int = 100  # connections that have not yet said who they are
    write_stall_s: float = 10.0  # a subscriber that reads nothing for so long is cut
    write_buffer_bytes: int = 64 * 1024  # beyond, messages wait in the session's queue
    close_wait_s: float = 2.0  # how long a DISCONNECT may take to leave


class UnreleasedIds(Protocol):
    """The journal's memory of QoS 2 packet ids."""

    async def unreleased(self, session: str) -> Sequence[int]:
        """Return the ids of a session that were received and not released."""
        ...


class Provisions(Protocol):
    """Who gives identities out."""

    def is_open(self) -> bool:
        """Whether any claim is in force."""
        ...

    async def answer(self, payload: bytes, peer: str, /) -> bytes:
        """Return the answer to a request; a refusal is an answer as well."""
        ...


class Given(Struct, frozen=True):
    """What every connection is given."""

    settings: MqttSettings
    authenticator: Authenticator
    policy: Deciding
    gate: Gate
    pipeline: Pipeline
    broker: Broker
    connections: Connections
    limiter: Limiter
    journal: UnreleasedIds
    clock: Clock
    introduce: Callable[[Principal, UnknownChildren], Awaitable[None]]  # a gateway's devices
    provisions: Provisions | None = None
