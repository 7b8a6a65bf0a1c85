"""MQTT 5 properties: one table says each one's form, its packets and its bounds.

Reading refuses a property that the packet may not have, one that stands twice and
a value out of its range. Writing leaves out what the packet may not have, so that
the properties of a will can be published as they are.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from weft.wire.mqtt.cursor import Cursor
from weft.wire.mqtt.kinds import PacketType as P
from weft.wire.mqtt.limits import Limits
from weft.wire.mqtt.packets import NO_PROPERTIES, Properties
from weft.wire.mqtt.reasons import MqttError, Reason
from weft.wire.mqtt.varint import encode_varint

_ALL = frozenset(P) - {P.PINGREQ, P.PINGRESP}
_MESSAGE = frozenset({P.PUBLISH, P.WILL})
_HELLO = frozenset({P.CONNECT, P.CONNACK})


class Kind(NamedTuple):
    """One property: where it may stand and what it may be."""

    identifier: int
    name: str
    form: str  # the name of the Cursor method that reads it
    packets: frozenset[P]
    low: int = 0
    high: int = 0xFFFFFFFF


# MQTT 5, table 2-4.
KINDS = (
    Kind(0x01, "payload_format", "byte", _MESSAGE, high=1),
    Kind(0x02, "message_expiry_s", "four", _MESSAGE),
    Kind(0x03, "content_type", "text", _MESSAGE),  # [MQTT-3.3.2-19]
    Kind(0x08, "response_topic", "name", _MESSAGE),  # [MQTT-3.3.2-13]
    Kind(0x09, "correlation_data", "binary", _MESSAGE),
    Kind(0x0B, "subscription_ids", "varint", frozenset({P.PUBLISH, P.SUBSCRIBE}), low=1),
    Kind(0x11, "session_expiry_s", "four", _HELLO | {P.DISCONNECT}),
    Kind(0x12, "assigned_client_id", "name", frozenset({P.CONNACK})),
    Kind(0x13, "server_keep_alive_s", "two", frozenset({P.CONNACK})),
    Kind(0x15, "authentication_method", "text", _HELLO | {P.AUTH}),
    Kind(0x16, "authentication_data", "binary", _HELLO | {P.AUTH}),
    Kind(0x17, "request_problem_information", "byte", frozenset({P.CONNECT}), high=1),
    Kind(0x18, "will_delay_s", "four", frozenset({P.WILL})),
    Kind(0x19, "request_response_information", "byte", frozenset({P.CONNECT}), high=1),
    Kind(0x1A, "response_information", "text", frozenset({P.CONNACK})),
    Kind(0x1C, "server_reference", "text", frozenset({P.CONNACK, P.DISCONNECT})),
    Kind(
        0x1F,
        "reason_string",
        "text",
        _ALL - {P.WILL, P.CONNECT, P.PUBLISH, P.SUBSCRIBE, P.UNSUBSCRIBE},
    ),
    Kind(0x21, "receive_maximum", "two", _HELLO, low=1),
    Kind(0x22, "topic_alias_maximum", "two", _HELLO),
    Kind(0x23, "topic_alias", "two", frozenset({P.PUBLISH}), low=1),  # [MQTT-3.3.2-8]
    Kind(0x24, "maximum_qos", "byte", frozenset({P.CONNACK}), high=1),
    Kind(0x25, "retain_available", "byte", frozenset({P.CONNACK}), high=1),
    Kind(0x26, "user_properties", "pair", _ALL),
    Kind(0x27, "maximum_packet_bytes", "four", _HELLO, low=1),
    Kind(0x28, "wildcard_available", "byte", frozenset({P.CONNACK}), high=1),
    Kind(0x29, "subscription_ids_available", "byte", frozenset({P.CONNACK}), high=1),
    Kind(0x2A, "shared_available", "byte", frozenset({P.CONNACK}), high=1),
)
_BY_IDENTIFIER = {kind.identifier: kind for kind in KINDS}
_NUMBERS = ("byte", "two", "four", "varint")


def read_properties(cursor: Cursor, packet: P, limits: Limits) -> Properties:
    """The properties at the cursor, length first (2.2.2.1)."""
    size = cursor.varint()
    if size == 0:
        return NO_PROPERTIES
    end = cursor.at + size
    if end > cursor.end:
        raise MqttError("properties are longer than their packet", clause="MQTT 2.2.2.1")
    inner = Cursor(cursor.data, cursor.at, end)
    cursor.at = end
    values: dict[str, Any] = {}
    user: list[tuple[str, str]] = []
    user_bytes = 0
    while inner.at < end:
        identifier = inner.varint()
        kind = _BY_IDENTIFIER.get(identifier)
        if kind is None or packet not in kind.packets:
            raise MqttError(
                f"property 0x{identifier:02X} has no place in {packet.name}", clause="MQTT 2.2.2.2"
            )
        if kind.form == "pair":
            before = inner.at
            user.append((inner.text(), inner.text()))  # [MQTT-1.5.7-1]
            user_bytes += inner.at - before - 4
            if len(user) > limits.user_properties or user_bytes > limits.user_property_bytes:
                raise MqttError("too many user properties", Reason.QUOTA_EXCEEDED)
        else:
            _read_one(inner, kind, packet, values)
    if user:
        values["user_properties"] = tuple(user)  # in their order [MQTT-3.3.2-18]
    return Properties(**values)


def _read_one(cursor: Cursor, kind: Kind, packet: P, values: dict[str, Any]) -> None:
    value = getattr(cursor, kind.form)()
    if kind.form in _NUMBERS and not kind.low <= value <= kind.high:
        alias = kind.name == "topic_alias"  # [MQTT-3.3.2-8]
        raise MqttError(
            f"{kind.name} is {value}",
            Reason.TOPIC_ALIAS_INVALID if alias else Reason.PROTOCOL_ERROR,
            "MQTT-3.3.2-8" if alias else "MQTT 2.2.2.2",
        )
    if kind.name == "subscription_ids" and packet is P.PUBLISH:
        values[kind.name] = (*values.get(kind.name, ()), value)
        return
    if kind.name in values:
        raise MqttError(f"{kind.name} stands twice", Reason.PROTOCOL_ERROR, "MQTT 2.2.2.2")
    values[kind.name] = (value,) if kind.name == "subscription_ids" else value


def _text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


_WRITERS: dict[str, Callable[[Any], bytes]] = {
    "byte": lambda value: value.to_bytes(1, "big"),
    "two": lambda value: value.to_bytes(2, "big"),
    "four": lambda value: value.to_bytes(4, "big"),
    "text": _text,
    "name": _text,
    "binary": lambda value: len(value).to_bytes(2, "big") + value,
}
_SINGLE = {
    packet: tuple(
        (kind.name, bytes((kind.identifier,)), _WRITERS[kind.form])
        for kind in KINDS
        if packet in kind.packets and kind.form in _WRITERS
    )
    for packet in P
}


def encode_properties(properties: Properties, packet: P) -> bytes:
    """Length and properties; what the packet may not have is left out [MQTT-2.2.2-1]."""
    if properties is NO_PROPERTIES:
        return b"\x00"
    parts = [
        mark + write(value)
        for name, mark, write in _SINGLE[packet]
        if (value := getattr(properties, name)) is not None
    ]
    if packet is P.PUBLISH or packet is P.SUBSCRIBE:
        parts += [b"\x0b" + encode_varint(one) for one in properties.subscription_ids]
    parts += [b"\x26" + _text(key) + _text(value) for key, value in properties.user_properties]
    body = b"".join(parts)
    return encode_varint(len(body)) + body
