"""Bytes to a message, strictly: whatever RFC 7252 3 calls a message format error is one.

The meaning of options is not looked at here: `requests` does that for a server.
"""

from weft.wire.coap.codes import CLASSES, CON, NON
from weft.wire.coap.faults import FormatError
from weft.wire.coap.message import Message, Options

_LONGEST_NUMBER = 65_535


def decode(data: bytes) -> Message:
    """One datagram. Raises `FormatError` for anything that is not exactly a message."""
    size = len(data)
    if size < 4:
        raise FormatError("a message has at least four bytes", "RFC 7252 3")
    first = data[0]
    code = data[1]
    if first >> 6 != 1:
        raise FormatError(f"version {first >> 6} is not spoken", "RFC 7252 3")
    if code >> 5 not in CLASSES:
        raise FormatError(f"code class {code >> 5} is reserved", "RFC 7252 3")
    message_id = data[2] << 8 | data[3]
    kind = first >> 4 & 3
    if code == 0:
        return _empty(data, kind, message_id)
    at = 4 + (first & 15)
    if at > 12:
        raise FormatError("a token has at most eight bytes", "RFC 7252 3")
    if at > size:
        raise FormatError("the message ends inside its token", "RFC 7252 3")
    options, payload = _options_and_payload(data, at, size)
    return Message(kind, code, message_id, data[4:at], options, payload)


def _options_and_payload(data: bytes, at: int, size: int) -> tuple[Options, bytes]:
    options: list[tuple[int, bytes]] = []
    number = 0
    payload = b""
    while at < size:
        byte = data[at]
        at += 1
        if byte == 0xFF:
            if at == size:
                raise FormatError("nothing follows the payload marker", "RFC 7252 3")
            payload = data[at:]
            break
        delta = byte >> 4
        length = byte & 15
        if delta > 12:
            delta, at = _extended(data, at, delta)
        if length > 12:
            length, at = _extended(data, at, length)
        number += delta
        end = at + length
        if end > size:
            raise FormatError("the message ends inside an option", "RFC 7252 3.1")
        options.append((number, data[at:end]))
        at = end
    if number > _LONGEST_NUMBER:
        raise FormatError(f"option {number} is out of range", "RFC 7252 3.1")
    return tuple(options), payload


def _empty(data: bytes, kind: int, message_id: int) -> Message:
    if len(data) > 4 or data[0] & 15:
        raise FormatError("an empty message has more than a header", "RFC 7252 4.1")
    if kind == NON:
        raise FormatError("an empty message is not non-confirmable", "RFC 7252 4.3")
    return Message(kind, 0, message_id)


def _extended(data: bytes, at: int, nibble: int) -> tuple[int, int]:
    """A delta or length that has one more byte, or two; and where the next field begins."""
    if nibble == 13 and at < len(data):
        return data[at] + 13, at + 1
    if nibble == 14 and at + 1 < len(data):
        return (data[at] << 8 | data[at + 1]) + 269, at + 2
    if nibble == 15:
        raise FormatError("15 is reserved for the payload marker", "RFC 7252 3.1")
    raise FormatError("the message ends inside an option", "RFC 7252 3.1")


def is_confirmable(data: bytes) -> bool:
    """Whether bytes that did not decode want a reset: a CON of version 1 with a message id."""
    return len(data) >= 4 and data[0] >> 4 == 4 | CON
