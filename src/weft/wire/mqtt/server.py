"""The server's end of one MQTT connection, without socket, clock or opinion on who may what.

How a transport drives it:

1.  `machine = ServerConnection(limits, now)`. For each read:
    `packets = machine.receive_data(data, now)`; handle them in order; then
    `if machine.has_output: write(machine.take_output())` (PINGRESP and the like), then
    `if machine.error is not None: write(machine.disconnect(machine.error.reason)); close`.
    `receive_data` never raises for what the peer sent: packets before a breach are
    returned whatever way the bytes were split, the breach stands in `error`.
2.  The first packet returned is the `Connect`. Pause reading; decide; then write either
    `machine.accept(Acceptance(...))` or `machine.refuse(reason)` (then close; the bytes may
    be empty). Bytes that came behind CONNECT were held: after `accept`, handle
    `machine.receive_data(b"", now)` as another read. If `error` was set while you decided
    (too many of those bytes), it is `disconnect`, not `accept`.
3.  A PUBLISH of QoS 1 or 2 is yours to acknowledge, in order, once the message is kept:
    `puback(id)`, `pubrec(id)`, or for many at once `pubacks(ids)`. Each
    gives bytes back; join those of one connection into one write. With
    `packet.repeated` the QoS 2 message is stored already (or is on its way to disk): do not
    store it again, acknowledge it behind the commit in flight.
4.  `Pubrel` is returned when its id was waiting: make the release durable, then write
    `pubcomp(id)`. A PUBREL for an unknown id is answered inside. `unreleased` is the set
    to store with the session; hand it back in `Acceptance.unreleased`.
5.  `Puback`, `Pubrec`, `Pubcomp` from the client are returned; the broker's session knows
    what they answer. Send at most `peer_receive_maximum` unacknowledged.
    `Subscribe`, `Unsubscribe` want `suback`, `unsuback`, one reason per filter.
    `Disconnect` is the last packet: nothing after it is read; its will is void if
    `reason` is 0; `session_expiry_s` is already brought up to date.
6.  `publish(packet)` gives bytes for a delivery, or None if it is larger than the client
    takes: drop it as if it was sent. Bytes it has given must be written, in order
    (they may define a topic alias).
7.  About once a second: `if (error := machine.overdue(now)) is not None:` write
    `disconnect(error.reason)` and close.

Topic aliases are resolved (`topic` is always full); `properties.topic_alias` of a received
PUBLISH is of this hop only.
"""

from collections.abc import KeysView, Sequence
from typing import ClassVar

from msgspec.structs import replace

