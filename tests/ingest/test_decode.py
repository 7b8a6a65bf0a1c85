"""What each operation takes in which format, and what is said about what it does not."""

import json
from contextlib import suppress
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.support import pump_type

from weft.errors import PayloadInvalid
from weft.ingest.decode import Decoders
from weft.model.device import Field
from weft.model.message import Operation
from weft.model.telemetry import items_of
from weft.wire.payload.formats import FORMATS

NOW = 1_772_366_400_000_000_000


def test_reported_properties_are_a_checked_patch() -> None:
    decode = Decoders(pump_type()).for_operation(Operation.REPORTED, "")
    assert decode(b'{"interval": null}', NOW) == {"interval": None}
    with pytest.raises(PayloadInvalid, match="no property 'intervall'"):
        decode(b'{"intervall": 5}', NOW)


def test_events_are_declared_and_checked() -> None:
    decoders = Decoders(pump_type())
    assert decoders.for_operation(Operation.EVENT, "leak")(b'{"litres": 2}', NOW) == {"litres": 2}
    with pytest.raises(PayloadInvalid, match="no event 'leek'"):
        decoders.for_operation(Operation.EVENT, "leek")
    with pytest.raises(PayloadInvalid, match="litres"):
        decoders.for_operation(Operation.EVENT, "leak")(b"{}", NOW)


def test_plain_messages_are_any_bytes() -> None:
    assert Decoders(None).for_operation(Operation.PLAIN, "") is None


@pytest.mark.parametrize("operation", [Operation.TELEMETRY, Operation.REPORTED, Operation.EVENT])
@pytest.mark.parametrize(
    "value",
    ["1" * 30, "-" + "1" * 30, "18446744073709551615", "[" * 40 + "]" * 40, '{"b":' * 40 + "1"],
)
def test_what_could_not_be_stored_is_refused_before_it_is_admitted(
    operation: Operation, value: str
) -> None:
    """Found by hand: a number of thirty digits stopped every checkpoint, at each start again."""
    payload = b'{"a": {"inner": [%s]}}' % (value + "}" * value.count("{")).encode()
    decode = Decoders(None).for_operation(operation, "any")
    with pytest.raises(PayloadInvalid, match=r"64 bits|nested"):
        decode(payload, NOW)


def test_nested_values_in_bounds_are_taken() -> None:
    deep = b'{"a": ' + b'{"b": [' * 10 + b"9223372036854775807" + b"]}" * 10 + b"}"
    for operation in (Operation.TELEMETRY, Operation.REPORTED):
        assert Decoders(None).for_operation(operation, "")(deep, NOW)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(payload: bytes) -> None:
    for device_type in (None, pump_type()):
        for operation in (Operation.TELEMETRY, Operation.REPORTED, Operation.COMMAND_RESULT):
            decode = Decoders(device_type).for_operation(operation, "")
            with suppress(PayloadInvalid):
                decode(payload, NOW)


def read(operation: Operation, name: str, format_name: str, payload: bytes) -> Any:
    decode = Decoders(pump_type()).for_operation(operation, name, format_name)
    assert decode is not None
    decoded = decode(payload, NOW)
    if operation is Operation.TELEMETRY:
        return [(one.at, dict(items_of(one.values))) for one in decoded]
    return decoded


@pytest.mark.parametrize(
    ("format_name", "payload"),
    [
        ("json", b'{"temperature": 21.5}'),
        ("cbor", cbor2.dumps({"temperature": 21.5})),
        ("senml+json", b'[{"n": "temperature", "u": "Cel", "v": 21.5}]'),
        ("senml+cbor", cbor2.dumps([{0: "temperature", 1: "Cel", 2: 21.5}])),
    ],
)
def test_telemetry_says_the_same_in_each_format(format_name: str, payload: bytes) -> None:
    assert read(Operation.TELEMETRY, "", format_name, payload) == [(NOW, {"temperature": 21.5})]


def test_cbor_has_its_own_time() -> None:
    """Tag 1 counts seconds, tag 0 is text; a number without a tag is milliseconds as in JSON."""
    for stamp in (
        cbor2.CBORTag(1, 1_772_366_300),
        cbor2.CBORTag(0, "2026-03-01T11:58:20Z"),
        1_772_366_300_000,
    ):
        payload = cbor2.dumps({"ts": stamp, "values": {"rpm": 1}})
        at = read(Operation.TELEMETRY, "", "cbor", payload)[0][0]
        assert at == 1_772_366_300_000_000_000


def test_documents_are_checked_in_cbor_as_in_json() -> None:
    cases: list[tuple[Operation, str, dict[str, Any], str]] = [
        (Operation.REPORTED, "", {"interval": 5}, ""),
        (Operation.REPORTED, "", {"interval": None}, ""),
        (Operation.REPORTED, "", {"intervall": 5}, "no property 'intervall'"),
        (Operation.EVENT, "leak", {"litres": 2.5}, ""),
        (Operation.EVENT, "leak", {}, "litres"),
        (Operation.COMMAND_RESULT, "r1", {"ok": True}, ""),
    ]
    for operation, name, value, says in cases:
        for format_name, payload in (
            ("json", json.dumps(value).encode()),
            ("cbor", cbor2.dumps(value)),
        ):
            if says:
                with pytest.raises(PayloadInvalid, match=says):
                    read(operation, name, format_name, payload)
            else:
                assert read(operation, name, format_name, payload) == value


def test_a_format_that_says_nothing_about_an_operation_is_refused_with_those_that_do() -> None:
    decoders = Decoders(pump_type())
    for operation, format_name, says in (
        (Operation.REPORTED, "senml+json", "Reported properties cannot be read from"),
        (Operation.EVENT, "text", "An event cannot be read from text/plain"),
        (Operation.COMMAND_RESULT, "senml+cbor", "The result of a command"),
        (Operation.TELEMETRY, "binary", "Telemetry cannot be read from application/octet-stream"),
    ):
        with pytest.raises(PayloadInvalid, match=says) as refused:
            decoders.for_operation(operation, "leak", format_name)
        assert "application/cbor" in refused.value.remedy


@given(st.binary(max_size=120), st.sampled_from([one.name for one in FORMATS]))
def test_no_bytes_raise_anything_else_in_any_format(payload: bytes, format_name: str) -> None:
    for device_type in (None, pump_type(), pump_type(level=Field("number"))):
        for operation in (Operation.TELEMETRY, Operation.REPORTED, Operation.COMMAND_RESULT):
            with suppress(PayloadInvalid):
                decode = Decoders(device_type).for_operation(operation, "", format_name)
                assert decode is not None
                decode(payload, NOW)
