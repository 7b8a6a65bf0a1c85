"""Message types, methods and response codes (RFC 7252 12.1, with what later RFCs add)."""

from enum import IntEnum
from typing import Final


class Type(IntEnum):
    """How a message is carried (RFC 7252 3)."""

    CON = 0
    NON = 1
    ACK = 2
    RST = 3


# The same for the hot path, where a look-up in an enumeration costs as much as the comparison.
CON: Final = 0
NON: Final = 1
ACK: Final = 2
RST: Final = 3


class Code(IntEnum):
    """What a message asks or answers: three bits of class, five of detail."""

    EMPTY = 0x00
    GET = 0x01
    POST = 0x02
    PUT = 0x03
    DELETE = 0x04
    FETCH = 0x05  # RFC 8132
    PATCH = 0x06  # RFC 8132
    IPATCH = 0x07  # RFC 8132
    CREATED = 0x41
    DELETED = 0x42
    VALID = 0x43
    CHANGED = 0x44
    CONTENT = 0x45
    CONTINUE = 0x5F  # RFC 7959
    BAD_REQUEST = 0x80
    UNAUTHORIZED = 0x81
    BAD_OPTION = 0x82
    FORBIDDEN = 0x83
    NOT_FOUND = 0x84
    METHOD_NOT_ALLOWED = 0x85
    NOT_ACCEPTABLE = 0x86
    REQUEST_ENTITY_INCOMPLETE = 0x88  # RFC 7959
    CONFLICT = 0x89  # RFC 8132
    PRECONDITION_FAILED = 0x8C
    REQUEST_ENTITY_TOO_LARGE = 0x8D
    UNSUPPORTED_CONTENT_FORMAT = 0x8F
    UNPROCESSABLE_ENTITY = 0x96  # RFC 8132
    TOO_MANY_REQUESTS = 0x9D  # RFC 8516
    INTERNAL_SERVER_ERROR = 0xA0
    NOT_IMPLEMENTED = 0xA1
    BAD_GATEWAY = 0xA2
    SERVICE_UNAVAILABLE = 0xA3
    GATEWAY_TIMEOUT = 0xA4
    PROXYING_NOT_SUPPORTED = 0xA5
    HOP_LIMIT_REACHED = 0xA8  # RFC 8768


METHODS = frozenset(code for code in Code if 0 < code < 0x20)
CLASSES = frozenset({0, 2, 4, 5})  # the others are reserved: a message format error (3)


def dotted(code: int) -> str:
    """A code as people write it: 4.04."""
    return f"{code >> 5}.{code & 0x1F:02}"


def is_success(code: int) -> bool:
    """Whether a response code says that it was done."""
    return code >> 5 == 2
