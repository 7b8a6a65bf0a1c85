"""One MQTT connection: what comes in, packet by packet, and the stations behind it.

Everything received in one read is handled in one go. What must wait for a disk or a
decision (CONNECT, SUBSCRIBE) pauses reading, so order is kept and nothing piles up.
"""

from collections.abc import Sequence
from typing import cast

from weft.errors import PeerError, StorageError
from weft.ingest.dialects.dialect import UnknownChildren
from weft.ingest.gate import GateSession
from weft.observability.log import get_logger
from weft.security.attempts import PER_SUBJECT
from weft.security.authentication import Proof
from weft.transports.mqtt.dues import Dues
from weft.transports.mqtt.entrance import Entrance
from weft.transports.mqtt.line import FULL, OVER_RATE, WAITING, Host, Work
from weft.transports.mqtt.settings import Given
from weft.transports.mqtt.translate import explained, refused_filters, relayed, requests_of
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
from weft.wire.mqtt.stream import State

log = get_logger(__name__)


class MqttConnection(Entrance):
    """A client of a door, from its first byte to its last."""

    def __init__(self, given: Given, host: Host) -> None:
        super().__init__(given, host)
        self._dues = Dues(given.limiter)
        self._deferred: Sequence[Packet] = ()
        self._noted: set[str] = set()  # what was said of filters that were refused

    # --- the socket ---

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
                return self._hold_for(self._introduce(packet, session, unknown))
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
                self._owe_pubcomp(packet.packet_id)
            case Subscribe():
                return self._hold_for(self._subscribe(packet))
            case Unsubscribe():
                return self._hold_for(self._unsubscribe(packet))
            case Disconnect():
                # [MQTT-3.14.4-3]; reason 4 asks for the will all the same
                self._will_wanted = packet.reason != Reason.NORMAL_DISCONNECTION
                self._close()
            case Connect():
                return self._open(packet)
        return None

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
        self._note_refused(packet, reasons)
        text = explained(packet, reasons)
        self._transport.write(self._machine.suback(packet.packet_id, reasons, text))

    def _note_refused(self, packet: Subscribe, reasons: Sequence[Reason]) -> None:
        """Let the owner read which filters were refused; each once, and not without an end."""
        for error in refused_filters(packet, reasons):
            if error.detail in self._noted or len(self._noted) >= PER_SUBJECT:
                continue
            self._noted.add(error.detail)
            proof = cast("Proof", self._proof)
            self._given.authenticator.turned_away(proof, self.address, error)

    async def _unsubscribe(self, packet: Unsubscribe) -> None:
        device_id = cast("GateSession", self._gate_session).device_id
        native = self._given.gate.dialects.native_filter
        filters = [native(text, device_id) for text in packet.filters]
        results = await self._given.broker.unsubscribe(self._session, filters)
        if not self._is_over:
            reasons = [Reason(int(result)) for result in results]
            self._transport.write(self._machine.unsuback(packet.packet_id, reasons))
