"""Sparkplug B: values of their declared types, within bounds, and back as they went."""

import math
from contextlib import suppress
from typing import Any

import pytest
from fuzz.fuzz_sparkplug import load_corpus, target
from fuzz.harness import run
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import PayloadInvalid
from weft.wire.payload.sparkplug import (
    DataSet,
    DataType,
    Metric,
    Parameter,
    Payload,
    Property,
    SparkplugLimits,
    Template,
    as_carried,
    decode,
    encode,
)
from weft.wire.payload.sparkplug_schema import schema

BIRTH = Payload(
    seq=0,
    timestamp=1_772_366_400_000,
    metrics=(
        Metric("bdSeq", datatype=DataType.INT64, value=7),
        Metric("Node Control/Rebirth", datatype=DataType.BOOLEAN, value=False),
        Metric("Temperature", 1, 1_772_366_400_000, DataType.FLOAT, 21.5),
        Metric("Level", 2, datatype=DataType.INT16, value=-40),
        Metric("Broken", 3, datatype=DataType.DOUBLE, is_null=True),
        Metric(
            "Pressure",
            4,
            datatype=DataType.DOUBLE,
            value=1.25,
            is_historical=True,
            properties={
                "engUnit": Property(DataType.STRING, "bar"),
                "range": Property(DataType.PROPERTY_SET, {"high": Property(DataType.INT32, -5)}),
                "marks": Property(
                    DataType.PROPERTY_SET_LIST, ({"a": Property(DataType.STRING, None)},)
                ),
            },
            metadata={"content_type": "x", "size": 5},
        ),
    ),
)


def test_a_birth_comes_back_as_it_went() -> None:
    assert decode(encode(BIRTH)) == BIRTH


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        (DataType.INT8, -128),
        (DataType.INT16, -1),
        (DataType.INT32, -(2**31)),
        (DataType.INT64, -(2**63)),
        (DataType.UINT8, 255),
        (DataType.UINT32, 2**32 - 1),
        (DataType.UINT64, 2**63 - 1),
        (DataType.DATETIME, 1_772_366_400_000),
        (DataType.BOOLEAN, True),
        (DataType.TEXT, "\N{SNOWMAN}"),
        (DataType.BYTES, b"\x00\xff"),
        (DataType.INT8_ARRAY, (-1, 127)),
        (DataType.UINT64_ARRAY, (0, 2**64 - 1)),
        (DataType.FLOAT_ARRAY, (0.5, None)),
        (DataType.BOOLEAN_ARRAY, (True, False, False, False, False, False, False, True, True)),
        (DataType.STRING_ARRAY, ("a", "", "\N{SNOWMAN}")),
        (DataType.DATASET, DataSet(("a", "b"), (3, 12), ((-1, "x"), (2, None)))),
        (
            DataType.TEMPLATE,
            Template(
                (Metric("rpm", datatype=DataType.INT32, value=900),),
                "1",
                (Parameter("size", DataType.INT32, -3),),
                "Motor",
            ),
        ),
        (DataType.TEMPLATE, Template(is_definition=True)),
    ],
)
def test_a_value_is_of_its_type(datatype: DataType, value: Any) -> None:
    payload = Payload((Metric("m", datatype=datatype, value=value),))
    assert decode(encode(payload)) == payload


def test_a_signed_byte_that_was_not_widened_is_read_as_well() -> None:
    """Some clients send 0xFF for -1 as Int8, others 0xFFFFFFFF: the type has eight bits."""
    for sent in (0xFF, 0xFFFFFFFF):
        message = schema().payload()
        message.metrics.add(name="m", datatype=DataType.INT8, int_value=sent)
        assert decode(message.SerializeToString()).metrics[0].value == -1


def test_a_float_that_is_no_number_is_null() -> None:
    for value in (math.nan, math.inf):
        message = schema().payload()
        message.metrics.add(name="m", datatype=DataType.FLOAT, float_value=value)
        assert decode(message.SerializeToString()).metrics[0].value is None


def test_an_unknown_type_is_left_to_the_dialect() -> None:
    """After a birth, data names the alias alone: the type is what the birth said."""
    message = schema().payload()
    message.metrics.add(alias=5, int_value=7)
    assert decode(message.SerializeToString()).metrics == (Metric(alias=5, value=7),)


def nested(levels: int) -> Payload:
    metric = Metric("m", datatype=DataType.INT32, value=1)
    for _ in range(levels):
        metric = Metric("t", datatype=DataType.TEMPLATE, value=Template((metric,)))
    return Payload((metric,))


@pytest.mark.parametrize(
    ("payload", "limits", "says"),
    [
        (Payload((Metric("a"),) * 4), SparkplugLimits(metrics=3), "more than 3 metrics"),
        (nested(3), SparkplugLimits(metrics=3), "more than 3 metrics"),
        (nested(4), SparkplugLimits(depth=3), "deeper than 3"),
        (BIRTH, SparkplugLimits(values=4), "more than 4 values"),
        (BIRTH, SparkplugLimits(depth=0), "deeper than 0"),
        (
            Payload((Metric("a", datatype=DataType.INT8_ARRAY, value=(1,) * 9),)),
            SparkplugLimits(values=8),
            "more than 8 values",
        ),
        (BIRTH, SparkplugLimits(payload_bytes=10), "at most 10 are read"),
    ],
)
def test_size_number_and_depth_have_limits(
    payload: Payload, limits: SparkplugLimits, says: str
) -> None:
    with pytest.raises(PayloadInvalid, match=says):
        decode(encode(payload), limits=limits)


