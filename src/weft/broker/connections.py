"""Connections: what a CONNECT asks, what it is answered, and what the broker is given for it."""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from weft.broker.items import Acknowledged, unheard
from weft.broker.sessions import Session
from weft.broker.wills import PublishWill, Will
from weft.model.message import Envelope
from weft.model.principal import Principal
from weft.ports import Clock, Deciding, Records


class Opening(Struct, frozen=True):
    """What a CONNECT asks of the broker. MQTT 3.1.1: clean session is (True, 0), else
    (False, `NEVER_S`)."""

    client_id: str
    clean_start: bool = True
    expiry_s: int = 0
    receive_maximum: int = 65_535
    will: Will | None = None


class Attached(Struct, frozen=True):
    """What a CONNACK says. `expiry_s` may be less than was asked for (MQ-8)."""

    session: Session
    present: bool
    expiry_s: int


class SessionInfo(Struct, frozen=True):
    """A session, for operators."""

    client_id: str
    principal: str
    connected: bool
    created_at: int
    detached_at: int | None
    expiry_s: int
    subscriptions: tuple[str, ...]
    queued_messages: int
    queued_bytes: int
    inflight: int
    dropped: int


def info_of(session: Session) -> SessionInfo:
    """Show a session."""
    return SessionInfo(
        client_id=session.client_id,
        principal=str(session.principal),
        connected=session.link is not None,
        created_at=session.created_at,
        detached_at=session.detached_at if session.link is None else None,
        expiry_s=session.expiry_s,
        subscriptions=tuple(session.subscriptions),
        queued_messages=len(session.queue),
        queued_bytes=session.queue_bytes,
        inflight=len(session.inflight),
        dropped=session.dropped,
    )


ForgetSession = Callable[[str], Awaitable[None]]
Owed = Callable[[Principal], Sequence[Envelope]]


def nothing_owed(_principal: Principal) -> Sequence[Envelope]:
    """Owe nothing."""
    return ()


class BrokerDependencies(Struct, frozen=True):
    """What a broker is given. `forget_session` is the journal's; `acknowledged` hears of
    each command that a device's session has acknowledged, `refused` of each that it does not
    take, `subscribed` of each filter that is new to one; `owed` are a principal's open
    commands."""

    records: Records
    policy: Deciding
    clock: Clock
    publish_will: PublishWill
    forget_session: ForgetSession
    acknowledged: Acknowledged = unheard
    owed: Owed = nothing_owed
    subscribed: Acknowledged = unheard
    refused: Acknowledged = unheard
