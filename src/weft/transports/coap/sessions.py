"""Sessions: who speaks, proven once by DTLS, or by a token in each request.

Over DTLS the handshake has said who it is. In the clear, on the loopback interface, each
request names its token in the query (`?token=`); the first one opens a session, so that
what is looked up once is kept and a right that ends cuts it like any connection. A session
that was not heard for long ends, unless it observes something: who waits to be told has no
reason to speak. Where one that observes must end, its observer is told (RFC 7641 4.2).
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Protocol, cast

from weft.errors import PeerError, RateLimited, Unauthenticated, Unavailable, WeftError
from weft.ingest.gate import GateSession
from weft.model.principal import Principal
from weft.security.authentication import REFUSED, Proof
from weft.security.claim_keys import Visit
from weft.security.connections import Connection
from weft.security.limits import LimitKind
from weft.transports.addresses import write_address
from weft.transports.coap.settings import Given
from weft.transports.mqtt.dues import Dues
from weft.wire.coap.peers import Address

TOKEN = "token="  # noqa: S105  the name in the query, not one
IDLE_CHECKED_AT_ONCE = 100
SPARED = 8  # sessions that observe are passed over for one that does not, where all are full


class Behind(Protocol):
    """A peer behind DTLS."""

    peer: str
    visit: Visit | None


def visit_of(address: Address) -> Visit | None:
    """Return what a claim's key has opened; None for who has an identity, and in the clear."""
    return None if isinstance(address, tuple) else cast("Behind", address).visit


def peer_of(address: Address) -> str:
    """Return whose address it is, as host:port; a peer behind DTLS knows its own."""
    if isinstance(address, tuple):
        return write_address(address)
    return cast("Behind", address).peer


class CoapSession:
    """One principal's open way in over CoAP."""

    __slots__ = ("connection", "dues", "gate", "heard_at", "looked_at", "received", "sent")

    def __init__(self, gate: GateSession, dues: Dues) -> None:
        self.gate = gate
        self.dues = dues
        self.connection: Connection
        self.heard_at = 0.0
        self.looked_at = 0.0  # when it took its place among those that may be idle
        self.received = 0
        self.sent = 0

    @property
    def principal(self) -> Principal:
        """Whose it is."""
        return self.gate.principal


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

    def __init__(
        self, given: Given, ended: Callable[[CoapSession, WeftError | None], None]
    ) -> None:
        """`ended` hears of each that is over, and what whoever observes is to be told."""
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
        session.heard_at = session.looked_at = now
        return session

    def _open(self, key: bytes, token: str, peer: str) -> CoapSession:
        proof = self._given.authenticator.prove_bearer(token, peer)
        while len(self._by_token) >= self._given.settings.token_sessions:
            self._drop(self._find_idlest(), full())
        try:
            session = open_session(
                self._given, proof, "coap", peer, lambda _reason: self._drop(key, cut_off())
            )
        except PeerError as error:
            self._given.authenticator.turned_away(proof, peer, error)
            raise
        self._by_token[key] = session
        return session

    def _find_idlest(self) -> bytes:
        """Return the least recently heard, or one behind it that nobody waits on."""
        keys = list(islice(self._by_token, SPARED))
        observes = self._given.shares.observes
        return next((key for key in keys if not observes(self._by_token[key])), keys[0])

    def check(self, now: float) -> None:
        """End those that were not heard for long, those that observe excepted."""
        oldest_at = now - self._given.settings.token_idle_s
        for _ in range(min(IDLE_CHECKED_AT_ONCE, len(self._by_token))):
            key, session = next(iter(self._by_token.items()))
            if session.looked_at > oldest_at:
                return
            if session.heard_at > oldest_at or self._given.shares.observes(session):
                session.looked_at = now
                self._by_token.move_to_end(key)
            else:
                self._drop(key, None)

    def close(self) -> None:
        """End all."""
        for key in list(self._by_token):
            self._drop(key, stopping())

    def _drop(self, key: bytes, told: WeftError | None) -> None:
        session = self._by_token.pop(key, None)
        if session is not None:
            self._given.connections.unregister(session.connection)
            self._ended(session, told)


def cut_off() -> WeftError:
    """Return what an observer is told whose right or credential has ended."""
    return Unauthenticated(
        "The session has ended.", remedy="Observe again, with a token that is accepted."
    )


def full() -> WeftError:
    """Return what an observer is told whose session gives way to another."""
    return Unavailable("Too many devices are here at once.", remedy="Observe again soon.")


def stopping() -> WeftError:
    """Return what an observer is told at the end."""
    return Unavailable("Weft is stopping.", remedy="Observe again soon.")


def token_in(query: tuple[str, ...]) -> str:
    """Return the token of a request; raise `Unauthenticated` where there is none."""
    for part in query:
        if part.startswith(TOKEN):
            return part[len(TOKEN) :]
    raise Unauthenticated(
        REFUSED, remedy="Name the device's token in the query, as ?token=weft_..., or use DTLS."
    )
