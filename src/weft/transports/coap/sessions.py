"""Sessions: who speaks, proven once by DTLS, or by a token in each request.

Over DTLS the handshake has said who it is. In the clear, on the loopback interface, each
request names its token in the query (`?token=`); the first one opens a session, so that
what is looked up once is kept and a right that ends cuts it like any connection.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol, cast

from weft.errors import RateLimited, Unauthenticated
from weft.ingest.gate import GateSession
from weft.security.authentication import REFUSED, Proof
from weft.security.connections import Connection
from weft.security.limits import LimitKind
from weft.transports.addresses import write_address
from weft.transports.coap.settings import Given
from weft.transports.mqtt.dues import Dues
from weft.wire.coap.peers import Address

TOKEN = "token="  # noqa: S105  the name in the query, not one
IDLE_CHECKED_AT_ONCE = 100


class Behind(Protocol):
    """A peer behind DTLS."""

    peer: str


def peer_of(address: Address) -> str:
    """Return whose address it is, as host:port; a peer behind DTLS knows its own."""
    if isinstance(address, tuple):
        return write_address(address)
    return cast("Behind", address).peer


class CoapSession:
    """One principal's open way in over CoAP."""

    __slots__ = ("connection", "dues", "gate", "heard_at", "received", "sent")

    def __init__(self, gate: GateSession, dues: Dues) -> None:
        self.gate = gate
        self.dues = dues
        self.connection: Connection
        self.heard_at = 0.0
        self.received = 0
        self.sent = 0


def open_session(
    given: Given, proof: Proof, protocol: str, peer: str, cut: Callable[[str], None]
) -> CoapSession:
    """Open a session and register it; raise `RateLimited` or `QuotaExceeded` for one too many."""
    principal = proof.principal
    wait_s = given.limiter.take(principal.tenant, principal, LimitKind.CONNECTS)
    if wait_s > 0:
        raise RateLimited(
            f"{principal} connects too often.",
            retry_after_s=wait_s,
            remedy=f"Wait {wait_s:.1f} s, and keep the session.",
        )
    session = CoapSession(given.gate.open(principal, peer), Dues(given.limiter))
    connection = given.connections.register(
        Connection(
            principal,
            protocol,
            peer,
            cut,
            expires_at=proof.expires_at,
            counters=lambda: {"received": session.received, "sent": session.sent},
        )
    )
    connection.credential_id = proof.credential_id
    session.connection = connection
    return session


class TokenSessions:
    """The sessions of those who send a token with each request; least recently heard first."""

    def __init__(self, given: Given, ended: Callable[[CoapSession], None]) -> None:
        self._given = given
        self._ended = ended
        self._by_token: OrderedDict[bytes, CoapSession] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_token)

    def of(self, token: str, peer: str, now: float) -> CoapSession:
        """Return the session of a token; raise `Unauthenticated` when it proves nothing."""
        key = hashlib.blake2b(token.encode(), digest_size=16).digest()
        session = self._by_token.get(key)
        if session is None:
            session = self._open(key, token, peer)
        else:
            self._by_token.move_to_end(key)
        session.heard_at = now
        return session

    def _open(self, key: bytes, token: str, peer: str) -> CoapSession:
        proof = self._given.authenticator.prove_bearer(token, peer)
        while len(self._by_token) >= self._given.settings.token_sessions:
            self._drop(next(iter(self._by_token)))
        session = open_session(self._given, proof, "coap", peer, lambda _reason: self._drop(key))
        self._by_token[key] = session
        return session

    def check(self, now: float) -> None:
        """End those that were not heard for long."""
        oldest_at = now - self._given.settings.token_idle_s
        for _ in range(IDLE_CHECKED_AT_ONCE):
            key = next(iter(self._by_token), None)
            if key is None or self._by_token[key].heard_at > oldest_at:
                return
            self._drop(key)

    def close(self) -> None:
        """End all."""
        for key in list(self._by_token):
            self._drop(key)

    def _drop(self, key: bytes) -> None:
        session = self._by_token.pop(key, None)
        if session is not None:
            self._given.connections.unregister(session.connection)
            self._ended(session)


def token_in(query: tuple[str, ...]) -> str:
    """Return the token of a request; raise `Unauthenticated` where there is none."""
    for part in query:
        if part.startswith(TOKEN):
            return part[len(TOKEN) :]
    raise Unauthenticated(
        REFUSED, remedy="Name the device's token in the query, as ?token=weft_..., or use DTLS."
    )
