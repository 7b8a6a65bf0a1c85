"""Reading the fields of one packet (1.5), never beyond its end."""

from weft.wire.mqtt.reasons import MqttError
from weft.wire.mqtt.strings import decode_name, decode_text


class Cursor:
    """A place in a packet that moves with each field read."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data = data
        self.at = at
        self.end = end

    def _take(self, count: int) -> int:
        at = self.at
        if at + count > self.end:
            raise MqttError("a packet ends within a field", clause="MQTT 4.13.1")
        self.at = at + count
        return at

    def byte(self) -> int:
        """One byte."""
        return self.data[self._take(1)]

    def two(self) -> int:
        """A two byte integer (1.5.2)."""
        at = self._take(2)
        return self.data[at] << 8 | self.data[at + 1]

    def four(self) -> int:
        """A four byte integer (1.5.3)."""
        at = self._take(4)
        return int.from_bytes(self.data[at : at + 4], "big")

    def varint(self) -> int:
        """A variable byte integer (1.5.5), at most four bytes and no longer than needed."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift:
                    # [MQTT-1.5.5-1]
                    raise MqttError("a length is longer than needed", clause="MQTT-1.5.5-1")
                return value
        raise MqttError("a length has more than four bytes", clause="MQTT 1.5.5")

    def binary(self) -> bytes:
        """Binary data (1.5.6)."""
        count = self.two()
        at = self._take(count)
        return self.data[at : at + count]

    def text(self) -> str:
        """A UTF-8 string that is a value (1.5.4)."""
        return decode_text(self.binary())

    def name(self) -> str:
        """A UTF-8 string that steers: no control characters."""
        return decode_name(self.binary())

    def packet_id(self) -> int:
        """A packet identifier, which is never 0."""
        packet_id = self.two()
        if packet_id == 0:
            # [MQTT-2.2.1-3] [MQTT-2.2.1-4] [v3.1.1 MQTT-2.3.1-1]
            raise MqttError("a packet identifier is 0", clause="MQTT-2.2.1-3")
        return packet_id

    def require_end(self) -> None:
        """Refuse bytes after the last field."""
        if self.at != self.end:
            raise MqttError("a packet has bytes after its end", clause="MQTT 4.13.1")
