"""CBOR: what the RFC shows reads as it says; nothing else is built, and nothing grows."""

import math
from contextlib import suppress
from typing import Any

import cbor2
import pytest
from fuzz.fuzz_payloads import Harness, load_corpus
from fuzz.harness import run
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.payload.support import load_vectors

from weft.errors import PayloadInvalid
from weft.wire.payload.cbor import CborLimits, decode, encode

ROWS = load_vectors("cbor/rfc8949.json")
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


@pytest.mark.parametrize("row", ROWS["read"], ids=lambda row: row["hex"][:40])
def test_what_the_rfc_shows_reads_as_it_says(row: dict[str, Any]) -> None:
    """RFC 8949, appendix A, where JSON has a word for the value."""
    value = decode(bytes.fromhex(row["hex"]))
    assert value == row["value"]
    assert type(value) is type(row["value"])


@pytest.mark.parametrize("row", ROWS["refused"], ids=lambda row: row["hex"][:40] or "nothing")
def test_what_has_no_plain_value_is_refused_with_the_reason(row: dict[str, Any]) -> None:
    with pytest.raises(PayloadInvalid) as refused:
        decode(bytes.fromhex(row["hex"]))
    assert row["says"] in refused.value.detail
    assert refused.value.remedy


def test_what_is_wrong_is_told_with_its_place() -> None:
    """The eighth byte of an uplink is an infinity: whoever wrote the encoder finds it there."""
    payload = cbor2.dumps({"a": 1, "b": [1, math.inf]})
    with pytest.raises(PayloadInvalid, match=f"the number inf at byte {payload.index(0xF9)}"):
        decode(payload)


def test_whole_numbers_are_keys_where_the_caller_asks_for_them() -> None:
    assert decode(bytes.fromhex("a120616e"), labels=True) == {-1: "n"}
    with pytest.raises(PayloadInvalid, match="stands twice"):
        decode(bytes.fromhex("a2000100 02".replace(" ", "")), labels=True)


def test_bytes_stay_bytes_where_the_caller_asks_for_them() -> None:
    assert decode(cbor2.dumps({"raw": [b"\x01\x02"]}), keep_bytes=True) == {"raw": [b"\x01\x02"]}
    assert decode(cbor2.dumps({"raw": [b"\x01\x02"]})) == {"raw": ["AQI"]}


@pytest.mark.parametrize(
    ("payload", "limits", "says"),
    [
        (b"\x81" * 5 + b"\x00", CborLimits(depth=4), "nesting deeper than 4 levels"),
        (b"\x9f" * 5, CborLimits(depth=4), "nesting deeper than 4 levels"),
        (b"\x9f" + b"\x00" * 9 + b"\xff", CborLimits(items=9), "more than 9 items"),
        (b"\x5f" + b"\x40" * 9 + b"\xff", CborLimits(items=9), "more than 9 items"),
        (b"\x00" * 10, CborLimits(payload_bytes=9), "at most 9 are read"),
    ],
)
def test_size_depth_and_number_have_limits(payload: bytes, limits: CborLimits, says: str) -> None:
    with pytest.raises(PayloadInvalid, match=says):
        decode(payload, limits=limits)


def test_a_few_bytes_cannot_claim_much() -> None:
    """An array of a billion is refused before room is made for it."""
    with pytest.raises(PayloadInvalid, match="cannot hold"):
        decode(bytes.fromhex("9a3b9aca00"))


@given(PLAIN)
def test_what_is_written_is_read(value: Any) -> None:
    """decode(encode(x)) == x, for all that JSON could hold."""
    assert decode(encode(value), limits=CborLimits(depth=40)) == value


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(payload: bytes) -> None:
    for labels in (False, True):
        with suppress(PayloadInvalid):
            decode(payload, labels=labels)


@given(PLAIN, st.data())
def test_a_damaged_payload_is_read_or_refused(value: Any, data: st.DataObject) -> None:
    """One byte is wrong: what comes out is plain all the same."""
    payload = bytearray(encode(value))
    at = data.draw(st.integers(0, len(payload) - 1))
    payload[at] = data.draw(st.integers(0, 255))
    with suppress(PayloadInvalid):
        require_plain(decode(bytes(payload)))


def require_plain(value: Any) -> None:
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        for inner in value.values():
            require_plain(inner)
    elif isinstance(value, list):
        for inner in value:
            require_plain(inner)
    else:
        assert value is None or type(value) in {bool, int, float, str}
        assert not isinstance(value, float) or math.isfinite(value)


def test_a_short_fuzz_run_finds_nothing() -> None:
    """All formats on one input, and mappings; the long run is fuzz/fuzz_payloads.py."""
    found = run(Harness(), load_corpus(), inputs=2_000, seed=3, held_bytes=0)
    assert found["inputs"] == 2_000
