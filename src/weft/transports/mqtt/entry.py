"""CONNECT: who it is, by what TLS has seen or the packet says, and what a refusal is called."""

import asyncio
from collections.abc import Sequence

from weft.broker.sessions import Session
from weft.errors import PeerError, QuotaExceeded, RateLimited, Unauthenticated
from weft.ingest.pipeline import CommitFuture
from weft.security.authentication import Authenticator, Proof
from weft.transports.mqtt.settings import Given
from weft.wire.mqtt.packets import Connect
from weft.wire.mqtt.reasons import Reason


async def prove(
    authenticator: Authenticator, connect: Connect, transport: asyncio.BaseTransport, address: str
) -> Proof:
    """Prove who it is: by certificate where TLS has one, else by secret (ID-4)."""
    tls = transport.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    if der:
        return await authenticator.prove_newcomer(der, address)
    return authenticator.prove_secret(connect.username, connect.password or b"", address)


def protocol_of(transport: asyncio.BaseTransport) -> str:
    """Return what a connection is called: mqtt or mqtts, ws or wss."""
    secure = transport.get_extra_info("ssl_object") is not None
    return str(transport.get_extra_info("protocol", "mqtts" if secure else "mqtt"))


def refusal_of(connect: Connect, error: PeerError) -> Reason:
    """Return the reason code with which a CONNECT is refused."""
    if isinstance(error, Unauthenticated):
        named = connect.username or connect.password  # else nobody said who it is (AU-1)
        return Reason.BAD_USER_NAME_OR_PASSWORD if named else Reason.NOT_AUTHORIZED
    if isinstance(error, RateLimited):
        return Reason.CONNECTION_RATE_EXCEEDED
    if isinstance(error, QuotaExceeded):
        return Reason.QUOTA_EXCEEDED
    return Reason.NOT_AUTHORIZED


async def unreleased_of(given: Given, session: Session) -> Sequence[int]:
    """Return the QoS 2 ids that are kept, also those on their way to disk just now."""
    if session.inbound_qos_two:
        before = CommitFuture()
        given.pipeline.acknowledge(before, 0)
        await before.wait()
    return await given.journal.unreleased(session.key)
