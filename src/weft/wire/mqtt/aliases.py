"""Topic aliases (3.3.2.3.4): a number that stands for a topic, on one connection only.

Each direction has its own, bounded by what the receiver granted [MQTT-3.3.2-7].
"""

from msgspec.structs import replace

from weft.wire.mqtt.packets import NO_PROPERTIES, Publish
from weft.wire.mqtt.reasons import MqttError, Reason


class InboundAliases:
    """The aliases that the peer has defined."""

    __slots__ = ("_maximum", "_topics")

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._topics: dict[int, str] = {}

    def resolve(self, packet: Publish, alias: int) -> Publish:
        """The message with its full topic; defines the alias if the topic is there."""
        if alias > self._maximum:
            # [MQTT-3.3.2-9] [MQTT-3.3.2-11] [MQTT-3.2.2-17] [MQTT-3.2.2-18]
            raise MqttError(
                f"topic alias {alias} is beyond the maximum",
                Reason.TOPIC_ALIAS_INVALID,
                "MQTT-3.3.2-9",
            )
        if packet.topic:
            self._topics[alias] = packet.topic  # [MQTT-3.3.2-10] [MQTT-3.3.2-12]
            return packet
        topic = self._topics.get(alias)
        if topic is None:
            raise MqttError(
                f"topic alias {alias} stands for no topic",
                Reason.PROTOCOL_ERROR,
                "MQTT 3.3.2.3.4",
            )
        return replace(packet, topic=topic)


class OutboundAliases:
    """The aliases that we have defined, first come, first served."""

    __slots__ = ("_aliases", "_maximum")

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum  # [MQTT-3.1.2-26] [MQTT-3.1.2-27]
        self._aliases: dict[str, int] = {}

    def apply(self, packet: Publish) -> Publish:
        """The message as this hop sends it; a received alias never travels on."""
        alias = self._aliases.get(packet.topic)
        topic = packet.topic if alias is None else ""
        if alias is None and len(self._aliases) < self._maximum:
            alias = len(self._aliases) + 1
        properties = replace(packet.properties, topic_alias=alias)
        if properties == NO_PROPERTIES:
            properties = NO_PROPERTIES
        return replace(packet, topic=topic, properties=properties)

    def sent(self, hop: Publish) -> None:
        """The message went out: the alias that it defines is known now."""
        alias = hop.properties.topic_alias
        if alias is not None and hop.topic:
            self._aliases[hop.topic] = alias
