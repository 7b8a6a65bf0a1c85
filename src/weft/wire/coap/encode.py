"""Messages to bytes, in the shortest form; what could not be read back is not written."""

from weft.wire.coap.codes import ACK, RST
from weft.wire.coap.message import Message

_LONGEST_VALUE = 65_535 + 269


def encode(message: Message) -> bytes:
    """A whole message. Options may come in any order; equal numbers keep theirs."""
    return encode_parts(
        message.type << 16 | message.message_id,
        message.code,
        message.token,
        message.options,
        message.payload,
    )


def encode_parts(
    head: int,
    code: int,
    token: bytes,
    options: tuple[tuple[int, bytes], ...] | list[tuple[int, bytes]],
    payload: bytes,
) -> bytes:
    """The same without a `Message`; `head` is the type (bits 16 and 17) and the message id.

    Raises ValueError for what no message can hold.
    """
    if len(token) > 8:
        raise ValueError("a token has at most eight bytes")
    if code == 0 and (token or options or payload):
        raise ValueError("an empty message has a header only")  # RFC 7252 4.1
    parts = [
        (0x4000_0000 | head >> 16 << 28 | len(token) << 24 | code << 16 | head & 0xFFFF).to_bytes(
            4, "big"
        ),
        token,
    ]
    if len(options) > 1:
        options = sorted(options, key=_number)
    before = 0
    for number, value in options:
        delta = number - before
        length = len(value)
        if delta < 13 and length < 13:
            parts.append(_SHORT[delta << 4 | length])
        else:
            parts.append(_long(delta, length))
        parts.append(value)
        before = number
    if before > 0xFFFF:
        raise ValueError(f"option {before} is out of range: it is too large")
    if payload:
        parts.append(b"\xff")
        parts.append(payload)
    return b"".join(parts)


def empty_ack(message_id: int) -> bytes:
    """We have the message; the answer comes later, if there is any (RFC 7252 4.2)."""
    return bytes((0x40 | ACK << 4, 0, message_id >> 8, message_id & 0xFF))


def reset(message_id: int) -> bytes:
    """We cannot make anything of the message (RFC 7252 4.2, 4.3)."""
    return bytes((0x40 | RST << 4, 0, message_id >> 8, message_id & 0xFF))


_SHORT = tuple(bytes((byte,)) for byte in range(256))


def _number(option: tuple[int, bytes]) -> int:
    return option[0]


def _long(delta: int, length: int) -> bytes:
    if length > _LONGEST_VALUE or delta > _LONGEST_VALUE:
        raise ValueError("an option's number or value is too large")
    upper, more = _nibble(delta)
    lower, last = _nibble(length)
    return bytes((upper << 4 | lower,)) + more + last


def _nibble(value: int) -> tuple[int, bytes]:
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes((value - 13,))
    return 14, (value - 269).to_bytes(2, "big")
