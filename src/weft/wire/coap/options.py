"""Options as a table: number, form, bounds, and whether one may be repeated.

What the table does not list is unknown: a critical one (odd number) refuses its request,
an elective one is ignored (RFC 7252 5.4.1). One whose length is out of bounds, or that
stands again where it may not, counts as unknown (5.4.3, 5.4.5).
"""

from enum import Enum, IntEnum

from msgspec import Struct


class Option(IntEnum):
    """Numbers by name (RFC 7252 12.2 and what later RFCs registered)."""

    IF_MATCH = 1
    URI_HOST = 3
    ETAG = 4
    IF_NONE_MATCH = 5
    OBSERVE = 6  # RFC 7641
    URI_PORT = 7
    LOCATION_PATH = 8
    OSCORE = 9  # RFC 8613: known by number, so that its seam can find it
    URI_PATH = 11
    CONTENT_FORMAT = 12
    MAX_AGE = 14
    URI_QUERY = 15
    HOP_LIMIT = 16  # RFC 8768
    ACCEPT = 17
    LOCATION_QUERY = 20
    BLOCK2 = 23  # RFC 7959
    BLOCK1 = 27  # RFC 7959
    SIZE2 = 28  # RFC 7959
    PROXY_URI = 35
    PROXY_SCHEME = 39
    SIZE1 = 60
    ECHO = 252  # RFC 9175
    NO_RESPONSE = 258  # RFC 7967
    REQUEST_TAG = 292  # RFC 9175


class Form(Enum):
    """How an option's value is read (RFC 7252 3.2)."""

    EMPTY = "empty"
    OPAQUE = "opaque"
    UINT = "uint"
    STRING = "string"


class Row(Struct, frozen=True):
    """One option's definition; bounds are of the value's bytes."""

    number: Option
    form: Form
    least: int
    most: int
    repeatable: bool = False


_O, _F = Option, Form
_ROWS = (
    Row(_O.IF_MATCH, _F.OPAQUE, 0, 8, repeatable=True),
    Row(_O.URI_HOST, _F.STRING, 1, 255),
    Row(_O.ETAG, _F.OPAQUE, 1, 8, repeatable=True),
    Row(_O.IF_NONE_MATCH, _F.EMPTY, 0, 0),
    Row(_O.OBSERVE, _F.UINT, 0, 3),
    Row(_O.URI_PORT, _F.UINT, 0, 2),
    Row(_O.LOCATION_PATH, _F.STRING, 0, 255, repeatable=True),
    Row(_O.URI_PATH, _F.STRING, 0, 255, repeatable=True),
    Row(_O.CONTENT_FORMAT, _F.UINT, 0, 2),
    Row(_O.MAX_AGE, _F.UINT, 0, 4),
    Row(_O.URI_QUERY, _F.STRING, 0, 255, repeatable=True),
    Row(_O.HOP_LIMIT, _F.UINT, 1, 1),
    Row(_O.ACCEPT, _F.UINT, 0, 2),
    Row(_O.LOCATION_QUERY, _F.STRING, 0, 255, repeatable=True),
    Row(_O.BLOCK2, _F.UINT, 0, 3),
    Row(_O.BLOCK1, _F.UINT, 0, 3),
    Row(_O.SIZE2, _F.UINT, 0, 4),
    Row(_O.PROXY_URI, _F.STRING, 1, 1034),
    Row(_O.PROXY_SCHEME, _F.STRING, 1, 255),
    Row(_O.SIZE1, _F.UINT, 0, 4),
    Row(_O.ECHO, _F.OPAQUE, 1, 40),
    Row(_O.NO_RESPONSE, _F.UINT, 0, 1),
    Row(_O.REQUEST_TAG, _F.OPAQUE, 0, 8, repeatable=True),
)
TABLE: dict[int, Row] = {row.number: row for row in _ROWS}


def is_critical(number: int) -> bool:
    """Whether not knowing it refuses the message (RFC 7252 5.4.6)."""
    return bool(number & 1)


def is_unsafe(number: int) -> bool:
    """Whether a proxy that does not know it must not forward it (RFC 7252 5.4.2)."""
    return bool(number & 2)


def is_no_cache_key(number: int) -> bool:
    """Whether two requests that differ in it only ask for the same (RFC 7252 5.4.2)."""
    return number & 0x1E == 0x1C


def encode_uint(value: int) -> bytes:
    """The shortest form: zero has no bytes (RFC 7252 3.2)."""
    return value.to_bytes((value.bit_length() + 7) >> 3, "big")


def decode_uint(value: bytes) -> int:
    """Leading zeros are let pass (RFC 7252 3.2)."""
    return int.from_bytes(value, "big")
