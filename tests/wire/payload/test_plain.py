"""Plain text: one value, and only what JSON takes for a number is one."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import PayloadInvalid
from weft.wire.payload.plain import TEXT_MAX_BYTES, decode, decode_text, encode


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b"21.4", 21.4),
        (b" -7\n", -7),
        (b"1e3", 1000.0),
        (b"true", True),
        (b"false\r\n", False),
        (b"open", "open"),
        (b"1,5", "1,5"),
        (b"0x10", "0x10"),
        (b"nan", "nan"),
        (b"1_000", "1_000"),
        (b"007", "007"),
        ("\N{DEGREE SIGN}C".encode(), "\N{DEGREE SIGN}C"),
    ],
)
def test_a_text_is_one_value(payload: bytes, value: object) -> None:
    decoded = decode(payload)
    assert decoded == value
    assert type(decoded) is type(value)


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"a\xff", "not UTF-8 from byte 1"),
        (b"1e999", "beyond what a double holds"),
        (b"x" * (TEXT_MAX_BYTES + 1), "at most"),
    ],
)
def test_what_is_no_value_is_refused(payload: bytes, says: str) -> None:
    with pytest.raises(PayloadInvalid, match=says) as refused:
        decode(payload)
    assert refused.value.remedy


def test_a_number_of_a_thousand_digits_is_no_work() -> None:
    assert decode(b"9" * 1_000) == "9" * 1_000


def test_text_is_left_as_it_is_where_a_text_is_wanted() -> None:
    assert decode_text(b" 21.4") == " 21.4"


@given(st.booleans() | st.integers(-(2**63), 2**63) | st.floats(-1e300, 1e300))
def test_what_is_written_is_read(value: float) -> None:
    assert decode(encode(value)) == value


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(payload: bytes) -> None:
    with suppress(PayloadInvalid):
        decode(payload)
