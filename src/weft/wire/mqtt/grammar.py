"""What one side of a connection accepts: version, direction, caps, and topics seen."""

from weft.wire.mqtt.kinds import V5
from weft.wire.mqtt.kinds import PacketType as P
from weft.wire.mqtt.limits import Limits
from weft.wire.mqtt.reasons import (
    LEGAL_FROM_CLIENT,
    LEGAL_FROM_SERVER,
    MqttError,
    Reason,
)
from weft.wire.mqtt.strings import decode_topic

_REMEMBERED = 32  # a device has few topics; at most 32 KiB at the default topic size
_REASONS = {reason.value: reason for reason in Reason}


class Grammar:
    """The rules by which bytes of one connection are read.

    Checked topics are remembered by their bytes: a device repeats a few topics for
    its whole life, and the check costs more than the rest of a PUBLISH.
    """

    __slots__ = ("_legal", "from_client", "limits", "topics", "version")

    def __init__(self, version: int, limits: Limits, *, from_client: bool) -> None:
        self.version = version
        self.limits = limits
        self.from_client = from_client
        self.topics: dict[bytes, str] = {}
        self._legal = LEGAL_FROM_CLIENT if from_client else LEGAL_FROM_SERVER

    def topic(self, data: bytes) -> str:
        """Check and remember a topic of a PUBLISH; empty where an alias may stand for it."""
        if not data and self.version == V5:
            return ""
        topic = decode_topic(data, self.limits)
        if len(self.topics) < _REMEMBERED:
            self.topics[data] = topic
        return topic

    def reason(self, code: int, packet: P) -> Reason:
        """The reason code, if this packet may carry it from this side."""
        reason = _REASONS.get(code)
        if reason is None or reason not in self._legal[packet]:
            # [MQTT-3.2.2-8] [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.2-1] [MQTT-3.7.2.1-1]
            # [MQTT-3.9.3-2] [MQTT-3.11.3-2] [MQTT-3.14.2-1] [MQTT-3.15.2-1]
            raise MqttError(
                f"reason 0x{code:02X} has no place in {packet.name}",
                Reason.PROTOCOL_ERROR,
                "MQTT 2.4",
            )
        return reason
