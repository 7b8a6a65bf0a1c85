"""Readings: three shapes, in JSON or as values; SenML with its own moments; one value as text."""

import json
from typing import Any

import msgspec
import pytest
from tests.ingest.support import pump_type

from weft.errors import PayloadInvalid
from weft.ingest.telemetry import READINGS_MAX, TelemetryDecoder, moment_of
from weft.model.device import DeviceType, Field
from weft.model.telemetry import Reading, items_of
from weft.wire.payload.senml import Measurement

NOW = 1_772_366_400_000_000_000
PUMP = pump_type()


def shown(readings: list[Reading]) -> list[tuple[int, dict[str, Any]]]:
    return [(r.at, dict(items_of(r.values))) for r in readings]


def telemetry(
    payload: bytes, device_type: DeviceType | None = PUMP
) -> list[tuple[int, dict[str, Any]]]:
    return shown(TelemetryDecoder(device_type).decode(payload, NOW))


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


def test_fractions_of_milliseconds_are_kept() -> None:
    assert moment_of(1772366300000.5, NOW) == 1_772_366_300_000_500_000


@pytest.mark.parametrize("stamp", ["1e308", "-1e308", "1e20", "9" * 400, "-" + "9" * 400])
def test_a_time_beyond_all_clocks_is_told(stamp: str) -> None:
    """Found by hand: 1e308 became infinite, and the connection broke without a reason."""
    with pytest.raises(PayloadInvalid, match="lies"):
        telemetry(b'{"ts": %s, "values": {"rpm": 1}}' % stamp.encode())


@pytest.mark.parametrize(
    "payload",
    [
        b'{"temperature": 21.4}',
        b'{"ts": 1772366300000, "values": {"rpm": 900}}',
        b'[{"rpm": 1}, {"ts": "2026-03-01T11:00:00Z", "values": {"rpm": 2}}]',
        b'{"temperatur": 1}',
        b'{"temperature": 900}',
        b'{"rpm": 1.5}',
        b"21.4",
        b"[]",
        b'[{"rpm": 1}, {"rpm": "x"}]',
        b'{"ts": 12, "values": {"rpm": 1}}',
    ],
)
def test_values_are_held_to_the_checks_of_json(payload: bytes) -> None:
    """CBOR and mapped payloads come as values: the same is taken, the same is refused."""

    def outcome(read: Any) -> Any:
        try:
            return shown(read())
        except PayloadInvalid as error:
            return error.detail, error.remedy

    decoder = TelemetryDecoder(PUMP)
    from_json = outcome(lambda: decoder.decode(payload, NOW))
    assert outcome(lambda: decoder.from_value(msgspec.json.decode(payload), NOW)) == from_json


def test_what_cannot_be_stored_is_refused_as_values_too() -> None:
    with pytest.raises(PayloadInvalid, match="64 bits"):
        TelemetryDecoder(None).from_value({"a": [2**70]}, NOW)


def test_a_pack_becomes_a_reading_for_each_moment() -> None:
    """Records of one moment are one reading; a record without a time is of now."""
    pack = [
        Measurement("dev:1:rpm", "rpm", NOW - 9, value=1),
        Measurement("dev:1:temperature", "temperature", NOW - 9, value=20.5),
        Measurement("dev:1:rpm", "rpm", NOW, value=2, timed=False),
    ]
    assert shown(TelemetryDecoder(PUMP).from_measurements(pack, NOW)) == [
        (NOW - 9, {"temperature": 20.5, "rpm": 1}),
        (NOW, {"rpm": 2}),
    ]


def test_a_name_is_found_whole_or_without_its_base_or_by_its_last_part() -> None:
    one_key = pump_type(temperature=Field("number"))
    for name, key in (
        ("temperature", "temperature"),
        ("urn:dev:ow:1:temperature", "temperature"),
        ("urn:dev:ow:1/temperature", ""),
        ("urn:dev:ow:10e2073a01080063", ""),  # one key: there is nothing else that it could be
    ):
        pack = [Measurement(name, key, NOW, value=1.5)]
        assert shown(TelemetryDecoder(one_key).from_measurements(pack, NOW)) == [
            (NOW, {"temperature": 1.5})
        ]


def test_a_sum_has_a_key_of_its_own() -> None:
    pack = [Measurement("power", "power", NOW, value=5.0, sum=1200.0)]
    readings = TelemetryDecoder(None).from_measurements(pack, NOW)
    assert shown(readings) == [(NOW, {"power": 5.0, "power_sum": 1200.0})]


def test_a_key_twice_at_one_moment_is_two_readings() -> None:
    pack = [Measurement("a", "a", NOW, value=1), Measurement("a", "a", NOW, value=2)]
    assert len(TelemetryDecoder(None).from_measurements(pack, NOW)) == 2


def test_a_clock_that_cannot_be_right_is_told_of_in_senml_too() -> None:
    pack = [Measurement("rpm", "rpm", 300_000_000 * 10**9, value=1)]
    with pytest.raises(PayloadInvalid, match="time of rpm lies before the year 2000"):
        TelemetryDecoder(PUMP).from_measurements(pack, NOW)


def test_plain_text_is_the_types_only_key() -> None:
    number = TelemetryDecoder(pump_type(level=Field("number")))
    text = TelemetryDecoder(pump_type(mode=Field("string")))
    assert shown(number.from_text(b" 21.4\n", NOW)) == [(NOW, {"level": 21.4})]
    assert shown(text.from_text(b"21.4", NOW)) == [(NOW, {"mode": "21.4"})]
    for device_type, says in ((PUMP, "the type has 2"), (None, "no type")):
        with pytest.raises(PayloadInvalid, match=says):
            TelemetryDecoder(device_type).from_text(b"1", NOW)


@pytest.mark.parametrize("kind", ["integer", "number"])
def test_a_value_that_its_declared_unit_cannot_hold_is_refused_in_words(kind: str) -> None:
    """What a pack may say in square kilometres is beyond a double in square millimetres."""
    decoder = TelemetryDecoder(pump_type(area=Field(kind, unit="mm2")))
    measured = Measurement("area", "area", NOW, "km2", 1e300)
    with pytest.raises(PayloadInvalid, match="mm2"):
        decoder.from_measurements([measured], NOW)
