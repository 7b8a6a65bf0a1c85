"""Packets to bytes, for both versions.

Given a packet that `decode` could have made, `encode` gives the bytes it came from,
in the shortest form. What v3.1.1 cannot say (properties, reasons) is left out there.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any

from weft.wire.mqtt.kinds import V5
from weft.wire.mqtt.kinds import PacketType as P
from weft.wire.mqtt.packets import (
    NO_PROPERTIES,
    Acknowledgement,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Filter,
    Packet,
    Pingreq,
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
from weft.wire.mqtt.reasons import RETURN_CODES, Reason
from weft.wire.mqtt.varint import encode_varint

PINGREQ = b"\xc0\x00"
PINGRESP = b"\xd0\x00"
_SHORT = Struct(">HH").pack  # first byte and length 2, then the packet identifier
_SHORT_HEADS: dict[type[Acknowledgement], int] = {
    Puback: 0x4002,
    Pubrec: 0x5002,
    Pubrel: 0x6202,
    Pubcomp: 0x7002,
}
_TYPES: dict[type[Acknowledgement], P] = {
    Puback: P.PUBACK,
    Pubrec: P.PUBREC,
    Pubrel: P.PUBREL,
    Pubcomp: P.PUBCOMP,
}


def frame(first: int, body: bytes) -> bytes:
    """A whole packet: first byte, remaining length, body."""
    size = len(body)
    if size < 0x80:
        return bytes((first, size)) + body
    return bytes((first,)) + encode_varint(size) + body


def _binary(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _text(value: str) -> bytes:
    return _binary(value.encode())


def short_acknowledgement(kind: type[Acknowledgement], packet_id: int) -> bytes:
    """The four bytes of an acknowledgement that has nothing to add, in both versions."""
    return _SHORT(_SHORT_HEADS[kind], packet_id)


def short_acknowledgements(kind: type[Acknowledgement], packet_ids: list[int]) -> bytes:
    """Many of them for one write, in the order of the packet ids."""
    head = _SHORT_HEADS[kind]
    return b"".join([_SHORT(head, packet_id) for packet_id in packet_ids])


def encode_publish(packet: Publish, version: int) -> bytes:
    """PUBLISH (3.3)."""
    topic = packet.topic.encode()
    qos = packet.qos
    head = len(topic).to_bytes(2, "big") + topic
    if qos:
        head += packet.packet_id.to_bytes(2, "big")
    if version == V5:
        head += encode_properties(packet.properties, P.PUBLISH)
    first = 0x30 | packet.dup << 3 | qos << 1 | packet.retain
    size = len(head) + len(packet.payload)
    length = bytes((first, size)) if size < 0x80 else bytes((first,)) + encode_varint(size)
    return length + head + packet.payload


def encode_acknowledgement(packet: Acknowledgement, version: int) -> bytes:
    """PUBACK, PUBREC, PUBREL, PUBCOMP (3.4 to 3.7)."""
    kind = type(packet)
    if version != V5 or (not packet.reason and packet.properties == NO_PROPERTIES):
        return short_acknowledgement(kind, packet.packet_id)
    body = packet.packet_id.to_bytes(2, "big") + bytes((packet.reason,))
    if packet.properties != NO_PROPERTIES:
        body += encode_properties(packet.properties, _TYPES[kind])
    return frame(_SHORT_HEADS[kind] >> 8, body)


def encode_connect(packet: Connect, _version: int) -> bytes:
    """CONNECT (3.1), in the version it names."""
    will = packet.will
    flags = packet.clean_start << 1
    if will is not None:
        flags |= 0x04 | will.qos << 3 | will.retain << 5
    flags |= (packet.password is not None) << 6 | (packet.username is not None) << 7
    five = packet.version == V5
    parts = [
        _text("MQTT"),
        bytes((packet.version, flags)),
        packet.keep_alive_s.to_bytes(2, "big"),
        encode_properties(packet.properties, P.CONNECT) if five else b"",
        _text(packet.client_id),
    ]
    if will is not None:
        parts.append(encode_properties(will.properties, P.WILL) if five else b"")
        parts += (_text(will.topic), _binary(will.payload))
    if packet.username is not None:
        parts.append(_text(packet.username))
    if packet.password is not None:
        parts.append(_binary(packet.password))
    return frame(0x10, b"".join(parts))


def encode_connack(packet: Connack, version: int) -> bytes:
    """CONNACK (3.2); nothing if v3.1.1 has no return code for the reason."""
    if version == V5:
        body = bytes((packet.session_present, packet.reason))
        return frame(0x20, body + encode_properties(packet.properties, P.CONNACK))
    code = RETURN_CODES.get(packet.reason)
    # [v3.1.1 MQTT-3.2.2-6]
    return b"" if code is None else bytes((0x20, 2, packet.session_present, code))


def _options(one: Filter) -> int:
    return one.qos | one.no_local << 2 | one.retain_as_published << 3 | one.retain_handling << 4


def _head(packet_id: int, properties: Properties, kind: P, version: int) -> bytes:
    head = packet_id.to_bytes(2, "big")
    return head + encode_properties(properties, kind) if version == V5 else head


def encode_subscribe(packet: Subscribe, version: int) -> bytes:
    """SUBSCRIBE (3.8)."""
    head = _head(packet.packet_id, packet.properties, P.SUBSCRIBE, version)
    mask = 0xFF if version == V5 else 0x03
    filters = [_text(one.filter) + bytes((_options(one) & mask,)) for one in packet.filters]
    return frame(0x82, head + b"".join(filters))


def encode_suback(packet: Suback, version: int) -> bytes:
    """SUBACK (3.9); over v3.1.1 every failure is 0x80 [v3.1.1 MQTT-3.9.3-2]."""
    head = _head(packet.packet_id, packet.properties, P.SUBACK, version)
    codes = packet.reasons
    if version != V5:
        codes = tuple(min(code, Reason.UNSPECIFIED_ERROR) for code in codes)
    return frame(0x90, head + bytes(codes))


def encode_unsubscribe(packet: Unsubscribe, version: int) -> bytes:
    """UNSUBSCRIBE (3.10)."""
    head = _head(packet.packet_id, packet.properties, P.UNSUBSCRIBE, version)
    return frame(0xA2, head + b"".join([_text(one) for one in packet.filters]))


def encode_unsuback(packet: Unsuback, version: int) -> bytes:
    """UNSUBACK (3.11)."""
    head = _head(packet.packet_id, packet.properties, P.UNSUBACK, version)
    return frame(0xB0, head + bytes(packet.reasons) if version == V5 else head)


def encode_disconnect(packet: Disconnect, version: int) -> bytes:
    """DISCONNECT (3.14)."""
    return _encode_ending(0xE0, packet, P.DISCONNECT) if version == V5 else b"\xe0\x00"


def encode_auth(packet: Auth, _version: int) -> bytes:
    """AUTH (3.15)."""
    return _encode_ending(0xF0, packet, P.AUTH)


def _encode_ending(first: int, packet: Disconnect | Auth, kind: P) -> bytes:
    if packet.properties == NO_PROPERTIES and not packet.reason:
        return bytes((first, 0))
    body = bytes((packet.reason,))
    if packet.properties != NO_PROPERTIES or kind is P.AUTH:
        body += encode_properties(packet.properties, kind)
    return frame(first, body)


_ENCODERS: dict[type[Any], Callable[[Any, int], bytes]] = {
    Connect: encode_connect,
    Connack: encode_connack,
    Publish: encode_publish,
    Puback: encode_acknowledgement,
    Pubrec: encode_acknowledgement,
    Pubrel: encode_acknowledgement,
    Pubcomp: encode_acknowledgement,
    Subscribe: encode_subscribe,
    Suback: encode_suback,
    Unsubscribe: encode_unsubscribe,
    Unsuback: encode_unsuback,
    Pingreq: lambda _packet, _version: PINGREQ,
    Pingresp: lambda _packet, _version: PINGRESP,
    Disconnect: encode_disconnect,
    Auth: encode_auth,
}


def encode(packet: Packet, version: int) -> bytes:
    """The bytes of any packet."""
    return _ENCODERS[type(packet)](packet, version)
