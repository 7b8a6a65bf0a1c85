"""Variable byte integers (1.5.5): seven bits a byte, least first, at most four bytes."""

from weft.wire.mqtt.reasons import MqttError

LARGEST = 268_435_455


def encode_varint(value: int) -> bytes:
    """The shortest form of a length or identifier [MQTT-1.5.5-1]."""
    if value < 0x80:
        return bytes((value,))
    if value > LARGEST:
        raise ValueError(f"{value} does not fit in four bytes of seven bits")
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def read_long_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A remaining length that has more than one byte, and where the packet's body begins.

    (0, 0) if the bytes end before the length does.
    """
    value = data[at] & 0x7F
    shift = 7
    for place in range(at + 1, min(at + 4, end)):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0:
                # [MQTT-1.5.5-1]
                raise MqttError("a length is longer than needed", clause="MQTT-1.5.5-1")
            return value, place + 1
        shift += 7
    if end >= at + 4:
        raise MqttError("a length has more than four bytes", clause="MQTT 1.5.5")
    return 0, 0
