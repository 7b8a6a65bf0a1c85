"""Answers and notifications as messages: which block of a body goes out, and the bytes.

The rest of a body is kept for the blocks that the peer will ask for (RFC 7959 2.4).
"""

from msgspec.structs import replace

from weft.wire.coap.block import Block
from weft.wire.coap.downloads import Downloads
from weft.wire.coap.encode import encode, encode_parts
from weft.wire.coap.limits import Limits
from weft.wire.coap.message import Message
from weft.wire.coap.options import Option, encode_uint
from weft.wire.coap.protection import Protection
from weft.wire.coap.requests import Request, request_key
from weft.wire.coap.responses import OptionList, Response, etag_of, head_options, slice_of

Content = tuple[int, OptionList, bytes]  # code, options and payload of an answer

_BLOCK2 = int(Option.BLOCK2)
_SIZE2 = int(Option.SIZE2)


class Layout:
    """How one endpoint writes."""

    def __init__(self, limits: Limits, protection: Protection | None) -> None:
        self._limits = limits
        self._protection = protection
        self.downloads = Downloads(limits)

    def slice(
        self, request: Request, response: Response, asked: Block | None, now: float
    ) -> tuple[OptionList, bytes]:
        """Options and payload of the block that goes out. Raises `RequestError` beyond the end."""
        payload = response.payload
        if not payload or (asked is None and len(payload) <= self._limits.block_bytes):
            return head_options(response), payload
        block, piece = slice_of(payload, asked, self._limits.block_bytes)
        if not block.more and not block.number:
            return [*head_options(response), (_BLOCK2, block.encode())], piece
        if not response.etag:
            response = replace(response, etag=etag_of(response))
        peer = request.exchange.peer
        if block.more and peer.is_proven:
            key = request_key(request.message)
            if self.downloads.find(peer, key, now) is not response:
                self.downloads.keep(peer, key, response, now)
        options = head_options(response)
        options.append((_BLOCK2, block.encode()))
        options.append((_SIZE2, encode_uint(len(payload))))
        return options, piece

    def write(self, request: Message, kind: int, message_id: int, content: Content) -> bytes:
        """The datagram that answers a request, protected as the request was."""
        code, options, payload = content
        if self._protection is None:
            return encode_parts(kind << 16 | message_id, code, request.token, options, payload)
        inner = Message(kind, code, message_id, request.token, tuple(options), payload)
        return encode(self._protection.protect(request, inner))
