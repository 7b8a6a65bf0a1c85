"""CONNECT: who, may, and with which session. A refusal says why, and keeps nothing.

Whoever may only ask for an identity is let in as a visitor (`visit.py`).
"""

from weft.errors import PeerError, RateLimited, Unauthenticated
from weft.ingest.gate import GateSession
from weft.ingest.submit import Message
from weft.model.ids import new_id
from weft.observability.log import get_logger
from weft.security.authentication import Proof
from weft.security.connections import Connection
from weft.security.limits import LimitKind
from weft.transports.mqtt.entry import protocol_of, prove, refusal_of, unreleased_of
from weft.transports.mqtt.line import Host
from weft.transports.mqtt.outward import Outward
from weft.transports.mqtt.settings import Given
from weft.transports.mqtt.translate import opening_of
from weft.transports.mqtt.visit import Visit, is_visit
from weft.wire.mqtt.handshake import Acceptance
from weft.wire.mqtt.kinds import V5
from weft.wire.mqtt.packets import Connect
from weft.wire.mqtt.reasons import Reason

log = get_logger(__name__)


class Entrance(Outward):
    """A connection that is let in, or not, and lets go of everything at its end."""

    def __init__(self, given: Given, host: Host) -> None:
        super().__init__(given, host)
        self.received = 0
        self._registered: Connection | None = None
        self._proof: Proof | None = None
        self._visit: Visit | None = None

    async def _open(self, connect: Connect) -> None:
        """Decide on a CONNECT: who, may, and with which session."""
        if self._is_over:  # too much came behind it
            return None
        try:
            if is_visit(connect, self._given.provisions):
                write = self._transport.write
                self._visit = Visit(self._given, self.address, self._machine, write, self._end)
                return self._visit.begin()
            proof = await prove(self._given.authenticator, connect, self._transport, self.address)
            self._proof = proof
            client_id = connect.client_id or f"weft-{new_id()}"
            self._gate_session = self._admit(proof, connect, client_id)
            return await self._attach(proof, connect, client_id)
        except PeerError as error:
            return self._refuse(refusal_of(connect, error), error)

    def _admit(self, proof: Proof, connect: Connect, client_id: str) -> GateSession:
        """Open the way in; a will must be allowed now (AZ-3)."""
        if self._is_over:
            raise Unauthenticated("It left while it was written down.")
        given, principal = self._given, proof.principal
        wait_s = given.limiter.take(principal.tenant, principal, LimitKind.CONNECTS)
        if wait_s > 0:
            raise RateLimited(
                f"{principal} connects too often.",
                retry_after_s=wait_s,
                remedy=f"Wait {wait_s:.1f} s, and stay connected; or give each client its own key.",
            )
        session = given.gate.open(principal, self.address, client_id)
        if connect.will is not None:
            will = connect.will
            given.gate.require_admission(session, Message(will.topic, will.payload))
        self._registered = given.connections.register(
            Connection(
                principal,
                protocol_of(self._transport),
                self.address,
                self.cut,
                expires_at=proof.expires_at,
                counters=lambda: {"received": self.received, "sent": self.sent},
            )
        )
        self._registered.credential_id = proof.credential_id
        return session

    async def _attach(self, proof: Proof, connect: Connect, client_id: str) -> None:
        given, machine = self._given, self._machine
        opening = opening_of(
            connect, client_id, machine.session_expiry_s, machine.peer_receive_maximum
        )
        attached = await given.broker.attach(proof.principal, self, opening)
        session = attached.session
        try:
            unreleased = await unreleased_of(given, session) if attached.present else ()
        finally:
            self.session = session
            if self._is_over:  # it left, or was cut, while we were at the disk
                given.broker.detach(session, self, will_wanted=False)
        if self._is_over:
            return
        self._host.known(self)
        self._will_wanted = True
        machine.session_expiry_s = min(machine.session_expiry_s, attached.expiry_s)
        self._transport.write(
            machine.accept(
                Acceptance(
                    session_present=attached.present,
                    assigned_client_id="" if connect.client_id else client_id,
                    unreleased=tuple(unreleased),
                )
            )
        )
        given.broker.resume(session, self)

    def _refuse(self, reason: Reason, error: PeerError) -> None:
        log.debug("mqtt_connect_refused", peer=self.address, reason=error.detail)
        if self._proof is not None and not self._is_over:  # else it is noted, or has left
            self._given.authenticator.turned_away(self._proof, self.address, error)
        if self._registered is not None:
            self._given.connections.unregister(self._registered)
        text = f"{error.detail} {error.remedy}".strip()
        self._write_last(self._machine.refuse(reason, text))

    def connection_lost(self, error: Exception | None) -> None:
        """Let go of everything; the will is published unless the peer said good-bye."""
        super().connection_lost(error)
        if self._visit is not None:
            self._visit.leave()
        if self._registered is not None:
            self._given.connections.unregister(self._registered)
        if self.session is not None:
            expiry = self._machine.session_expiry_s if self._machine.version == V5 else None
            self._given.broker.detach(
                self.session, self, will_wanted=self._will_wanted, expiry_s=expiry
            )
