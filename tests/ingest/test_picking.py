"""Picking one value: conditions, bits, meanings, numbers; and what is said when it fails."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import PayloadInvalid
from weft.ingest.picking import MISSING, Place, follow, make_pick
from weft.model.device import Field
from weft.model.mapping import Bits, Condition, Source

NUMBER, INTEGER, BOOLEAN = Field("number"), Field("integer"), Field("boolean")


def picked(source: Source, item: Any = None, *, field: Field = NUMBER, raw: bytes = b"") -> Any:
    return make_pick("key", source, field)(Place(item, item, raw))


def test_a_path_leads_to_a_value_or_to_nothing() -> None:
    value = {"a": [{"b": 5}], "n": None}
    assert follow(value, ("a", 0, "b")) == 5
    assert follow(value, ("n",)) is None
    for path in (("x",), ("a", 1), ("a", "b"), ("a", 0, "b", "c"), (0,)):
        assert follow(value, path) is MISSING


def test_what_is_missing_or_null_is_the_default() -> None:
    for item in ({}, {"a": None}):
        assert picked(Source(("a",)), item) is MISSING
        assert picked(Source(("a",), default=7), item) == 7
    nullable = make_pick("key", Source(("a",)), NUMBER, nullable=True)
    assert nullable(Place({"a": None}, None, None)) is None


def test_a_constant_needs_nothing() -> None:
    assert picked(Source(constant="north")) == "north"


def test_a_scale_is_right_to_the_last_digit() -> None:
    """3 times 0.1 is 0.30000000000000004; 3 by 10 is 0.3."""
    assert picked(Source(("a",), scale=0.1), {"a": 3}) == 0.3
    assert picked(Source(("a",), scale=2.5, offset=-1), {"a": 4}) == 9.0
    assert picked(Source(("a",), scale=0.01), {"a": 2149}, field=INTEGER) == 21


def test_a_number_that_came_as_text_is_parsed_where_the_mapping_says_so() -> None:
    assert picked(Source(("a",), parse=True, scale=10.0), {"a": "2.5"}) == 25.0
    for value in ("x", "0x10", "nan", ""):
        with pytest.raises(PayloadInvalid, match=r"key \(from a\)"):
            picked(Source(("a",), parse=True), {"a": value})


def test_what_has_no_meaning_is_told_with_those_that_have() -> None:
    source = Source(("a",), values={"0": "idle", "1": "running", "true": "on"})
    assert picked(source, {"a": 1}) == "running"
    assert picked(source, {"a": True}) == "on"
    with pytest.raises(PayloadInvalid, match="'7', which the mapping gives no meaning") as refused:
        picked(source, {"a": 7})
    assert "0, 1, true" in refused.value.remedy


def test_what_is_no_number_is_not_scaled() -> None:
    for value in ("5", True, [1], {"a": 1}):
        with pytest.raises(PayloadInvalid, match="cannot be scaled"):
            picked(Source(("a",), scale=0.1), {"a": value})


def test_a_number_without_an_end_is_refused() -> None:
    for value in (1e308, 10**400):
        with pytest.raises(PayloadInvalid, match="beyond"):
            picked(Source(("a",), scale=1e5), {"a": value})


def test_a_condition_is_about_the_reading_or_what_is_around_it() -> None:
    source = Source(("a",), when=(Condition(("fPort",), (2, 3)),))
    pick = make_pick("key", source, NUMBER)
    assert pick(Place({"a": 1}, {"fPort": 2}, None)) == 1
    assert pick(Place({"a": 1}, {"fPort": 9}, None)) is MISSING
    assert pick(Place({"a": 1, "fPort": [2]}, {"fPort": 2}, None)) is MISSING
    by_byte = Source(bits=Bits(1), when=(Condition(("byte", 0), (7,), 0),))
    assert picked(by_byte, raw=b"\x07\x2a") == 42
    assert picked(by_byte, raw=b"\x08\x2a") is MISSING
    assert picked(by_byte, raw=b"") is MISSING


@pytest.mark.parametrize(
    ("bits", "raw", "value"),
    [
        (Bits(0), "ff", 255),
        (Bits(0, signed=True), "ff", -1),
        (Bits(1, 2), "00010a", 266),
        (Bits(1, 2, little=True), "000a01", 266),
        (Bits(0, 2, signed=True), "ff38", -200),
        (Bits(0, 1, 7), "80", 1),
        (Bits(0, 1, 0), "80", 0),
        (Bits(0, 2, 4, 8), "0ff0", 255),
        (Bits(0, 1, 2, 3, signed=True), "1c", -1),
        (Bits(0, 4, real=True), "41ac0000", 21.5),
        (Bits(0, 2, real=True, little=True), "003c", 1.0),
        (Bits(0, 8), "ffffffffffffffff", 2**64 - 1),
        (Bits(0, 4, real=True), "7fc00000", MISSING),
        (Bits(3, optional=True), "ff", MISSING),
    ],
)
def test_bits_are_taken_from_their_place(bits: Bits, raw: str, value: Any) -> None:
    assert picked(Source(bits=bits), raw=bytes.fromhex(raw)) == value


def test_a_bit_is_a_boolean_where_the_type_says_so() -> None:
    assert picked(Source(bits=Bits(0, 1, 0)), raw=b"\x01", field=BOOLEAN) is True


def test_bytes_that_are_not_there_are_told() -> None:
    with pytest.raises(PayloadInvalid, match="the bytes 2 to 3, and there are 3"):
        picked(Source(bits=Bits(2, 2)), raw=b"abc")


@given(st.integers(0, 2**64 - 1), st.integers(0, 63), st.integers(1, 64), st.booleans())
def test_bits_come_back_as_they_went(number: int, bit: int, width: int, signed: bool) -> None:
    """Written by arithmetic, read by the pick, in both orders of bytes."""
    width = min(width, 64 - bit)
    expected = number >> bit & (1 << width) - 1
    if signed and expected >> (width - 1):
        expected -= 1 << width
    for order in ("big", "little"):
        bits = Bits(0, 8, bit, width, signed=signed, little=order == "little")
        assert picked(Source(bits=bits), raw=number.to_bytes(8, order)) == expected  # type: ignore[arg-type]  # one of the two
