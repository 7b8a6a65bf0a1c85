"""DTLS records as bytes: what must be read and written before a session exists.

OpenSSL does the protocol; here is what it cannot do without keeping state for the peer:
telling a ClientHello from noise, asking for a cookie, and saying why a handshake ended.
All of it is a function of one datagram. [RFC 6347]
"""

from collections.abc import Iterator
from typing import NamedTuple

HEADER_BYTES = 13
ALERT, HANDSHAKE, APPLICATION_DATA = 21, 22, 23
CLIENT_HELLO = 1
FATAL = 2
DECRYPT_ERROR, ACCESS_DENIED, HANDSHAKE_FAILURE = 51, 49, 40
DTLS_1_0, DTLS_1_2 = b"\xfe\xff", b"\xfe\xfd"
MAJOR = 0xFE
COOKIE_MAX = 255
_RANDOM_END = 12 + 2 + 32  # message header, version, random
_LAST_SEQUENCE = b"\0\0\xff\xff\xff\xff\xff\xff"  # epoch 0, and one that nothing comes behind


class ClientHello(NamedTuple):
    """What has to be known of a ClientHello before anything is kept for its sender."""

    sequence: bytes  # of its record, epoch included
    random: bytes  # tells one that is sent again from a new one
    cookie: bytes
    suites: frozenset[int]


def split_records(datagram: bytes) -> Iterator[bytes]:
    """Yield the records of a datagram; what does not fit a record is left out."""
    at, size = 0, len(datagram)
    while at + HEADER_BYTES <= size:
        end = at + HEADER_BYTES + int.from_bytes(datagram[at + 11 : at + 13], "big")
        if end > size or datagram[at + 1] != MAJOR:
            return
        yield datagram[at:end]
        at = end


def epoch_of(record: bytes) -> int:
    """Return the epoch of a record: 0 until keys are agreed on."""
    return int.from_bytes(record[3:5], "big")


def read_client_hello(datagram: bytes) -> ClientHello | None:
    """Read a datagram that begins with a whole ClientHello in epoch 0; None for any other.

    One in fragments is not taken: no cookie could be checked without keeping the first of them.
    """
    record = next(split_records(datagram), b"")
    body = record[HEADER_BYTES:]
    if len(body) < _RANDOM_END + 3 or record[0] != HANDSHAKE or epoch_of(record) != 0:
        return None
    length = body[1:4]
    if body[0] != CLIENT_HELLO or body[6:9] != b"\0\0\0" or body[9:12] != length:
        return None
    if int.from_bytes(length, "big") != len(body) - 12 or body[12] != MAJOR:
        return None
    try:
        at = _RANDOM_END
        at += 1 + body[at]  # session id
        cookie = body[at + 1 : at + 1 + body[at]]
        at += 1 + body[at]
        size = int.from_bytes(body[at : at + 2], "big")
        suites = body[at + 2 : at + 2 + size]
    except IndexError:
        return None
    if len(suites) != size or size % 2 or not size:
        return None
    found = frozenset(int.from_bytes(suites[i : i + 2], "big") for i in range(0, size, 2))
    return ClientHello(record[3:11], body[14:_RANDOM_END], cookie, found)


def hello_verify_request(hello: ClientHello, cookie: bytes) -> bytes:
    """Return what asks for the same ClientHello with a cookie; smaller than what it answers.

    It bears the sequence number of the ClientHello, and version 1.0 whatever will be spoken
    [RFC 6347 4.2.1].
    """
    body = DTLS_1_0 + bytes([len(cookie)]) + cookie
    length = len(body).to_bytes(3, "big")
    message = b"\x03" + length + b"\0\0" + b"\0\0\0" + length + body
    head = bytes([HANDSHAKE]) + DTLS_1_0 + hello.sequence
    return head + len(message).to_bytes(2, "big") + message


def plain_alert(description: int) -> bytes:
    """Return a fatal alert in epoch 0, to a peer that waits for our half of the handshake."""
    return bytes([ALERT]) + DTLS_1_2 + _LAST_SEQUENCE + b"\0\2" + bytes([FATAL, description])


def datagrams_of(records: bytes, mtu_bytes: int) -> list[bytes]:
    """Pack records into datagrams, as many into one as fit."""
    found: list[bytes] = []
    for record in split_records(records):
        if found and len(found[-1]) + len(record) <= mtu_bytes:
            found[-1] += record
        else:
            found.append(record)
    return found
