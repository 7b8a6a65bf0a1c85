"""The Block options: which piece of how many, and how large (RFC 7959 2.2)."""

from msgspec import Struct

from weft.wire.coap.codes import Code
from weft.wire.coap.faults import RequestError
from weft.wire.coap.options import encode_uint

LARGEST_NUMBER = (1 << 20) - 1


class Block(Struct, frozen=True, gc=False):
    """NUM, M and SZX; `exponent` is SZX, 0 to 6 for 16 to 1024 bytes."""

    number: int = 0
    more: bool = False
    exponent: int = 6

    @property
    def size(self) -> int:
        """Bytes of a whole block."""
        return 1 << self.exponent + 4

    @property
    def offset(self) -> int:
        """Where in the body it begins."""
        return self.number << self.exponent + 4

    def encode(self) -> bytes:
        """The option's value."""
        return encode_uint(self.number << 4 | self.more << 3 | self.exponent)


def decode_block(value: int) -> Block:
    """Read an option's value; SZX 7 is reserved over UDP (RFC 7959 2.2)."""
    if value & 7 == 7:
        raise RequestError(Code.BAD_REQUEST, "block size 7 is reserved", "RFC 7959 2.2")
    return Block(value >> 4, bool(value & 8), value & 7)


def exponent_of(size: int) -> int:
    """SZX of a block size in bytes, rounded down to a power of two."""
    return max(0, min(6, size.bit_length() - 5))
