"""Options: the table is that of the RFCs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.wire.coap.options import (
    TABLE,
    Form,
    Option,
    decode_uint,
    encode_uint,
    is_critical,
    is_no_cache_key,
    is_unsafe,
)


@pytest.mark.parametrize(
    ("number", "critical", "unsafe", "no_cache_key"),
    [
        (Option.IF_MATCH, True, False, False),
        (Option.URI_HOST, True, True, False),
        (Option.ETAG, False, False, False),
        (Option.OBSERVE, False, True, False),
        (Option.URI_PATH, True, True, False),
        (Option.MAX_AGE, False, True, False),
        (Option.ACCEPT, True, False, False),
        (Option.SIZE1, False, False, True),
        (Option.SIZE2, False, False, True),
        (Option.ECHO, False, False, True),
        (Option.REQUEST_TAG, False, False, False),
        (Option.NO_RESPONSE, False, True, False),
    ],
)
def test_a_number_tells_what_not_knowing_it_means(
    number: Option, critical: bool, unsafe: bool, no_cache_key: bool
) -> None:
    """The columns C, U and N of RFC 7252 table 4 and of the later ones."""
    assert is_critical(number) is critical
    assert is_unsafe(number) is unsafe
    assert is_no_cache_key(number) is no_cache_key


def test_every_known_option_has_its_row_but_the_protected_one() -> None:
    """OSCORE is opened before options are read."""
    assert set(TABLE) == set(Option) - {Option.OSCORE}
    for row in TABLE.values():
        assert 0 <= row.least <= row.most
        assert row.form is not Form.UINT or row.most <= 4
    assert TABLE[Option.ETAG].repeatable
    assert (TABLE[Option.ECHO].least, TABLE[Option.ECHO].most) == (1, 40)


@given(st.integers(0, 2**32 - 1))
def test_a_uint_reads_as_it_was_written(value: int) -> None:
    """In the fewest bytes; zero has none."""
    assert decode_uint(encode_uint(value)) == value
    assert encode_uint(value)[:1] != b"\x00"


def test_leading_zeros_are_let_pass() -> None:
    """RFC 7252 3.2 wants a receiver to be prepared for them."""
    assert decode_uint(b"\x00\x00\x2a") == 42
    assert encode_uint(0) == b""
