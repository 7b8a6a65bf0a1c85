"""PUBLISH (3.3): the hot path, written out by hand.

Fields are read straight from the buffer: a `Cursor` would cost as much as the rest.
"""

from weft.wire.mqtt.cursor import Cursor
from weft.wire.mqtt.grammar import Grammar
from weft.wire.mqtt.kinds import V5
from weft.wire.mqtt.kinds import PacketType as P
from weft.wire.mqtt.limits import Limits
from weft.wire.mqtt.packets import NO_PROPERTIES, Properties, Publish
from weft.wire.mqtt.properties import read_properties
from weft.wire.mqtt.reasons import MqttError, Reason
from weft.wire.mqtt.strings import check_size


def decode_publish(first: int, data: bytes, start: int, end: int, grammar: Grammar) -> Publish:
    """An application message; its topic is empty if an alias stands for it."""
    at = start + 2
    if at > end or (at := at + (data[start] << 8 | data[start + 1])) > end:
        raise MqttError("a PUBLISH ends within its topic", clause="MQTT-3.3.2-1")
    name = data[start + 2 : at]
    topic = grammar.topics.get(name)
    if topic is None:
        topic = grammar.topic(name)  # [MQTT-3.3.2-1] [v3.1.1 MQTT-3.3.2-1]
    packet_id = 0
    qos = first >> 1 & 3
    if qos:
        packet_id = _packet_id(qos, data, at, end)
        at += 2
    elif first & 8:
        # [MQTT-3.3.1-2] [v3.1.1 MQTT-3.3.1-2]
        raise MqttError("a QoS 0 PUBLISH is marked as sent again", clause="MQTT-3.3.1-2")
    properties = NO_PROPERTIES
    if grammar.version == V5:
        if at < end and data[at] == 0:
            at += 1
        else:
            properties, at = _properties(data, at, end, grammar)
        if not topic:
            _require_alias(properties)
    return Publish(topic, data[at:end], qos, first & 1 == 1, first & 8 == 8, packet_id, properties)


def _packet_id(qos: int, data: bytes, at: int, end: int) -> int:
    if qos == 3:
        # [MQTT-3.3.1-4] [v3.1.1 MQTT-3.3.1-4]
        raise MqttError("a PUBLISH has QoS 3", clause="MQTT-3.3.1-4")
    if at + 2 > end:
        raise MqttError("a PUBLISH ends before its packet identifier", clause="MQTT 3.3.2.2")
    packet_id = data[at] << 8 | data[at + 1]
    if packet_id == 0:
        # [MQTT-2.2.1-3] [MQTT-2.2.1-4] [v3.1.1 MQTT-2.3.1-1]
        raise MqttError("a packet identifier is 0", clause="MQTT-2.2.1-3")
    return packet_id


def _properties(data: bytes, at: int, end: int, grammar: Grammar) -> tuple[Properties, int]:
    cursor = Cursor(data, at, end)
    properties = read_properties(cursor, P.PUBLISH, grammar.limits)
    if properties.subscription_ids and grammar.from_client:
        # [MQTT-3.3.4-6]
        raise MqttError(
            "a client's PUBLISH has a subscription identifier",
            Reason.PROTOCOL_ERROR,
            "MQTT-3.3.4-6",
        )
    check_response_topic(properties, grammar.limits)
    return properties, cursor.at


def check_response_topic(properties: Properties, limits: Limits) -> None:
    """A response topic is a topic name: it has no wildcards."""
    topic = properties.response_topic
    if topic is None:
        return
    check_size(topic, limits, Reason.TOPIC_NAME_INVALID)
    if not topic or "+" in topic or "#" in topic:
        # [MQTT-3.3.2-14]
        raise MqttError(
            "the response topic is no topic name", Reason.PROTOCOL_ERROR, "MQTT-3.3.2-14"
        )


def _require_alias(properties: Properties) -> None:
    if properties.topic_alias is None:
        # 3.3.2.1: only an alias may stand for the topic
        raise MqttError(
            "a PUBLISH has neither topic nor alias", Reason.PROTOCOL_ERROR, "MQTT 3.3.2.1"
        )