from weft.wire.mqtt import handshake
from weft.wire.mqtt.aliases import InboundAliases, OutboundAliases
from weft.wire.mqtt.decode import (
    decode_acknowledgement,
    decode_disconnect,
    decode_pingreq,
)
from weft.wire.mqtt.decode_connect import decode_connect, peek_level
from weft.wire.mqtt.decode_publish import decode_publish
from weft.wire.mqtt.decode_subscribe import decode_subscribe, decode_unsubscribe
from weft.wire.mqtt.encode import (
    PINGRESP,
    encode,
    encode_acknowledgement,
    encode_publish,
    short_acknowledgement,
    short_acknowledgements,
)
from weft.wire.mqtt.grammar import Grammar
from weft.wire.mqtt.handshake import NEW_SESSION, Acceptance
from weft.wire.mqtt.kinds import V5
from weft.wire.mqtt.kinds import PacketType as P
from weft.wire.mqtt.limits import DEFAULT_LIMITS, Limits
from weft.wire.mqtt.packets import (
    NO_PROPERTIES,
    Acknowledgement,
    Connect,
    Disconnect,
    Packet,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from weft.wire.mqtt.reasons import LEGAL_FROM_SERVER, MqttError, Reason
from weft.wire.mqtt.stream import Row, State, Stream, row


class ServerConnection(Stream):
    """One client, from its first byte to its last. See the module for its use."""

    __slots__ = (
        "_aliases_in",
        "_aliases_out",
        "_asked",
        "_grammar",
        "_restricted",
        "_unacknowledged",
        "_unreleased",
        "client_id",
        "keep_alive_s",
        "limits",
        "peer_max_packet_bytes",
        "peer_receive_maximum",
        "session_expiry_s",
        "state",
        "version",
    )

    def __init__(self, limits: Limits = DEFAULT_LIMITS, now: float = 0.0) -> None:
        super().__init__(self._ROWS[State.START], limits.connect_bytes, now)  # MQ-4
        self.limits = limits
        self.state = State.START
        self.version = 0  # known once CONNECT has come
        self.client_id = ""
        self.keep_alive_s = 0  # as agreed
        self.session_expiry_s = 0  # as agreed
        self.peer_receive_maximum = 65_535
        self.peer_max_packet_bytes = 268_435_460
        self._asked = NO_PROPERTIES  # of CONNECT
        self._grammar = Grammar(V5, limits, from_client=True)
        self._restricted = limits.max_qos < 2 or not limits.retain_available
        self._aliases_in = InboundAliases(limits.topic_aliases)
        self._aliases_out: OutboundAliases | None = None  # if the client grants any
        self._unacknowledged = 0  # received QoS 1 and 2 messages, MQTT 5 only
        self._unreleased: dict[int, float] = {}  # QoS 2 ids and when they came, oldest first

    @property
    def unreleased(self) -> KeysView[int]:
        """QoS 2 packet ids that were received and await their PUBREL."""
        return self._unreleased.keys()

    # Receiving.

    def _out_of_place(self, kind: int) -> MqttError:
        if self.state is State.START:
            # [MQTT-3.1.0-1] [v3.1.1 MQTT-3.1.0-1]
            return MqttError(
                "the first packet is not CONNECT", Reason.PROTOCOL_ERROR, "MQTT-3.1.0-1"
            )
        if kind == P.CONNECT:
            # [MQTT-3.1.0-2] [v3.1.1 MQTT-3.1.0-2]
            return MqttError("a second CONNECT", Reason.PROTOCOL_ERROR, "MQTT-3.1.0-2")
        if kind == P.AUTH and self.version == V5:
            # [MQTT-4.12.0-7]
            return MqttError(
                "AUTH without an authentication method", Reason.PROTOCOL_ERROR, "MQTT-4.12.0-7"
            )
        return MqttError(
            f"packet type {kind} does not come from a client",
            Reason.PROTOCOL_ERROR if kind else Reason.MALFORMED_PACKET,
            "MQTT 2.1.2",
        )

    def _on_connect(self, first: int, data: bytes, start: int, end: int) -> Connect:
        level = peek_level(data, start, end)
        self.version = V5 if level >= V5 else min(level, 4)  # a refusal is told in this
        packet = decode_connect(first, data, start, end, self._grammar)
        handshake.check_connect(packet, self.limits)
        asked = packet.properties
        self.version = self._grammar.version = packet.version
        self.client_id = packet.client_id
        self._asked = asked
        self.keep_alive_s = handshake.agree_keep_alive(packet, self.limits)
        self.session_expiry_s = handshake.agree_session_expiry(packet, self.limits)
        self.peer_receive_maximum = asked.receive_maximum or 65_535
        self.peer_max_packet_bytes = asked.maximum_packet_bytes or 268_435_460
        if asked.topic_alias_maximum:
            granted = min(asked.topic_alias_maximum, self.limits.topic_aliases)
            self._aliases_out = OutboundAliases(granted)
        self.state = State.CONNECTING
        self._parsing, self._waiting = False, True
        return packet

    def _joined(self, data: bytes) -> bytes:
        if not self._waiting or self._held is None:
            return super()._joined(data)
        self._held += data
        self._check_waiting(len(self._held))
        return b""

    def _hold(self, data: bytes, at: int, needed: int) -> None:
        super()._hold(data, at, needed)
        if self._waiting:
            self._check_waiting(len(data) - at)

    def _check_waiting(self, size: int) -> None:
        if size > self.limits.connect_bytes:  # MQ-4
            self._fail(MqttError("too much is sent before CONNACK", Reason.PACKET_TOO_LARGE))

    def _on_publish(self, first: int, data: bytes, start: int, end: int) -> Publish:
        packet = decode_publish(first, data, start, end, self._grammar)
        if packet.properties.topic_alias is not None:
            packet = self._aliases_in.resolve(packet, packet.properties.topic_alias)
        if self._restricted:
            handshake.check_publish(packet, self.limits)
        if first & 6:  # QoS 1 or 2
            if self.version == V5:
                self._unacknowledged += 1
                if self._unacknowledged > self.limits.receive_maximum:
                    raise _too_many(self.limits.receive_maximum)
            if first & 4:
                return self._keep_until_released(packet)
        return packet

    def _keep_until_released(self, packet: Publish) -> Publish:
        if packet.packet_id in self._unreleased:
            return replace(packet, repeated=True)  # [MQTT-4.3.3-10] [v3.1.1 MQTT-4.3.3-2]
        # v3.1.1 clients cannot be told a receive maximum, so theirs is larger.
        cap = self.limits.receive_maximum if self.version == V5 else self.limits.unreleased
        if len(self._unreleased) >= cap:  # MQ-6
            raise _too_many(cap)
        self._unreleased[packet.packet_id] = self._now
        return packet

    def _on_pubrel(self, first: int, data: bytes, start: int, end: int) -> Packet | None:
        packet = decode_acknowledgement(first, data, start, end, self._grammar)
        if self._unreleased.pop(packet.packet_id, None) is not None:
            return packet
        # 3.7.2.1: not an error during recovery; [MQTT-4.3.3-11] [v3.1.1 MQTT-4.3.3-2]
        self._output.append(
            encode_acknowledgement(
                Pubcomp(packet.packet_id, Reason.PACKET_IDENTIFIER_NOT_FOUND), self.version
            )
        )
        return None

    def _on_acknowledgement(self, first: int, data: bytes, start: int, end: int) -> Acknowledgement:
        return decode_acknowledgement(first, data, start, end, self._grammar)

    def _on_subscribe(self, first: int, data: bytes, start: int, end: int) -> Subscribe:
        packet = decode_subscribe(first, data, start, end, self._grammar)
        handshake.check_subscribe(packet, self.limits)
        return packet

    def _on_unsubscribe(self, first: int, data: bytes, start: int, end: int) -> Unsubscribe:
        return decode_unsubscribe(first, data, start, end, self._grammar)

    def _on_pingreq(self, first: int, data: bytes, start: int, end: int) -> None:
        decode_pingreq(first, data, start, end, self._grammar)
        self._output.append(PINGRESP)  # [MQTT-3.12.4-1] [v3.1.1 MQTT-3.12.4-1]

    def _on_disconnect(self, first: int, data: bytes, start: int, end: int) -> Disconnect:
        packet = decode_disconnect(first, data, start, end, self._grammar)
        expiry = packet.properties.session_expiry_s
        if expiry is not None:
            if expiry and not self.session_expiry_s:
                # 3.14.2.2.2
                raise MqttError(
                    "DISCONNECT keeps a session that CONNECT did not",
                    Reason.PROTOCOL_ERROR,
                    "MQTT 3.14.2.2.2",
                )
            self.session_expiry_s = min(expiry, self.limits.session_expiry_s)
        self._close()  # [MQTT-3.14.4-1]: nothing comes after it
        return packet

    def _close(self) -> None:
        self.state = State.CLOSED
        self._end()

    # Answering CONNECT.

    def accept(self, acceptance: Acceptance = NEW_SESSION) -> bytes:
        """CONNACK with what is agreed; from now on packets are read."""
        if self.state is not State.CONNECTING or self.error is not None:
            raise RuntimeError(f"accept() in state {self.state.value}, error {self.error}")
        self._unreleased = dict.fromkeys(acceptance.unreleased, self._now)
        if acceptance.assigned_client_id:
            self.client_id = acceptance.assigned_client_id
        self.state = State.OPEN
        self._row = self._ROWS[State.OPEN]
        self._limit = self.limits.max_packet_bytes
        self._parsing, self._waiting = True, False
        return handshake.encode_acceptance(self, self._asked, acceptance)

    def refuse(self, reason: Reason, reason_string: str = "") -> bytes:
        """CONNACK that says no; empty if the version has no word for it. Close after it."""
        told = self.version if self.state in (State.START, State.CONNECTING) else 0
        self._close()
        return handshake.encode_refusal(told, reason, reason_string, self.peer_max_packet_bytes)

    # Sending.

    def publish(self, packet: Publish) -> bytes | None:
        """A delivery; None if it is larger than the client takes."""
        if self._aliases_out is not None or packet.properties.topic_alias is not None:
            return self._publish_aliased(packet)
        data = encode_publish(packet, self.version)
        # [MQTT-3.1.2-24] [MQTT-3.1.2-25]
        return data if len(data) <= self.peer_max_packet_bytes else None

    def _publish_aliased(self, packet: Publish) -> bytes | None:
        aliases = self._aliases_out or OutboundAliases(0)
        hop = aliases.apply(packet)
        data = encode_publish(hop, self.version)
        if len(data) > self.peer_max_packet_bytes:
            return None
        aliases.sent(hop)
        return data

    def puback(
        self, packet_id: int, reason: Reason = Reason.SUCCESS, reason_string: str = ""
    ) -> bytes:
        """The QoS 1 message is kept (or, with a reason from 0x80, refused)."""
        self._settle(1)
        return self._acknowledge(Puback, packet_id, reason, reason_string)

    def pubacks(self, packet_ids: list[int]) -> bytes:
        """Many QoS 1 messages are kept; in the order they came [MQTT-4.6.0-2]."""
        self._settle(len(packet_ids))
        return short_acknowledgements(Puback, packet_ids)

    def pubrec(
        self, packet_id: int, reason: Reason = Reason.SUCCESS, reason_string: str = ""
    ) -> bytes:
        """The QoS 2 message is kept; with a reason from 0x80 it is refused and forgotten."""
        if reason >= 0x80:
            self._settle(1)
            # [MQTT-4.3.3-9]; v3.1.1 has no refusal: PUBREL will come
            if self.version == V5:
                self._unreleased.pop(packet_id, None)
        return self._acknowledge(Pubrec, packet_id, reason, reason_string)

    def pubrel(self, packet_id: int, reason: Reason = Reason.SUCCESS) -> bytes:
        """The client has our QoS 2 message; we will not send it again."""
        return self._acknowledge(Pubrel, packet_id, reason, "")

    def pubcomp(self, packet_id: int, reason: Reason = Reason.SUCCESS) -> bytes:
        """The packet id is free again."""
        self._settle(1)
        return self._acknowledge(Pubcomp, packet_id, reason, "")

    def _settle(self, count: int) -> None:
        # Releases of an earlier connection were not counted on this one.
        self._unacknowledged = max(0, self._unacknowledged - count)

    def _acknowledge(
        self, kind: type[Acknowledgement], packet_id: int, reason: Reason, reason_string: str
    ) -> bytes:
        if not reason and not reason_string:
            return short_acknowledgement(kind, packet_id)
        return self._explained(kind(packet_id, reason), reason_string)

    def suback(self, packet_id: int, reasons: Sequence[Reason], reason_string: str = "") -> bytes:
        """One reason per filter, in their order [MQTT-3.9.3-1]."""
        return self._explained(Suback(packet_id, tuple(reasons)), reason_string)

    def unsuback(self, packet_id: int, reasons: Sequence[Reason], reason_string: str = "") -> bytes:
        """One reason per filter, in their order [MQTT-3.11.3-1]."""
        return self._explained(Unsuback(packet_id, tuple(reasons)), reason_string)

    def disconnect(
        self, reason: Reason, reason_string: str = "", *, server_reference: str = ""
    ) -> bytes:
        """The last bytes to send before closing, whatever the state; possibly none."""
        if self.state in (State.START, State.CONNECTING):
            return self.refuse(reason, reason_string)  # [MQTT-3.14.0-1]
        told = self.state is State.OPEN and self.version == V5  # v3.1.1 servers just close
        self._close()
        if not told:
            return b""
        if reason not in LEGAL_FROM_SERVER[P.DISCONNECT]:
            reason = Reason.UNSPECIFIED_ERROR  # [MQTT-3.14.2-1]
        packet = Disconnect(reason, Properties(server_reference=server_reference or None))
        return self._explained(packet, reason_string)

    def _explained(
        self, packet: Acknowledgement | Suback | Unsuback | Disconnect, reason_string: str
    ) -> bytes:
        """The packet with its reason string, if the client wants it and it fits."""
        wanted = self._asked.request_problem_information != 0  # [MQTT-3.1.2-29]
        if reason_string and wanted and self.version == V5:
            properties = replace(packet.properties, reason_string=reason_string)
            data = encode(replace(packet, properties=properties), V5)
            if len(data) <= self.peer_max_packet_bytes:
                return data  # [MQTT-3.4.2-2] [MQTT-3.5.2-2] [MQTT-3.9.2-1] [MQTT-3.14.2-3]
        return encode(packet, self.version)

    # Time.

    def overdue(self, now: float) -> MqttError | None:
        """What the client has kept us waiting for too long, if anything."""
        silence_s = now - self.heard_at
        if self.state is State.START and silence_s > self.limits.connect_wait_s:
            return MqttError("CONNECT did not come", Reason.UNSPECIFIED_ERROR)  # MQ-4
        if self.state is not State.OPEN:
            return None
        if self.keep_alive_s and silence_s > 1.5 * self.keep_alive_s:
            # [MQTT-3.1.2-22] [v3.1.1 MQTT-3.1.2-24]
            return MqttError(
                "nothing came for one and a half keep-alives",
                Reason.KEEP_ALIVE_TIMEOUT,
                "MQTT-3.1.2-22",
            )
        oldest = next(iter(self._unreleased.values()), now)
        if now - oldest > self.limits.release_wait_s:  # MQ-6
            return MqttError("PUBREL did not come", Reason.QUOTA_EXCEEDED)
        return None

    # The state machine. What a state does not list may not come in it.
    _ROWS: ClassVar[dict[State, Row]] = {
        State.START: row({P.CONNECT: _on_connect}),
        State.OPEN: row(
            {
                P.PUBLISH: _on_publish,
                P.PUBACK: _on_acknowledgement,
                P.PUBREC: _on_acknowledgement,
                P.PUBREL: _on_pubrel,
                P.PUBCOMP: _on_acknowledgement,
                P.SUBSCRIBE: _on_subscribe,
                P.UNSUBSCRIBE: _on_unsubscribe,
                P.PINGREQ: _on_pingreq,
                P.DISCONNECT: _on_disconnect,
            }
        ),
    }


def _too_many(cap: int) -> MqttError:
    # [MQTT-3.3.4-7]
    return MqttError(
        f"more than {cap} messages are not acknowledged",
        Reason.RECEIVE_MAXIMUM_EXCEEDED,
        "MQTT-3.3.4-7",
    )
