"""The schema: numbers on the wire as the specification has them, and no protobuf, no guess."""

import sys

import pytest

from weft.errors import ConfigurationError
from weft.wire.payload.sparkplug_schema import schema


def test_the_numbers_are_those_of_the_specification() -> None:
    """One metric with each scalar, written by hand: tag bytes are number and wire type."""
    payload = schema().payload()
    payload.timestamp = 1
    payload.seq = 3
    metric = payload.metrics.add(name="n", alias=2, timestamp=3, datatype=4)
    for member, written in (
        ("int_value", "5005"),
        ("long_value", "5805"),
        ("float_value", "65 0000a040"),
        ("double_value", "69 0000000000001440"),
        ("boolean_value", "7001"),
        ("string_value", "7a0135"),
        ("bytes_value", "82010135"),
    ):
        texts = {"string_value": "5", "bytes_value": b"5", "boolean_value": True}
        setattr(metric, member, texts.get(member, 5))
        inside = bytes.fromhex("0a016e 1002 1803 2004" + written)
        whole = bytes.fromhex("0801 12") + bytes([len(inside)]) + inside + bytes.fromhex("1803")
        assert payload.SerializeToString(deterministic=True) == whole


def test_without_protobuf_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    schema.cache_clear()
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    try:
        with pytest.raises(ConfigurationError) as refused:
            schema()
        assert "weft[sparkplug]" in refused.value.remedy
    finally:
        schema.cache_clear()
