"""Bytes to packets: strict in both directions, for both versions.

`decode_*` functions read one packet's body, `data[start:end]`, given its first
byte. What does not follow the specification raises `MqttError`; nothing is mended
or guessed, so nothing illegal can travel on to a subscriber. `DECODERS` holds the
function of each packet type.
"""

from collections.abc import Callable

from weft.wire.mqtt.cursor import Cursor
from weft.wire.mqtt.decode_connect import decode_connack, decode_connect
from weft.wire.mqtt.decode_publish import decode_publish
from weft.wire.mqtt.decode_subscribe import (
    decode_suback,
    decode_subscribe,
    decode_unsuback,
    decode_unsubscribe,
    require_flags,
)
from weft.wire.mqtt.grammar import Grammar
from weft.wire.mqtt.kinds import V5
from weft.wire.mqtt.kinds import PacketType as P
from weft.wire.mqtt.limits import DEFAULT_LIMITS, Limits
from weft.wire.mqtt.packets import (
    Acknowledgement,
    Auth,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Pubrec,
    Pubrel,
)
from weft.wire.mqtt.properties import read_properties
from weft.wire.mqtt.reasons import MqttError, Reason
from weft.wire.mqtt.varint import read_long_length

Decoder = Callable[[int, bytes, int, int, Grammar], Packet]

_ACKNOWLEDGEMENTS: dict[P, type[Acknowledgement]] = {
    P.PUBACK: Puback,
    P.PUBREC: Pubrec,
    P.PUBREL: Pubrel,
    P.PUBCOMP: Pubcomp,
}


def decode_acknowledgement(
    first: int, data: bytes, start: int, end: int, grammar: Grammar
) -> Acknowledgement:
    """PUBACK, PUBREC, PUBREL, PUBCOMP (3.4 to 3.7): one form."""
    packet = P(first >> 4)
    # [MQTT-2.1.3-1] [MQTT-3.6.1-1] [v3.1.1 MQTT-2.2.2-2] [v3.1.1 MQTT-3.6.1-1]
    require_flags(first, 2 if packet is P.PUBREL else 0)
    cursor = Cursor(data, start, end)
    packet_id = cursor.packet_id()
    make = _ACKNOWLEDGEMENTS[packet]
    if grammar.version != V5 or cursor.at == end:
        cursor.require_end()
        return make(packet_id)  # 3.4.2.1: without a reason code it is success
    reason = grammar.reason(cursor.byte(), packet)
    if cursor.at == end:
        return make(packet_id, reason)
    properties = read_properties(cursor, packet, grammar.limits)
    cursor.require_end()
    return make(packet_id, reason, properties)


def decode_pingreq(first: int, _data: bytes, start: int, end: int, _grammar: Grammar) -> Pingreq:
    """PINGREQ (3.12)."""
    _require_bare(first, start, end)
    return Pingreq()


def decode_pingresp(first: int, _data: bytes, start: int, end: int, _grammar: Grammar) -> Pingresp:
    """PINGRESP (3.13)."""
    _require_bare(first, start, end)
    return Pingresp()


def decode_disconnect(
    first: int, data: bytes, start: int, end: int, grammar: Grammar
) -> Disconnect:
    """DISCONNECT (3.14); without a reason code it is a normal one."""
    require_flags(first, 0)  # [MQTT-3.14.1-1] [v3.1.1 MQTT-3.14.1-1]
    cursor = Cursor(data, start, end)
    if grammar.version != V5 or start == end:
        cursor.require_end()
        return Disconnect()
    reason = grammar.reason(cursor.byte(), P.DISCONNECT)
    if cursor.at == end:
        return Disconnect(reason)
    properties = read_properties(cursor, P.DISCONNECT, grammar.limits)
    if properties.session_expiry_s is not None and not grammar.from_client:
        # [MQTT-3.14.2-2]
        raise MqttError(
            "a server's DISCONNECT names a session expiry",
            Reason.PROTOCOL_ERROR,
            "MQTT-3.14.2-2",
        )
    cursor.require_end()
    return Disconnect(reason, properties)


def decode_auth(first: int, data: bytes, start: int, end: int, grammar: Grammar) -> Auth:
    """AUTH (3.15), which v3.1.1 does not have."""
    if grammar.version != V5:
        raise MqttError("packet type 15 is reserved", clause="v3.1.1 MQTT 2.2.1")
    require_flags(first, 0)  # [MQTT-3.15.1-1]
    if start == end:
        return Auth(grammar.reason(0, P.AUTH))  # 3.15.2.1: the short form is success
    cursor = Cursor(data, start, end)
    reason = grammar.reason(cursor.byte(), P.AUTH)
    properties = read_properties(cursor, P.AUTH, grammar.limits)
    cursor.require_end()
    if reason is not Reason.SUCCESS and properties.authentication_method is None:
        raise MqttError(
            "AUTH names no authentication method", Reason.PROTOCOL_ERROR, "MQTT 3.15.2.2.2"
        )
    return Auth(reason, properties)


def _require_bare(first: int, start: int, end: int) -> None:
    require_flags(first, 0)
    if start != end:
        raise MqttError("a ping has a body", clause="MQTT 3.12.1")


DECODERS: dict[P, Decoder] = {
    P.CONNECT: decode_connect,
    P.CONNACK: decode_connack,
    P.PUBLISH: decode_publish,
    P.PUBACK: decode_acknowledgement,
    P.PUBREC: decode_acknowledgement,
    P.PUBREL: decode_acknowledgement,
    P.PUBCOMP: decode_acknowledgement,
    P.SUBSCRIBE: decode_subscribe,
    P.SUBACK: decode_suback,
    P.UNSUBSCRIBE: decode_unsubscribe,
    P.UNSUBACK: decode_unsuback,
    P.PINGREQ: decode_pingreq,
    P.PINGRESP: decode_pingresp,
    P.DISCONNECT: decode_disconnect,
    P.AUTH: decode_auth,
}
_ONLY_CLIENTS = frozenset({P.CONNECT, P.SUBSCRIBE, P.UNSUBSCRIBE, P.PINGREQ})
_ONLY_SERVERS = frozenset({P.CONNACK, P.SUBACK, P.UNSUBACK, P.PINGRESP})


def decode(
    data: bytes, version: int, *, from_client: bool, limits: Limits = DEFAULT_LIMITS
) -> Packet:
    """Exactly one whole packet. Connections read streams with `server` and `client`."""
    if len(data) < 2:
        raise MqttError("a packet has at least two bytes", clause="MQTT 2.1.1")
    length, start = data[1], 2
    if length > 0x7F:
        length, start = read_long_length(data, 1, len(data))
    if start == 0 or start + length != len(data):
        raise MqttError("the remaining length is not that of the packet", clause="MQTT 2.1.4")
    grammar = Grammar(version, limits, from_client=from_client)
    kind = data[0] >> 4
    if kind == 0 or kind in (_ONLY_SERVERS if from_client else _ONLY_CLIENTS):
        raise MqttError(
            f"packet type {kind} does not come from this side",
            Reason.PROTOCOL_ERROR if kind else Reason.MALFORMED_PACKET,
            "MQTT 2.1.2",
        )
    if version != V5 and kind == P.DISCONNECT and not from_client:
        raise MqttError(
            "a v3.1.1 server sends no DISCONNECT", Reason.PROTOCOL_ERROR, "v3.1.1 MQTT 2.2.1"
        )
    return DECODERS[P(kind)](data[0], data, start, len(data), grammar)
