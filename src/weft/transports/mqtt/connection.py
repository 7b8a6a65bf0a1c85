"""One MQTT connection: a socket, the wire's machine, and the stations behind it.

Everything received in one read is handled in one go; acknowledgements leave when the
journal has the batch, those of one connection in one write. What must wait for a disk
or a decision (CONNECT, SUBSCRIBE) pauses reading, so order is kept and nothing piles up.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, cast

from msgspec.structs import replace

from weft.broker.delivery import Delivery
from weft.broker.delivery import Reason as BrokerReason
from weft.broker.sessions import Session
from weft.errors import PeerError, RateLimited, StorageError
from weft.ingest.dialects.dialect import UnknownChildren
from weft.ingest.gate import GateSession
from weft.ingest.submit import Message
from weft.model.ids import new_id
from weft.model.message import QosTwo, RejectionReason
from weft.observability.log import get_logger
from weft.security.authentication import Proof
from weft.security.connections import Connection
from weft.security.limits import LimitKind
from weft.transports.mqtt.dues import Dues
from weft.transports.mqtt.entry import protocol_of, prove, refusal_of, unreleased_of
from weft.transports.mqtt.owed import PUBCOMP_OWED, PUBREC_OWED, Refusal, acknowledgement
from weft.transports.mqtt.settings import Given
from weft.transports.mqtt.translate import (
    explained,
    opening_of,
    publish_of,
    reason_of,
    relayed,
    requests_of,
)
from weft.transports.mqtt.visit import Visit, is_visit
from weft.wire.mqtt.handshake import Acceptance
from weft.wire.mqtt.kinds import V5
from weft.wire.mqtt.packets import (
    NO_PROPERTIES,
    Connect,
    Disconnect,
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Subscribe,
    Unsubscribe,
)
from weft.wire.mqtt.reasons import Reason
from weft.wire.mqtt.server import ServerConnection
from weft.wire.mqtt.stream import State

log = get_logger(__name__)

DIALECT_MARK = "/dialects/"  # in topics that a client knows by another name

# Why reading is paused; reading goes on when no reason is left.
WAITING, FULL, OVER_RATE, CLOSING = 1, 2, 4, 8

NOT_KEPT = "The message could not be kept; send it again."  # why is for our own log

Work = Coroutine[Any, Any, None]


class Host(Protocol):
    """The listener, as a connection sees it."""

    def start(self, work: Work) -> None:
        """Run something in the listener's task group."""
        ...

    def came(self, connection: "MqttConnection") -> bool:
        """A stranger came; False when there are too many from its address."""
        ...

    def known(self, connection: "MqttConnection") -> None:
        """It is no stranger any more."""
        ...

    def gone(self, connection: "MqttConnection") -> None:
        """It left."""
        ...


