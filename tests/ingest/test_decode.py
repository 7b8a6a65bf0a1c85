"""What is decoded, and what is said about what is not."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.support import pump_type

from weft.errors import Invalid, PayloadInvalid
from weft.ingest.decode import READINGS_MAX, Decoders, annotation_of, moment_of
from weft.model.device import DeviceType, Field
from weft.model.message import Operation
from weft.model.telemetry import items_of

NOW = 1_772_366_400_000_000_000


PUMP = pump_type()


def telemetry(
    payload: bytes, device_type: DeviceType | None = PUMP
) -> list[tuple[int, dict[str, Any]]]:
    decode = Decoders(device_type).for_operation(Operation.TELEMETRY, "")
    return [(r.at, dict(items_of(r.values))) for r in decode(payload, NOW)]


def test_plain_values_are_of_the_moment_of_receipt() -> None:
    assert telemetry(b'{"temperature": 21.4}') == [(NOW, {"temperature": 21.4})]


def test_stamped_values_keep_the_devices_moment() -> None:
    payload = b'{"ts": 1772366300000, "values": {"rpm": 900}}'
    assert telemetry(payload) == [(1_772_366_300_000_000_000, {"rpm": 900})]
    assert telemetry(b'{"ts": "2026-03-01T12:00:00Z", "values": {"rpm": 1}}')[0][0] == NOW


def test_a_list_mixes_both_shapes() -> None:
    payload = b' [{"rpm": 1}, {"ts": 1772366300000, "values": {"rpm": 2}}]'
    assert [values["rpm"] for _, values in telemetry(payload)] == [1, 2]


def test_leading_white_space_is_json_too() -> None:
    assert telemetry(b' \n{"rpm": 1}') == [(NOW, {"rpm": 1})]


@pytest.mark.parametrize(
    ("payload", "says", "remedy"),
    [
        (b'{"temperatur": 1}', "declares no telemetry 'temperatur'", "Did you mean 'temperature'?"),
        (b'{"temperature": 900}', "<= 200", "Send temperature as type pump@1 declares it"),
        (b'{"temperature": null}', "got null", "Send temperature"),
        (b'{"rpm": 1.5}', "Expected int", "Send rpm"),
        (b"21.4", "Expected object", ""),
        (b"", "not JSON", "Send JSON text"),
        (b'{"temperature": 1', "not JSON", "Send JSON text"),
        (b'{"temperature":\xff}', "not JSON", "UTF-8"),
        (b"[]", "holds 0 readings", ""),
        (b'[{"rpm": 1}, {"rpm": "x"}]', "reading 1: ", ""),
        (b'{"ts": 12, "values": {"rpm": 1}}', "before the year 2000", "milliseconds"),
        (b'{"ts": 1872366400000, "values": {"rpm": 1}}', "ahead of our clock", "clock"),
        (b'{"ts": "yesterday", "values": {"rpm": 1}}', "not a moment", "RFC 3339"),
        (b'{"ts": 1772366300000, "values": {"rpn": 1}}', "declares no telemetry 'rpn'", "'rpm'"),
        (b'{"ts": 1772366300000, "values": {"rpm": 1}, "x": 1}', "'x'", ""),
    ],
)
def test_a_refusal_says_what_and_what_to_do(payload: bytes, says: str, remedy: str) -> None:
    with pytest.raises(PayloadInvalid) as refused:
        telemetry(payload)
    assert says in refused.value.detail
    assert remedy in refused.value.remedy
    assert refused.value.remedy


def test_a_list_has_a_bound() -> None:
    payload = json.dumps([{"rpm": 1}] * (READINGS_MAX + 1)).encode()
    with pytest.raises(PayloadInvalid, match="1001 readings"):
        telemetry(payload)


@pytest.mark.parametrize("payload", [b'{"a":' + b"[" * 100_000, b"[" * 100_000, b'{"a":' * 99_999])
def test_a_nesting_bomb_is_refused(payload: bytes) -> None:
    with pytest.raises(PayloadInvalid):
        telemetry(payload, None)


def test_a_device_without_a_type_sends_free_json() -> None:
    values = telemetry(b'{"a": 1, "b": true, "c": "x", "d": {"e": null}}', None)[0][1]
    assert values == {"a": 1, "b": True, "c": "x", "d": {"e": None}}


@pytest.mark.parametrize(
    "payload",
    [b'{"a": null}', b'{"": 1}', b'{"a\\u0000": 1}', b'{"a": 123456789012345678901}', b'"x"'],
)
def test_free_json_has_bounds(payload: bytes) -> None:
    with pytest.raises(PayloadInvalid):
        telemetry(payload, None)


def test_keys_that_are_no_identifiers_are_checked_too() -> None:
    fields = {"bearing.temp": Field("number"), "class": Field("string"), "_x": Field("boolean")}
    payload = b'{"bearing.temp": 1.5, "class": "A", "_x": true}'
    assert telemetry(payload, pump_type(**fields))[0][1] == json.loads(payload)


def test_required_telemetry_is_required() -> None:
    fields = {"a": Field("number"), "b": Field("number", required=True)}
    with pytest.raises(PayloadInvalid, match="missing required field"):
        telemetry(b'{"a": 1}', pump_type(**fields))


def test_enumerations_are_checked_and_fractions_refused_when_declared() -> None:
    fields = {"mode": Field("string", enum=("auto", "manual"))}
    with pytest.raises(PayloadInvalid, match="Invalid enum value"):
        telemetry(b'{"mode": "x"}', pump_type(**fields))
    with pytest.raises(Invalid, match="integers and strings"):
        annotation_of(Field("number", enum=(0.5,)))


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


def test_fractions_of_milliseconds_are_kept() -> None:
    assert moment_of(1772366300000.5, NOW) == 1_772_366_300_000_500_000


@pytest.mark.parametrize("stamp", ["1e308", "-1e308", "1e20", "9" * 400, "-" + "9" * 400])
def test_a_time_beyond_all_clocks_is_told(stamp: str) -> None:
    """Found by hand: 1e308 became infinite, and the connection broke without a reason."""
    with pytest.raises(PayloadInvalid, match="lies"):
        telemetry(b'{"ts": %s, "values": {"rpm": 1}}' % stamp.encode())


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
