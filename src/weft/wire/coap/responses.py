"""An answer as a handler gives it, and how it is laid out in a message.

A body larger than a block is sent in slices of one representation, which its ETag names
(RFC 7959 2.4). A client that holds the representation already is told 2.03 (RFC 7252 5.9.1.3).
"""

from hashlib import blake2s

from msgspec import Struct

from weft.wire.coap.block import Block, exponent_of
from weft.wire.coap.codes import Code
from weft.wire.coap.faults import RequestError
from weft.wire.coap.options import Option, encode_uint

OptionList = list[tuple[int, bytes]]

_ETAG = int(Option.ETAG)
_CONTENT_FORMAT = int(Option.CONTENT_FORMAT)
_MAX_AGE = int(Option.MAX_AGE)


class Response(Struct, frozen=True):
    """What a handler answers. The endpoint adds the blocks, Observe and message ids."""

    code: int
    payload: bytes = b""
    content_format: int | None = None
    etag: bytes = b""  # of the whole payload; one is made if it takes several blocks
    max_age_s: int | None = None
    location_path: tuple[str, ...] = ()
    location_query: tuple[str, ...] = ()
    options: tuple[tuple[int, bytes], ...] = ()  # any others


def head_options(response: Response) -> OptionList:
    """All options that do not depend on who asks."""
    options: OptionList = []
    if response.etag:
        options.append((_ETAG, response.etag))
    if response.content_format is not None:
        options.append((_CONTENT_FORMAT, encode_uint(response.content_format)))
    if response.max_age_s is not None:
        options.append((_MAX_AGE, encode_uint(response.max_age_s)))
    if response.location_path or response.location_query:
        options.extend((Option.LOCATION_PATH, one.encode()) for one in response.location_path)
        options.extend((Option.LOCATION_QUERY, one.encode()) for one in response.location_query)
    if response.options:
        options.extend(response.options)
    return options


def etag_of(response: Response) -> bytes:
    """The ETag of a representation: the handler's, or one of its bytes."""
    if response.etag:
        return response.etag
    form = -1 if response.content_format is None else response.content_format
    return blake2s(b"%d " % form + response.payload, digest_size=8).digest()


def slice_of(payload: bytes, asked: Block | None, block_bytes: int) -> tuple[Block, bytes]:
    """The block that is asked for, no larger than we send. Raises `RequestError` beyond the end."""
    asked = asked or Block()
    largest = exponent_of(block_bytes)
    exponent = min(asked.exponent, largest)
    start = asked.offset
    if start and start >= len(payload):
        raise RequestError(Code.BAD_REQUEST, "the block is beyond the end", "RFC 7959 2.4")
    size = 1 << exponent + 4
    end = start + size
    return Block(start // size, end < len(payload), exponent), payload[start:end]


def as_held(response: Response) -> Response:
    """2.03: the client has this representation already (RFC 7252 5.9.1.3)."""
    return Response(Code.VALID, etag=response.etag, max_age_s=response.max_age_s)


def is_suppressed(code: int, no_response: int) -> bool:
    """Whether the client does not want to hear of this class of answer (RFC 7967 2.1)."""
    return bool(no_response >> (code >> 5) - 1 & 1)
