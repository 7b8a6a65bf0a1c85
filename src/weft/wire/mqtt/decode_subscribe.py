"""SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK (3.8 to 3.11) of both versions."""

from weft.wire.mqtt.cursor import Cursor
from weft.wire.mqtt.grammar import Grammar
from weft.wire.mqtt.kinds import V5
from weft.wire.mqtt.kinds import PacketType as P
from weft.wire.mqtt.packets import (
    NO_PROPERTIES,
    Filter,
    Properties,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from weft.wire.mqtt.properties import read_properties
from weft.wire.mqtt.reasons import MqttError, Reason
from weft.wire.mqtt.strings import SHARE_PREFIX, decode_filter


def require_flags(first: int, flags: int) -> None:
    """Refuse a fixed header whose reserved bits are not as the packet type wants them."""
    if first & 0x0F != flags:
        # [MQTT-2.1.3-1] [v3.1.1 MQTT-2.2.2-1] [v3.1.1 MQTT-2.2.2-2]
        raise MqttError(f"reserved flags are {first & 0x0F:04b}", clause="MQTT-2.1.3-1")


def _head(
    data: bytes, start: int, end: int, packet: P, grammar: Grammar
) -> tuple[Cursor, int, Properties]:
    cursor = Cursor(data, start, end)
    packet_id = cursor.packet_id()
    properties = NO_PROPERTIES
    if grammar.version == V5:
        properties = read_properties(cursor, packet, grammar.limits)
    return cursor, packet_id, properties


def decode_subscribe(first: int, data: bytes, start: int, end: int, grammar: Grammar) -> Subscribe:
    """SUBSCRIBE: at least one filter, each with its options."""
    require_flags(first, 2)  # [MQTT-3.8.1-1] [v3.1.1 MQTT-3.8.1-1]
    cursor, packet_id, properties = _head(data, start, end, P.SUBSCRIBE, grammar)
    filters: list[Filter] = []
    while cursor.at < end:
        name = decode_filter(cursor.binary(), grammar.limits)  # [MQTT-3.8.3-1]
        filters.append(_options(name, cursor.byte(), grammar))
        _check_count(len(filters), grammar)
    if not filters:
        # [MQTT-3.8.3-2] [v3.1.1 MQTT-3.8.3-3]
        raise MqttError("SUBSCRIBE without a filter", Reason.PROTOCOL_ERROR, "MQTT-3.8.3-2")
    return Subscribe(packet_id, tuple(filters), properties)


def _options(name: str, options: int, grammar: Grammar) -> Filter:
    qos = options & 3
    if options & (0xC0 if grammar.version == V5 else 0xFC):
        # [MQTT-3.8.3-5] [v3.1.1 MQTT-3.8.3-4]
        raise MqttError("reserved subscription options are set", clause="MQTT-3.8.3-5")
    if qos == 3:
        # 3.8.3.1; [v3.1.1 MQTT-3.8.3-4]
        raise MqttError("a subscription asks for QoS 3", Reason.PROTOCOL_ERROR, "MQTT 3.8.3.1")
    if grammar.version != V5:
        return Filter(name, qos)
    retain_handling = options >> 4 & 3
    if retain_handling == 3:
        raise MqttError("retain handling is 3", Reason.PROTOCOL_ERROR, "MQTT 3.8.3.1")
    no_local = options & 4 != 0
    if no_local and name.startswith(SHARE_PREFIX):
        # [MQTT-3.8.3-4]
        raise MqttError("no-local on a shared subscription", Reason.PROTOCOL_ERROR, "MQTT-3.8.3-4")
    return Filter(name, qos, no_local, options & 8 != 0, retain_handling)


def decode_unsubscribe(
    first: int, data: bytes, start: int, end: int, grammar: Grammar
) -> Unsubscribe:
    """UNSUBSCRIBE: at least one filter."""
    require_flags(first, 2)  # [MQTT-3.10.1-1] [v3.1.1 MQTT-3.10.1-1]
    cursor, packet_id, properties = _head(data, start, end, P.UNSUBSCRIBE, grammar)
    filters: list[str] = []
    while cursor.at < end:
        filters.append(decode_filter(cursor.binary(), grammar.limits))  # [MQTT-3.10.2-1]
        _check_count(len(filters), grammar)
    if not filters:
        # [MQTT-3.10.2-2] [v3.1.1 MQTT-3.10.3-2]
        raise MqttError("UNSUBSCRIBE without a filter", Reason.PROTOCOL_ERROR, "MQTT-3.10.2-2")
    return Unsubscribe(packet_id, tuple(filters), properties)


def _check_count(count: int, grammar: Grammar) -> None:
    if count > grammar.limits.filters:
        raise MqttError(
            f"more than {grammar.limits.filters} filters at once", Reason.QUOTA_EXCEEDED
        )


def decode_suback(first: int, data: bytes, start: int, end: int, grammar: Grammar) -> Suback:
    """SUBACK: one reason per filter."""
    require_flags(first, 0)
    cursor, packet_id, properties = _head(data, start, end, P.SUBACK, grammar)
    reasons = [_suback_reason(code, grammar) for code in data[cursor.at : end]]
    if not reasons:
        raise MqttError("SUBACK without a reason", Reason.PROTOCOL_ERROR, "MQTT-3.8.4-6")
    return Suback(packet_id, tuple(reasons), properties)


def _suback_reason(code: int, grammar: Grammar) -> Reason:
    if grammar.version != V5 and code not in (0, 1, 2, 0x80):
        # [v3.1.1 MQTT-3.9.3-2]
        raise MqttError(f"return code {code} is reserved", clause="v3.1.1 MQTT-3.9.3-2")
    return grammar.reason(code, P.SUBACK)


def decode_unsuback(first: int, data: bytes, start: int, end: int, grammar: Grammar) -> Unsuback:
    """UNSUBACK: one reason per filter, over v3.1.1 none."""
    require_flags(first, 0)
    cursor, packet_id, properties = _head(data, start, end, P.UNSUBACK, grammar)
    if grammar.version != V5:
        cursor.require_end()
        return Unsuback(packet_id)
    reasons = [grammar.reason(code, P.UNSUBACK) for code in data[cursor.at : end]]
    if not reasons:
        raise MqttError("UNSUBACK without a reason", Reason.PROTOCOL_ERROR, "MQTT-3.11.3-2")
    return Unsuback(packet_id, tuple(reasons), properties)
