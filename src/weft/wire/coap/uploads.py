"""Requests that come in blocks (Block1, RFC 7959 2.5), put together within a budget.

A block that does not continue its body is refused with 4.08, so that what reaches a handler is
what the client sent, whole and in order. A body that grows too large is refused with 4.13 and
the size that would fit; where all of them together are too much, 5.03 asks to come back (CO-5).
"""

from msgspec.structs import replace

from weft.wire.coap.block import Block, exponent_of
from weft.wire.coap.bodies import Bodies, fixed_bytes_of
from weft.wire.coap.codes import Code
from weft.wire.coap.faults import RequestError
from weft.wire.coap.limits import Limits
from weft.wire.coap.options import Option, encode_uint
from weft.wire.coap.requests import Request, request_key


class Uploads:
    """The bodies of all peers."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._exponent = exponent_of(limits.block_bytes)
        self.bodies: Bodies[bytearray] = Bodies(limits.upload_wait_s)

    def receive(self, request: Request, block: Block, now: float) -> Request | None:
        """The whole request behind its last block; None while more must come.

        Raises `RequestError`: 4.00, 4.08, 4.13 or 5.03.
        """
        payload = request.payload
        if block.more and len(payload) != block.size:
            raise RequestError(
                Code.BAD_REQUEST, "a block is not as long as it says", "RFC 7959 2.3"
            )
        promised = request.values.get(Option.SIZE1, 0)
        size = max(block.offset + len(payload), promised)
        peer, key = request.exchange.peer, request_key(request.message)
        body = self.bodies.find(peer, key)
        if size > self._limits.payload_bytes:
            if body is not None:
                self.bodies.drop(body)
            raise self.too_large(self._limits.payload_bytes)
        if block.number == 0:
            if not block.more:
                if body is not None:
                    self.bodies.drop(body)
                return request
            self._make_room(request, len(payload) + fixed_bytes_of(key))
            body = self.bodies.add(peer, key, bytearray(), now)
        elif body is not None and block.more and _is_repeated(body.content, block, payload):
            self.bodies.touch(body, len(body.content), now)
            return None  # the client has not seen our 2.31, and does not use the same message id
        elif body is None or len(body.content) != block.offset:
            if body is not None:
                self.bodies.drop(body)
            raise RequestError(
                Code.REQUEST_ENTITY_INCOMPLETE,
                f"block {block.number} does not follow",
                "RFC 7959 2.9.2",
                remedy="Send the body again from its first block.",
            )
        else:
            self._make_room(request, len(payload))
        body.content += payload
        if block.more:
            self.bodies.touch(body, len(body.content), now)
            return None
        self.bodies.drop(body)
        return replace(request, payload=bytes(body.content))

    def answer(self, block: Block) -> tuple[int, bytes]:
        """The Block1 option that goes back: with the size that we would like (2.3)."""
        agreed = min(block.exponent, self._exponent)
        return Option.BLOCK1, Block(block.number, block.more, agreed).encode()

    def too_large(self, most: int) -> RequestError:
        """4.13 with the size that fits (RFC 7959 2.9.3)."""
        return RequestError(
            Code.REQUEST_ENTITY_TOO_LARGE,
            f"at most {most} bytes are taken",
            "RFC 7959 2.9.3",
            remedy="Send less at a time.",
            options=((Option.SIZE1, encode_uint(most)),),
        )

    def _make_room(self, request: Request, size: int) -> None:
        limits, peer = self._limits, request.exchange.peer
        mine = self.bodies.of_peer(peer)
        if request.values[Option.BLOCK1].number == 0 and len(mine) >= limits.peer_uploads:
            self.bodies.drop(mine.pop(0))  # a device that started again left it behind
        held = sum(body.size_bytes for body in mine)
        if held + size > limits.peer_upload_bytes:
            raise self.too_large(max(0, limits.peer_upload_bytes - held))
        shared = self.bodies.held_by(peer.network) + size
        if (
            self.bodies.held_bytes + size > limits.upload_bytes
            or shared > limits.upload_bytes * peer.network.share
        ):
            raise RequestError(
                Code.SERVICE_UNAVAILABLE,
                "too many bodies are under way",
                "RFC 7252 5.9.3.4",
                remedy="Come back later.",
                options=((Option.MAX_AGE, encode_uint(int(limits.upload_wait_s))),),
            )


def _is_repeated(content: bytearray, block: Block, payload: bytes) -> bool:
    """Whether a block is the last one that came, again."""
    return (
        block.offset + len(payload) == len(content)
        and content[block.offset : block.offset + len(payload)] == payload
    )
