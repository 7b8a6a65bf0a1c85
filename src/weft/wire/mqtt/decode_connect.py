"""CONNECT and CONNACK (3.1, 3.2) of both versions."""

from weft.wire.mqtt.cursor import Cursor
from weft.wire.mqtt.decode_publish import check_response_topic
from weft.wire.mqtt.decode_subscribe import require_flags
from weft.wire.mqtt.grammar import Grammar
from weft.wire.mqtt.kinds import V5, V311
from weft.wire.mqtt.kinds import PacketType as P
from weft.wire.mqtt.limits import Limits
from weft.wire.mqtt.packets import NO_PROPERTIES, Connack, Connect, Properties, Will
from weft.wire.mqtt.properties import read_properties
from weft.wire.mqtt.reasons import FROM_RETURN_CODE, MqttError, Reason
from weft.wire.mqtt.strings import decode_topic

_CLEAN, _WILL, _WILL_RETAIN, _PASSWORD, _USERNAME = 0x02, 0x04, 0x20, 0x40, 0x80


def peek_level(data: bytes, start: int, end: int) -> int:
    """The protocol level of a CONNECT, or 0 if it does not name MQTT."""
    named = data[start : min(end, start + 6)] == b"\x00\x04MQTT"
    old = data[start : min(end, start + 8)] == b"\x00\x06MQIsdp"
    at = start + (6 if named else 8)
    return data[at] if (named or old) and at < end else 0


def decode_connect(first: int, data: bytes, start: int, end: int, grammar: Grammar) -> Connect:
    """A CONNECT says itself which version it is in; the grammar's is not asked."""
    require_flags(first, 0)
    cursor = Cursor(data, start, end)
    version = _version(cursor)
    flags = cursor.byte()
    _check_flags(flags, version)
    keep_alive_s = cursor.two()
    properties = NO_PROPERTIES
    if version == V5:
        properties = read_properties(cursor, P.CONNECT, grammar.limits)
        if properties.authentication_data is not None and properties.authentication_method is None:
            raise MqttError(
                "authentication data without a method", Reason.PROTOCOL_ERROR, "MQTT 3.1.2.11.10"
            )
    # [MQTT-3.1.3-1] [v3.1.1 MQTT-3.1.3-1]: the payload's fields in their order
    client_id = _client_id(cursor, flags, version, grammar.limits)
    will = _will(cursor, flags, version, grammar.limits) if flags & _WILL else None
    username = cursor.name() if flags & _USERNAME else None  # [MQTT-3.1.3-12]
    password = cursor.binary() if flags & _PASSWORD else None
    cursor.require_end()  # [MQTT-3.1.2-16] [MQTT-3.1.2-18] [v3.1.1 MQTT-3.1.2-18]
    clean = flags & _CLEAN != 0
    return Connect(client_id, version, clean, keep_alive_s, username, password, will, properties)


def _version(cursor: Cursor) -> int:
    name = cursor.binary()
    if name == b"MQTT":
        version = cursor.byte()
        if version in (V311, V5):
            return version
    elif name != b"MQIsdp":  # [MQTT-3.1.2-1] [v3.1.1 MQTT-3.1.2-1]
        raise MqttError(
            "the protocol is not named MQTT", Reason.UNSUPPORTED_PROTOCOL_VERSION, "MQTT-3.1.2-1"
        )
    # [MQTT-3.1.2-2] [v3.1.1 MQTT-3.1.2-2]
    raise MqttError(
        "only MQTT 3.1.1 and 5.0 are spoken here",
        Reason.UNSUPPORTED_PROTOCOL_VERSION,
        "MQTT-3.1.2-2",
    )


