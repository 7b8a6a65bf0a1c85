"""Block options: RFC 7959 2.2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.wire.coap.block import LARGEST_NUMBER, Block, decode_block, exponent_of
from weft.wire.coap.codes import Code
from weft.wire.coap.faults import RequestError
from weft.wire.coap.options import decode_uint


@given(st.integers(0, LARGEST_NUMBER), st.booleans(), st.integers(0, 6))
def test_a_block_reads_as_it_was_written(number: int, more: bool, exponent: int) -> None:
    """In at most three bytes."""
    block = Block(number, more, exponent)
    assert len(block.encode()) <= 3
    assert decode_block(decode_uint(block.encode())) == block


def test_sizes_are_powers_of_two() -> None:
    """SZX 0 is 16 bytes, 6 is 1024."""
    assert [Block(0, False, exponent).size for exponent in range(7)] == [
        16, 32, 64, 128, 256, 512, 1024,
    ]  # fmt: skip
    assert Block(3, True, 2).offset == 192
    assert [exponent_of(size) for size in (1, 16, 31, 64, 1024, 5000)] == [0, 0, 0, 2, 6, 6]


def test_the_reserved_size_is_refused() -> None:
    """SZX 7 is for TCP."""
    with pytest.raises(RequestError) as caught:
        decode_block(7)
    assert caught.value.answer == Code.BAD_REQUEST
