"""One CoAP message as it stands in a datagram, uninterpreted."""

from msgspec import Struct

Options = tuple[tuple[int, bytes], ...]


class Message(Struct, frozen=True, gc=False):
    """RFC 7252 3. Options are in the order of their numbers, a repeated one in its own order."""

    type: int
    code: int
    message_id: int
    token: bytes = b""
    options: Options = ()
    payload: bytes = b""