def _check_flags(flags: int, version: int) -> None:
    if flags & 1:
        # [MQTT-3.1.2-3] [v3.1.1 MQTT-3.1.2-3]
        raise MqttError("the reserved connect flag is set", clause="MQTT-3.1.2-3")
    will_qos = flags >> 3 & 3
    if flags & _WILL:
        if will_qos == 3:
            # [MQTT-3.1.2-12] [v3.1.1 MQTT-3.1.2-14]
            raise MqttError("the will has QoS 3", clause="MQTT-3.1.2-12")
    elif will_qos:
        # [MQTT-3.1.2-11] [v3.1.1 MQTT-3.1.2-13]
        raise MqttError("a QoS for a will that is not there", clause="MQTT-3.1.2-11")
    elif flags & _WILL_RETAIN:
        # [MQTT-3.1.2-13] [v3.1.1 MQTT-3.1.2-15]
        raise MqttError("retain for a will that is not there", clause="MQTT-3.1.2-13")
    if version == V311 and flags & _PASSWORD and not flags & _USERNAME:
        # [v3.1.1 MQTT-3.1.2-22]; MQTT 5 allows it
        raise MqttError("a password without a user name", clause="v3.1.1 MQTT-3.1.2-22")


def _client_id(cursor: Cursor, flags: int, version: int, limits: Limits) -> str:
    before = cursor.at
    client_id = cursor.name()  # [MQTT-3.1.3-3] [MQTT-3.1.3-4] [v3.1.1 MQTT-3.1.3-4]
    if not client_id and version == V311 and not flags & _CLEAN:
        # [v3.1.1 MQTT-3.1.3-7] [v3.1.1 MQTT-3.1.3-8]
        raise MqttError(
            "a session to keep needs a client identifier",
            Reason.CLIENT_IDENTIFIER_NOT_VALID,
            "v3.1.1 MQTT-3.1.3-8",
        )
    if cursor.at - before - 2 > limits.client_id_bytes:
        # [MQTT-3.1.3-8] [v3.1.1 MQTT-3.1.3-9]
        raise MqttError(
            f"the client identifier is longer than {limits.client_id_bytes} bytes",
            Reason.CLIENT_IDENTIFIER_NOT_VALID,
            "MQTT-3.1.3-8",
        )
    return client_id


def _will(cursor: Cursor, flags: int, version: int, limits: Limits) -> Will:
    # [MQTT-3.1.2-9] [v3.1.1 MQTT-3.1.2-9]: properties, topic and payload are all there
    properties: Properties = NO_PROPERTIES
    if version == V5:
        properties = read_properties(cursor, P.WILL, limits)
        check_response_topic(properties, limits)
    topic = decode_topic(cursor.binary(), limits)  # [MQTT-3.1.3-11] [v3.1.1 MQTT-3.1.3-10]
    payload = cursor.binary()
    return Will(topic, payload, flags >> 3 & 3, flags & _WILL_RETAIN != 0, properties)


def decode_connack(first: int, data: bytes, start: int, end: int, grammar: Grammar) -> Connack:
    """CONNACK (3.2); a v3.1.1 return code becomes the reason that says the same."""
    require_flags(first, 0)
    cursor = Cursor(data, start, end)
    flags = cursor.byte()
    if flags > 1:
        # [MQTT-3.2.2-1]
        raise MqttError("a reserved acknowledge flag is set", clause="MQTT-3.2.2-1")
    code = cursor.byte()
    properties = NO_PROPERTIES
    if grammar.version == V5:
        reason = grammar.reason(code, P.CONNACK)
        properties = read_properties(cursor, P.CONNACK, grammar.limits)
    else:
        found = FROM_RETURN_CODE.get(code)
        if found is None:
            raise MqttError(f"return code {code} is reserved", clause="v3.1.1 MQTT 3.2.2.3")
        reason = found
    cursor.require_end()
    if flags and reason is not Reason.SUCCESS:
        # [MQTT-3.2.2-6] [v3.1.1 MQTT-3.2.2-4]
        raise MqttError("a refused CONNECT has a session", Reason.PROTOCOL_ERROR, "MQTT-3.2.2-6")
    return Connack(flags == 1, reason, properties)