class MqttConnection(asyncio.Protocol):
    """A client of the listener; a `Link` to the broker, a `Sender` to the pipeline."""

    def __init__(self, given: Given, host: "Host") -> None:
        self.address = ""
        self.session: Session | None = None
        self.writable = True
        self.closing_at = 0.0
        self.stalled_at = 0.0
        self.received = 0
        self.sent = 0
        self._unsent_bytes = 0
        self._dues = Dues(given.limiter)
        self._given = given
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._machine = ServerConnection(given.settings.limits, self._loop.time())
        self._transport: asyncio.Transport
        self._gate_session: GateSession | None = None
        self._registered: Connection | None = None
        self._visit: Visit | None = None
        self._paused = 0
        self._deferred: Sequence[Packet] = ()
        self._only_pubacks = True  # nothing else was ever owed
        self._will_wanted: bool | None = False  # no CONNECT was accepted yet
        self._closed = False

    # --- the socket ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._given.settings.write_buffer_bytes)
        peer = self._transport.get_extra_info("peername")
        self.address = f"{peer[0]}:{peer[1]}" if peer else "unknown"
        if not self._host.came(self):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Handle everything that one read brought."""
        if self.closing_at:
            return
        machine = self._machine
        self._dues.bytes += len(data)
        packets = machine.receive_data(data, self._loop.time())
        if packets:
            self._handle(packets)
        if machine.has_output:
            self._transport.write(machine.take_output())
        waits = self._paused & WAITING and machine.state is State.OPEN  # for an answer before it
        if machine.error is not None and not waits:
            self._break_off()

    def connection_lost(self, _error: Exception | None) -> None:
        """Let go of everything; the will is published unless the peer said good-bye."""
        self._closed = True
        self._host.gone(self)
        if self._visit is not None:
            self._visit.leave()
        if self._registered is not None:
            self._given.connections.unregister(self._registered)
        if self.session is not None:
            expiry = self._machine.session_expiry_s if self._machine.version == V5 else None
            self._given.broker.detach(
                self.session, self, will_wanted=self._will_wanted, expiry_s=expiry
            )

    def pause_writing(self) -> None:
        """The peer reads slower than we write: the broker queues."""
        self.writable = False
        self.stalled_at = self._loop.time()
        self._unsent_bytes = self._transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        """The peer keeps up again."""
        self.writable = True
        self.stalled_at = 0.0
        if self.session is not None and not self._closed:
            self._given.broker.resume(self.session, self)

    def _pause(self, why: int) -> None:
        if not self._paused and not self._transport.is_closing():
            self._transport.pause_reading()
        self._paused |= why

    def _unpause(self, why: int) -> None:
        if self._paused & why:
            self._paused &= ~why
            if not self._paused and not self._closed and not self._transport.is_closing():
                self._machine.heard_at = self._loop.time()  # the silence was ours
                self._transport.resume_reading()

    def resume(self) -> None:
        """The pipeline has room again."""
        self._unpause(FULL)

    # --- packets, in order ---

    def _handle(self, packets: Sequence[Packet]) -> None:
        if self._paused & WAITING:  # a transport may have had more when it was paused
            self._deferred = [*self._deferred, *packets]
            return
        given = self._given
        if self._visit is not None:
            self._pause(WAITING)
            self._host.start(self._finish(self._visit.take(packets)))
            return
        session = self._gate_session
        now = given.clock.now()
        published = 0
        if session is not None:
            given.gate.refresh(session)
        for number, packet in enumerate(packets):
            if type(packet) is Publish:
                published += 1
                work = self._publish(packet, cast("GateSession", session), now)
                if work is None:
                    continue
            else:
                work = self._answer(packet)
            if work is not None:
                self._deferred = packets[number + 1 :]
                self._pause(WAITING)
                self._host.start(self._finish(work))
                break
        self.received += published
        dues = self._dues
        dues.messages += published
        if dues.are_large:
            self._charge()
        if published and given.pipeline.full:
            self._pause(FULL)
            given.pipeline.resume_later(self)

    async def _finish(self, work: Work) -> None:
        """Do what had to wait, then go on where reading was paused."""
        try:
            await work
            if not self._is_over:
                self._go_on()
        except StorageError as error:
            log.error("mqtt_request_failed", peer=self.address, error=error.detail)
            self._end_for_now("The request could not be kept; ask again.")
        except Exception:  # a bug of ours ends the connection that met it, not the others
            log.exception("mqtt_request_broke", peer=self.address)
            self._end(Reason.UNSPECIFIED_ERROR)

    def _go_on(self) -> None:
        packets, self._deferred = self._deferred, ()
        self._paused &= ~WAITING
        if packets:
            self._handle(packets)
        if not self._paused & WAITING and not self._is_over:
            self._paused |= WAITING
            self._unpause(WAITING)
            self.data_received(b"")  # what came behind CONNECT was held back

    @property
    def _is_over(self) -> bool:
        return self._closed or self.closing_at > 0

    def _charge(self) -> None:
        """Pay for what was received; over the rate, reading pauses until it is paid."""
        session = self._gate_session
        if session is None or self._paused & OVER_RATE or self._is_over:
            return
        wait_s = self._dues.pay(session.principal)
        if wait_s > 0:
            self._pause(OVER_RATE)
            self._loop.call_later(wait_s, self._charge_again)

    def _charge_again(self) -> None:
        self._paused &= ~OVER_RATE
        self._charge()
        if not self._paused & OVER_RATE:
            self._paused |= OVER_RATE
            self._unpause(OVER_RATE)

    def _publish(self, packet: Publish, session: GateSession, now: int) -> Work | None:
        """Admit a message; return what has to be awaited before it can be."""
        rejection = None
        if not packet.repeated:
            properties = packet.properties
            try:
                rejection = self._given.gate.admit(
                    session,
                    packet,
                    now,
                    None if properties is NO_PROPERTIES else relayed(properties),
                )
            except UnknownChildren as unknown:
                return self._introduce(packet, session, unknown)
        self._note_owed(packet, rejection)
        return None

    async def _introduce(
        self, packet: Publish, session: GateSession, unknown: UnknownChildren
    ) -> None:
        """Add a gateway's devices, then take its message in; all that follows waits."""
        given = self._given
        try:
            await given.introduce(session.principal, unknown)
        except PeerError as error:
            rejection = given.gate.reject(session, packet, given.clock.now(), error)
            self._note_owed(packet, rejection)
            return
        given.gate.refresh(session)
        again = self._publish(packet, session, given.clock.now())
        if again is not None:  # gone again meanwhile
            await again

    def _note_owed(self, packet: Publish, rejection: RejectionReason | None) -> None:
        """Have the sender told once the message is on disk."""
        given = self._given
        qos = packet.qos
        if qos == 1 and rejection is None:
            given.pipeline.acknowledge(self, packet.packet_id)
        elif qos:
            self._owe(packet, rejection)

    def _owe(self, packet: Publish, rejection: RejectionReason | None) -> None:
        """Note what is to be said of a message that is no plain QoS 1 one."""
        packet_id, qos = packet.packet_id, packet.qos
        token: int | Refusal = packet_id if qos == 1 else packet_id | PUBREC_OWED
        if rejection is not None and self._machine.version == V5:
            token = Refusal((packet_id, qos, reason_of(rejection), rejection.detail))
        elif qos == 2 and not packet.repeated:
            session = self._session
            session.inbound_qos_two = True
            self._given.pipeline.add_qos_two(QosTwo(session.key, packet_id, released=False))
        self._only_pubacks = False
        self._given.pipeline.acknowledge(self, token)

    def _answer(self, packet: Packet) -> Work | None:
        """Handle what is no PUBLISH; return what has to be awaited."""
        match packet:
            case Puback():
                self._given.broker.acknowledged(self._session, packet.packet_id)
            case Pubrec():
                self._on_pubrec(packet)
            case Pubcomp():
                self._given.broker.completed(self._session, packet.packet_id)
            case Pubrel():
                session = self._session
                self._given.pipeline.add_qos_two(
                    QosTwo(session.key, packet.packet_id, released=True)
                )
                self._only_pubacks = False
                self._given.pipeline.acknowledge(self, packet.packet_id | PUBCOMP_OWED)
            case Subscribe():
                return self._subscribe(packet)
            case Unsubscribe():
                return self._unsubscribe(packet)
            case Disconnect():
                # [MQTT-3.14.4-3]; reason 4 asks for the will all the same
                self._will_wanted = packet.reason != Reason.NORMAL_DISCONNECTION
                self._close()
            case Connect():
                return self._open(packet)
        return None

    @property
    def _session(self) -> Session:
        assert self.session is not None
        return self.session

    def _on_pubrec(self, packet: Pubrec) -> None:
        broker, session = self._given.broker, self._session
        if packet.reason >= Reason.UNSPECIFIED_ERROR:
            broker.discarded(session, packet.packet_id)
        elif not broker.received(session, packet.packet_id):
            data = self._machine.pubrel(packet.packet_id, Reason.PACKET_IDENTIFIER_NOT_FOUND)
            self._transport.write(data)

    async def _subscribe(self, packet: Subscribe) -> None:
        device_id = cast("GateSession", self._gate_session).device_id
        requests = requests_of(packet, device_id, self._given.gate.dialects)
        results = await self._given.broker.subscribe(self._session, requests)
        if self._is_over:
            return
        reasons = [Reason(int(result)) for result in results]
        text = explained(packet, reasons)
        self._transport.write(self._machine.suback(packet.packet_id, reasons, text))
        self._given.broker.resume(self._session, self)

    async def _unsubscribe(self, packet: Unsubscribe) -> None:
        device_id = cast("GateSession", self._gate_session).device_id
        native = self._given.gate.dialects.native_filter
        filters = [native(text, device_id) for text in packet.filters]
        results = await self._given.broker.unsubscribe(self._session, filters)
        if not self._is_over:
            reasons = [Reason(int(result)) for result in results]
            self._transport.write(self._machine.unsuback(packet.packet_id, reasons))

    # --- CONNECT ---

    async def _open(self, connect: Connect) -> None:
        """Decide on a CONNECT: who, may, and with which session."""
        if self._is_over:  # too much came behind it
            return None
        try:
            if is_visit(connect, self._given.provisions):
                write = self._transport.write
                self._visit = Visit(self._given, self.address, self._machine, write, self._end)
                return self._visit.begin()
            tls = self._transport.get_extra_info("ssl_object")
            proof = prove(self._given.authenticator, connect, tls, self.address)
            client_id = connect.client_id or f"weft-{new_id()}"
            self._gate_session = self._admit(proof, connect, client_id)
            return await self._attach(proof, connect, client_id)
        except PeerError as error:
            return self._refuse(refusal_of(connect, error), error)

    def _admit(self, proof: Proof, connect: Connect, client_id: str) -> GateSession:
        """Open the way in; a will must be allowed now (AZ-3)."""
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
        if self._registered is not None:
            self._given.connections.unregister(self._registered)
        text = f"{error.detail} {error.remedy}".strip()
        self._write_last(self._machine.refuse(reason, text))

    # --- what the pipeline says ---

    def committed(self, tokens: list[Any], _first: int) -> None:
        """What these tokens stand for is on disk: say so."""
        machine = self._machine
        if self._closed or machine.state is not State.OPEN:
            return
        if self._only_pubacks:
            self._transport.write(machine.pubacks(tokens))
        else:
            parts = [acknowledgement(machine, token) for token in tokens]  # [MQTT-4.6.0-2]
            self._transport.write(b"".join(parts))

    def commit_failed(self, _tokens: list[Any], error: StorageError) -> None:
        """Nothing was kept: end the connection, so that the peer sends again."""
        log.debug("mqtt_not_kept", peer=self.address, error=error.detail)
        self._end_for_now(NOT_KEPT)

    # --- what the broker says ---

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Write deliveries, in order; one that the peer cannot take counts as sent."""
        if self._is_over:  # behind DISCONNECT nothing is sent [MQTT-3.14.4-1]
            return
        publish = self._machine.publish
        own_topic = self._given.gate.dialects.own_topic
        parts = []
        for delivery in deliveries:
            if DIALECT_MARK in delivery.topic:
                device_id = cast("GateSession", self._gate_session).device_id
                delivery = replace(delivery, topic=own_topic(delivery.topic, device_id))  # noqa: PLW2901
            data = publish(publish_of(delivery))
            if data is not None:
                parts.append(data)
            elif delivery.qos:
                # [MQTT-3.1.2-25]; not from within the broker's own call
                self._loop.call_soon(self._discard, delivery.packet_id)
        self.sent += len(parts)
        self._transport.write(b"".join(parts))

    def _discard(self, packet_id: int) -> None:
        if self.session is not None and not self._closed:
            self._given.broker.discarded(self.session, packet_id)

    def release(self, packet_ids: Sequence[int]) -> None:
        """Write PUBRELs, in order."""
        if self._is_over:
            return
        pubrel = self._machine.pubrel
        self._transport.write(b"".join([pubrel(packet_id) for packet_id in packet_ids]))

    def close(self, reason: BrokerReason) -> None:
        """End the connection for the broker: taken over, or revoked."""
        self._end(Reason(int(reason)))

    # --- endings ---

    def cut(self, reason: str) -> None:
        """End at once: a right has ended (RV-1); what was not sent by now is not sent."""
        unsent = self._transport.get_write_buffer_size()
        self._will_wanted = False
        self._end(Reason.ADMINISTRATIVE_ACTION, reason)
        if unsent and not self._closed:
            self._transport.abort()

    def shut_down(self) -> None:
        """End because the server stops; the session stays, its will too."""
        if self._will_wanted:
            self._will_wanted = None
        self._end(Reason.SERVER_SHUTTING_DOWN)

    def abort(self) -> None:
        """End without a word."""
        self._transport.abort()

    def check(self, now: float) -> None:
        """Once a second: end what is silent, stalled or will not close."""
        settings = self._given.settings
        if self.closing_at:
            if now - self.closing_at > settings.close_wait_s:
                self._transport.abort()
            return
        if self.stalled_at and self._has_stalled(now):
            log.warning("mqtt_peer_stalled", peer=self.address)
            self._transport.abort()
            return
        if not self._paused:  # else it may have spoken, and we do not listen
            error = self._machine.overdue(now)
            if error is not None:
                self._end(error.reason, error.detail)

    def _has_stalled(self, now: float) -> bool:
        """Whether the peer has taken nothing for too long; a slow one is let be."""
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent_bytes:
            self.stalled_at = now
        self._unsent_bytes = unsent
        return now - self.stalled_at > self._given.settings.write_stall_s

    def _break_off(self) -> None:
        error = self._machine.error
        assert error is not None
        log.debug("mqtt_protocol_error", peer=self.address, error=error.detail)
        self._write_last(self._machine.disconnect(error.reason, error.detail))

    def _end(self, reason: Reason, text: str = "") -> None:
        if not self._closed and not self.closing_at:
            self._write_last(self._machine.disconnect(reason, text))

    def _end_for_now(self, text: str) -> None:
        """End because we cannot go on: the peer did nothing wrong and may come back."""
        is_open = self._machine.state is State.OPEN
        self._end(Reason.SERVER_BUSY if is_open else Reason.SERVER_UNAVAILABLE, text)

    def _write_last(self, data: bytes) -> None:
        """Close behind these bytes, so that they arrive: no reset may overtake them."""
        if self.closing_at or self._closed:
            return
        if not data or not self._transport.can_write_eof():
            self._transport.write(data)
            self._close()
            return
        self.closing_at = self._loop.time()
        self._transport.write(data)
        self._transport.write_eof()
        if self._paused:
            self._transport.resume_reading()  # what comes now is thrown away, up to its end

    def _close(self) -> None:
        if not self.closing_at:
            self.closing_at = self._loop.time()
            self._pause(CLOSING)
            self._transport.close()
