"""SenML: the RFC's own examples, what it forbids, and packs that come back as they went."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict
from tests.wire.payload.support import load_vectors

from weft.errors import PayloadInvalid
from weft.wire.payload import cbor, senml
from weft.wire.payload.senml import LABELS, RECORDS_MAX, Measurement

NOW = 1_320_100_000_000_000_000
EXAMPLES = load_vectors("senml/rfc8428.json")
REFUSED = load_vectors("senml/refused.json")
NUMBERS = {name: number for number, name in LABELS.items()}
NAMES = st.from_regex(r"[A-Za-z0-9][-A-Za-z0-9:./_]{0,20}", fullmatch=True)


def in_cbor(pack: list[dict[str, Any]]) -> bytes:
    """A pack as section 6 writes it, by hand: labels for names."""
    return cbor.encode([{NUMBERS.get(k, k): v for k, v in record.items()} for record in pack])


def brief(measured: list[Measurement]) -> list[dict[str, Any]]:
    return [
        {k: v for k, v in asdict(one).items() if v not in ("", None) and k not in {"key", "timed"}}
        for one in measured
    ]


@pytest.mark.parametrize("row", EXAMPLES, ids=lambda row: row["name"])
def test_an_example_of_the_rfc_resolves_as_it_says(row: dict[str, Any]) -> None:
    """RFC 8428, section 5, in JSON and in CBOR."""
    expected = [{**one, "at": NOW if one["at"] == "now" else one["at"]} for one in row["resolved"]]
    assert brief(senml.decode_json(json.dumps(row["pack"]).encode(), NOW)) == expected
    assert brief(senml.decode_cbor(in_cbor(row["pack"]), NOW)) == expected


def test_the_cbor_example_of_the_rfc_reads_as_its_json() -> None:
    """Section 6: the bytes of its dump, from the first record into the second."""
    head = bytes.fromhex(
        "87a721781b75726e3a6465763a6f773a31306532303733613031303830303"
        "63a22fb41d303a15b00106223614120050067766f6c7461676501615602fb"
        "405e066666666666a3006763757272656e74062402fb3ff3333333333333"
    )
    row = next(row for row in EXAMPLES if row["name"] == "multiple data points with times")
    written = in_cbor(
        [
            {k: record[k] for k in ("bn", "bt", "bu", "bver", "n", "u", "t", "v") if k in record}
            for record in row["pack"]
        ]
    )
    assert written.startswith(head)
    assert len(senml.decode_cbor(written, NOW)) == 7


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row["name"])
def test_what_the_rfc_forbids_is_refused_with_its_record(row: dict[str, Any]) -> None:
    with pytest.raises(PayloadInvalid) as refused:
        senml.decode_json(json.dumps(row["pack"]).encode(), NOW)
    assert row["says"] in refused.value.detail
    assert refused.value.remedy


def test_base_value_and_base_sum_are_added_and_count_as_zero_where_missing() -> None:
    pack = [
        {"bn": "meter:", "bv": 100, "bs": 1000, "n": "a", "v": 5, "s": 7},
        {"n": "b", "v": 1},
        {"n": "c", "s": 2},
        {"n": "d", "vs": "text"},
        {"bv": 0, "n": "e", "v": 5},
    ]
    found = {one.key: (one.value, one.sum) for one in senml.resolve(pack, NOW)}
    assert found == {
        "a": (105, 1007), "b": (101, 1000), "c": (None, 1002), "d": ("text", 1000), "e": (5, 1000)
    }  # fmt: skip


def test_a_time_below_two_to_the_28_is_relative_to_now() -> None:
    """4.5.3: minus five seconds is five seconds ago, whether base or record says it."""
    for pack in ([{"n": "a", "t": -5, "v": 1}], [{"bt": -3, "n": "a", "t": -2, "v": 1}]):
        assert senml.resolve(pack, NOW)[0].at == NOW - 5_000_000_000
    assert senml.resolve([{"n": "a", "t": 2**28, "v": 1}], NOW)[0].at == 2**28 * 10**9


def test_a_record_without_a_time_knows_that_it_has_none() -> None:
    first, second = senml.resolve([{"n": "a", "v": 1}, {"n": "b", "t": 3, "v": 1}], NOW)
    assert (first.timed, second.timed) == (False, True)


def test_fields_that_need_not_be_understood_are_passed_over() -> None:
    assert len(senml.resolve([{"n": "a", "v": 1, "ut": 60, "ct": "60", "x": None}], NOW)) == 1


def test_a_pack_has_a_bound() -> None:
    with pytest.raises(PayloadInvalid, match=f"1 to {RECORDS_MAX}"):
        senml.resolve([{"n": "a", "v": 1}] * (RECORDS_MAX + 1), NOW)


@pytest.mark.parametrize("payload", [b"{}", b"[1]", b"\xff", b"[" * 9_999, b'"a"'])
def test_what_is_no_pack_is_told(payload: bytes) -> None:
    with pytest.raises(PayloadInvalid, match="not SenML in JSON"):
        senml.decode_json(payload, NOW)


def test_what_is_no_pack_in_cbor_is_told() -> None:
    for value in ({}, [1], 5):
        with pytest.raises(PayloadInvalid, match="no array of maps"):
            senml.decode_cbor(cbor.encode(value), NOW)
    with pytest.raises(PayloadInvalid, match="by name and by number"):
        senml.decode_cbor(cbor.encode([{0: "a", "n": "b", 2: 1}]), NOW)


MEASUREMENTS = st.lists(
    st.builds(
        lambda base, key, at_us, value, total, unit: Measurement(
            base + key, key, at_us * 1_000, unit, value, total
        ),
        st.sampled_from(["", "urn:dev:ow:1:", "site/2/"]),
        NAMES,
        st.integers(1_000_000_000_000_000, 2_000_000_000_000_000),
        st.booleans()
        | st.text(max_size=20)
        | st.integers(-(2**53), 2**53)
        | st.floats(-1e300, 1e300, allow_nan=False),
        st.none() | st.floats(-1e9, 1e9),
        st.sampled_from(["", "Cel", "%RH"]),
    ),
    min_size=1,
    max_size=12,
)


@given(MEASUREMENTS)
def test_what_is_written_is_read(measured: list[Measurement]) -> None:
    """decode(encode(x)) == x, in the order of time, in both notations."""
    expected = sorted(brief(measured), key=lambda one: one["at"])
    assert brief(senml.decode_json(senml.encode_json(measured), NOW)) == expected
    assert brief(senml.decode_cbor(senml.encode_cbor(measured), NOW)) == expected


@given(st.binary(max_size=80))
def test_no_bytes_raise_anything_else(payload: bytes) -> None:
    with suppress(PayloadInvalid):
        senml.decode_json(payload, NOW)
    with suppress(PayloadInvalid):
        senml.decode_cbor(payload, NOW)