def broken(**metric: Any) -> bytes:
    message = schema().payload()
    message.metrics.add(name="Boiler/T1", **metric)
    written: bytes = message.SerializeToString()
    return written


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (broken(datatype=DataType.INT16_ARRAY, bytes_value=b"abc"), "an array of 3 bytes"),
        (broken(datatype=DataType.STRING_ARRAY, bytes_value=b"abc"), "last has no end"),
        (broken(datatype=DataType.BOOLEAN_ARRAY, bytes_value=b"a"), "another length"),
        (broken(datatype=DataType.BOOLEAN_ARRAY, bytes_value=b"\xff\xff\xff\xff1"), "another"),
        (broken(datatype=DataType.UINT64, long_value=2**64 - 1), "64 bits"),
        (broken(properties={"keys": ["a"]}), "1 keys and 0 values"),
        (broken(dataset_value={"columns": ["a"], "types": [3], "rows": [{}]}), "1 columns"),
    ],
)
def test_what_contradicts_itself_is_told_with_its_metric(payload: bytes, says: str) -> None:
    with pytest.raises(PayloadInvalid, match=says) as refused:
        decode(payload)
    assert "'Boiler/T1'" in refused.value.detail
    assert refused.value.remedy


@pytest.mark.parametrize("payload", [b"\xff", b"{}", b"\x12\x05\x0a\x03abc\xff"])
def test_what_is_no_payload_is_told(payload: bytes) -> None:
    with pytest.raises(PayloadInvalid, match="not Sparkplug B"):
        decode(payload)


@pytest.mark.parametrize(
    "payload",
    ["12030a01ff", "12037a01ff", "12074a050a01ff1200", "120542031201ff", "2201ff"],
)
def test_text_that_is_not_utf_8_is_told(payload: str) -> None:
    with pytest.raises(PayloadInvalid, match="not UTF-8"):
        decode(bytes.fromhex(payload))


def test_a_value_that_its_type_cannot_carry_is_not_written() -> None:
    for datatype, value in (
        (DataType.INT8_ARRAY, (500,)),
        (DataType.FLOAT, 1 + 2j),
        (DataType.FLOAT, 1e40),  # it would arrive as an infinity
        (DataType.FLOAT_ARRAY, (1e40,)),
        (DataType.DOUBLE, 10**400),
    ):
        with pytest.raises(PayloadInvalid, match="does not carry"):
            encode(Payload((Metric("m", datatype=datatype, value=value),)))


SCALARS = st.one_of(
    st.tuples(st.just(DataType.INT32), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just(DataType.INT64), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just(DataType.DOUBLE), st.floats(allow_nan=False, allow_infinity=False)),
    st.tuples(st.just(DataType.STRING), st.text(max_size=10)),
    st.tuples(st.just(DataType.BOOLEAN), st.booleans()),
    st.tuples(st.just(DataType.BYTES), st.binary(max_size=10)),
)
METRICS = st.builds(
    lambda name, alias, typed: Metric(name, alias, None, typed[0], typed[1]),
    st.text(max_size=10),
    st.none() | st.integers(0, 2**63),
    SCALARS,
)


@given(st.lists(METRICS, max_size=6), st.none() | st.integers(0, 255))
def test_what_is_written_is_read(metrics: list[Metric], seq: int | None) -> None:
    """decode(encode(x)) == x."""
    payload = Payload(tuple(metrics), seq=seq)
    assert decode(encode(payload)) == payload


@given(st.floats(width=64, allow_nan=False, min_value=-3e38, max_value=3e38) | st.integers())
def test_a_value_comes_back_as_its_type_carries_it(value: float) -> None:
    """A FLOAT rounds to 32 bits, alone and in an array; what does not fit is left as it is."""
    for datatype, sent in ((DataType.FLOAT, value), (DataType.FLOAT_ARRAY, (value,))):
        try:
            payload = encode(Payload((Metric("m", datatype=datatype, value=sent),)))
        except PayloadInvalid:
            assert as_carried(value, DataType.FLOAT) == value
            continue
        (metric,) = decode(payload).metrics
        carried = as_carried(sent, datatype)
        assert carried == (list(metric.value) if isinstance(sent, tuple) else metric.value)
    for datatype in (DataType.DOUBLE, DataType.UNKNOWN, DataType.STRING):
        assert as_carried(value, datatype) == value
    assert as_carried(True, DataType.FLOAT) is True


@given(st.binary(max_size=100))
def test_no_bytes_raise_anything_else(payload: bytes) -> None:
    with suppress(PayloadInvalid):
        decode(payload)


def test_a_short_fuzz_run_finds_nothing() -> None:
    """Mutated births and data; the long run is fuzz/fuzz_sparkplug.py."""
    found = run(target, load_corpus(), inputs=4_000, seed=3, held_bytes=0)
    assert 0 < found["refused"] < found["inputs"] == 4_000
