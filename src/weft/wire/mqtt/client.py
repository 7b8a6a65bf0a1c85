"""The client's end of one MQTT connection: for the simulator, load generators and tests.

Write `connect(...)`, then hand every read to `receive_data(data)` and write
`take_output()` whenever `has_output`: acknowledgements of what was received and the
PUBREL of our own QoS 2 messages are made inside (unless `acknowledges=False`, then
`puback` and `pubrec` are the caller's). All packets are returned, in order; a breach by
the server stands in `error`. `publish` keeps a QoS 1 or 2 message until it is
acknowledged; after a resumed session, `resend()` gives what is still open.

A load generator sends `PublishTemplate.encode(payload, packet_id)` instead, which keeps
nothing, and counts the acknowledgements that come back.
"""

from collections.abc import Sequence
from typing import ClassVar

from msgspec.structs import replace

from weft.wire.mqtt import decode as decoders
from weft.wire.mqtt.aliases import InboundAliases
from weft.wire.mqtt.decode_connect import decode_connack
from weft.wire.mqtt.decode_publish import decode_publish
from weft.wire.mqtt.decode_subscribe import decode_suback, decode_unsuback
from weft.wire.mqtt.encode import (
    PINGREQ,
    encode,
    encode_acknowledgement,
    encode_publish,
    short_acknowledgement,
)
from weft.wire.mqtt.grammar import Grammar
from weft.wire.mqtt.kinds import V5
from weft.wire.mqtt.kinds import PacketType as P
from weft.wire.mqtt.limits import CLIENT_LIMITS, Limits
from weft.wire.mqtt.packets import (
    NO_PROPERTIES,
    Acknowledgement,
    Connack,
    Connect,
    Disconnect,
    Filter,
    Packet,
    Pingresp,
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
from weft.wire.mqtt.properties import encode_properties
from weft.wire.mqtt.reasons import MqttError, Reason
from weft.wire.mqtt.stream import Row, State, Stream, row
from weft.wire.mqtt.varint import encode_varint

_LAST_ID = 65_535


class PublishTemplate:
    """A PUBLISH whose payload and packet id change from one to the next."""

    __slots__ = ("_first", "_head", "_properties", "_with_id")

    def __init__(self, packet: Publish, version: int) -> None:
        topic = packet.topic.encode()
        self._first = 0x30 | packet.qos << 1 | packet.retain
        self._head = len(topic).to_bytes(2, "big") + topic
        five = version == V5
        self._properties = encode_properties(packet.properties, P.PUBLISH) if five else b""
        self._with_id = packet.qos > 0

    def encode(self, payload: bytes, packet_id: int = 0) -> bytes:
        """The whole packet."""
        head = self._head
        if self._with_id:
            head += packet_id.to_bytes(2, "big")
        head += self._properties
        size = len(head) + len(payload)
        if size < 0x80:
            return bytes((self._first, size)) + head + payload
        return bytes((self._first,)) + encode_varint(size) + head + payload


class ClientConnection(Stream):
    """One connection to a server. See the module for its use."""

    __slots__ = (
        "_acknowledges",
        "_aliases_in",
        "_grammar",
        "_last_id",
        "_outgoing",
        "_requests",
        "_unreleased",
        "client_id",
        "keep_alive_s",
        "limits",
        "server",
        "state",
        "version",
    )

    def __init__(
        self,
        *,
        limits: Limits = CLIENT_LIMITS,
        acknowledges: bool = True,
        now: float = 0.0,
    ) -> None:
        super().__init__(self._ROWS[State.START], limits.max_packet_bytes, now)
        self.limits = limits
        self.state = State.START
        self.version = V5
        self.client_id = ""
        self.keep_alive_s = 0
        self.server = NO_PROPERTIES  # of CONNACK: what the server grants
        self._acknowledges = acknowledges
        self._grammar = Grammar(V5, limits, from_client=False)
        self._aliases_in = InboundAliases(0)
        self._last_id = 0
        self._outgoing: dict[int, Publish | None] = {}  # None: PUBREC came, PUBCOMP has not
        self._requests: set[int] = set()  # SUBSCRIBE and UNSUBSCRIBE not yet answered
        self._unreleased: set[int] = set()

    @property
    def window(self) -> int:
        """How many more QoS 1 and 2 messages the server takes now [MQTT-4.9.0-2]."""
        granted = self.server.receive_maximum or _LAST_ID
        return granted - len(self._outgoing)

    @property
    def open_ids(self) -> frozenset[int]:
        """Packet ids of our messages that are not acknowledged to the end."""
        return frozenset(self._outgoing)

    # Sending.

    def connect(self, packet: Connect) -> bytes:
        """CONNECT; also begins the next connection of this client's session."""
        self._begin(packet)
        return encode(packet, packet.version)

    def _begin(self, packet: Connect) -> None:
        self.state = State.CONNECTING
        self._row = self._ROWS[State.CONNECTING]
        self._parsing, self._held, self.error = True, None, None
        self._output.clear()
        self.version = self._grammar.version = packet.version
        self.client_id = packet.client_id
        self.keep_alive_s = packet.keep_alive_s
        self.server = NO_PROPERTIES
        self._grammar.topics.clear()
        self._aliases_in = InboundAliases(packet.properties.topic_alias_maximum or 0)
        self._requests.clear()

    def take_packet_id(self) -> int:
        """A packet id that is not in use [MQTT-2.2.1-3] [v3.1.1 MQTT-2.3.1-2]."""
        if len(self._outgoing) + len(self._requests) >= _LAST_ID:
            raise RuntimeError("every packet id is in use")
        packet_id = self._last_id % _LAST_ID + 1
        while packet_id in self._outgoing or packet_id in self._requests:
            packet_id = packet_id % _LAST_ID + 1
        self._last_id = packet_id
        return packet_id

    def publish(self, packet: Publish) -> tuple[int, bytes]:
        """Packet id (0 at QoS 0) and bytes; look at `window` before QoS 1 and 2."""
        if packet.qos == 0:
            return 0, encode_publish(packet, self.version)
        if self.window <= 0:
            raise RuntimeError("the server's receive maximum is reached")
        packet = replace(packet, packet_id=self.take_packet_id())
        self._outgoing[packet.packet_id] = packet
        return packet.packet_id, encode_publish(packet, self.version)

    def resend(self) -> bytes:
        """Everything open, in its order, after CONNACK said the session is present.

        [MQTT-4.4.0-1] [MQTT-4.6.0-1] [v3.1.1 MQTT-4.4.0-1]
        """
        parts = [
            short_acknowledgement(Pubrel, packet_id)
            if packet is None
            else encode_publish(replace(packet, dup=True), self.version)
            for packet_id, packet in self._outgoing.items()
        ]
        return b"".join(parts)

    def subscribe(
        self, filters: Sequence[Filter], properties: Properties = NO_PROPERTIES
    ) -> tuple[int, bytes]:
        """Packet id and bytes."""
        packet_id = self.take_packet_id()
        self._requests.add(packet_id)
        return packet_id, encode(Subscribe(packet_id, tuple(filters), properties), self.version)

    def unsubscribe(self, filters: Sequence[str]) -> tuple[int, bytes]:
        """Packet id and bytes."""
        packet_id = self.take_packet_id()
        self._requests.add(packet_id)
        return packet_id, encode(Unsubscribe(packet_id, tuple(filters)), self.version)

    def puback(self, packet_id: int, reason: Reason = Reason.SUCCESS) -> bytes:
        """For `acknowledges=False`: the QoS 1 message is ours."""
        return encode_acknowledgement(Puback(packet_id, reason), self.version)

    def pubrec(self, packet_id: int, reason: Reason = Reason.SUCCESS) -> bytes:
        """For `acknowledges=False`: the QoS 2 message is ours."""
        return encode_acknowledgement(Pubrec(packet_id, reason), self.version)

    def ping(self) -> bytes:
        """PINGREQ."""
        return PINGREQ

    def disconnect(
        self, reason: Reason = Reason.SUCCESS, properties: Properties = NO_PROPERTIES
    ) -> bytes:
        """DISCONNECT: nothing is sent or read after it [MQTT-3.14.4-1]."""
        self._close()
        return encode(Disconnect(reason, properties), self.version)

    def _close(self) -> None:
        self.state = State.CLOSED
        self._end()

    # Receiving.

    def _out_of_place(self, kind: int) -> MqttError:
        # [MQTT-3.2.0-1] [v3.1.1 MQTT-3.2.0-1]
        clause = "MQTT-3.2.0-1" if self.state is State.CONNECTING else "MQTT 2.1.2"
        return MqttError(
            f"packet type {kind} does not come from a server in state {self.state.value}",
            Reason.PROTOCOL_ERROR,
            clause,
        )

    def _on_connack(self, first: int, data: bytes, start: int, end: int) -> Connack:
        packet = decode_connack(first, data, start, end, self._grammar)
        if packet.reason is not Reason.SUCCESS:
            self._close()  # [MQTT-3.2.2-7] [v3.1.1 MQTT-3.2.2-5]
            return packet
        self.server = packet.properties
        self.client_id = packet.properties.assigned_client_id or self.client_id
        keep_alive_s = packet.properties.server_keep_alive_s
        if keep_alive_s is not None:
            self.keep_alive_s = keep_alive_s  # [MQTT-3.1.2-21] [MQTT-3.2.2-21]
        if not packet.session_present:
            self._outgoing.clear()  # [MQTT-3.2.2-5]
            self._unreleased.clear()
        self.state = State.OPEN
        five = self.version == V5  # a v3.1.1 server sends no DISCONNECT
        self._row = self._ROWS[State.OPEN] if five else self._V311_OPEN
        return packet

    def _on_publish(self, first: int, data: bytes, start: int, end: int) -> Publish:
        packet = decode_publish(first, data, start, end, self._grammar)
        if packet.properties.topic_alias is not None:
            packet = self._aliases_in.resolve(packet, packet.properties.topic_alias)
        if packet.qos == 1:
            if self._acknowledges:
                self._output.append(short_acknowledgement(Puback, packet.packet_id))
        elif packet.qos == 2:
            if packet.packet_id in self._unreleased:
                packet = replace(packet, repeated=True)  # [MQTT-4.3.3-10]
            self._unreleased.add(packet.packet_id)
            if self._acknowledges:
                self._output.append(short_acknowledgement(Pubrec, packet.packet_id))
        return packet

    def _on_puback(self, first: int, data: bytes, start: int, end: int) -> Acknowledgement:
        packet = decoders.decode_acknowledgement(first, data, start, end, self._grammar)
        self._outgoing.pop(packet.packet_id, None)
        return packet

    def _on_pubrec(self, first: int, data: bytes, start: int, end: int) -> Acknowledgement:
        packet = decoders.decode_acknowledgement(first, data, start, end, self._grammar)
        if packet.reason >= 0x80:
            self._outgoing.pop(packet.packet_id, None)  # [MQTT-4.4.0-2]
            return packet
        known = packet.packet_id in self._outgoing
        if known:
            self._outgoing[packet.packet_id] = None  # [MQTT-4.3.3-6]
        reason = Reason.SUCCESS if known else Reason.PACKET_IDENTIFIER_NOT_FOUND
        self._output.append(  # [MQTT-4.3.3-4]
            encode_acknowledgement(Pubrel(packet.packet_id, reason), self.version)
        )
        return packet

    def _on_pubrel(self, first: int, data: bytes, start: int, end: int) -> Acknowledgement:
        packet = decoders.decode_acknowledgement(first, data, start, end, self._grammar)
        known = packet.packet_id in self._unreleased
        self._unreleased.discard(packet.packet_id)
        reason = Reason.SUCCESS if known else Reason.PACKET_IDENTIFIER_NOT_FOUND
        self._output.append(  # [MQTT-4.3.3-11]
            encode_acknowledgement(Pubcomp(packet.packet_id, reason), self.version)
        )
        return packet

    def _on_suback(self, first: int, data: bytes, start: int, end: int) -> Suback:
        packet = decode_suback(first, data, start, end, self._grammar)
        self._answered(packet.packet_id)
        return packet

    def _on_unsuback(self, first: int, data: bytes, start: int, end: int) -> Unsuback:
        packet = decode_unsuback(first, data, start, end, self._grammar)
        self._answered(packet.packet_id)
        return packet

    def _answered(self, packet_id: int) -> None:
        if packet_id not in self._requests:
            # [MQTT-2.2.1-6] [v3.1.1 MQTT-2.3.1-7]
            raise MqttError(
                f"an answer to request {packet_id}, which was not made",
                Reason.PROTOCOL_ERROR,
                "MQTT-2.2.1-6",
            )
        self._requests.discard(packet_id)

    def _on_pingresp(self, first: int, data: bytes, start: int, end: int) -> Pingresp:
        return decoders.decode_pingresp(first, data, start, end, self._grammar)

    def _on_disconnect(self, first: int, data: bytes, start: int, end: int) -> Packet:
        packet = decoders.decode_disconnect(first, data, start, end, self._grammar)
        self._close()
        return packet

    # The state machine. What a state does not list may not come in it.
    _V311_OPEN: ClassVar[Row] = row(
        {
            P.PUBLISH: _on_publish,
            P.PUBACK: _on_puback,
            P.PUBREC: _on_pubrec,
            P.PUBREL: _on_pubrel,
            P.PUBCOMP: _on_puback,
            P.SUBACK: _on_suback,
            P.UNSUBACK: _on_unsuback,
            P.PINGRESP: _on_pingresp,
        }
    )
    _ROWS: ClassVar[dict[State, Row]] = {
        State.START: row({}),
        State.CONNECTING: row({P.CONNACK: _on_connack}),
        State.OPEN: (*_V311_OPEN[: P.DISCONNECT], _on_disconnect, None),
    }
