"""Payloads of other people's devices, turned into the keys of a type."""

import base64
import json
from contextlib import suppress
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.support import ACME

from weft.errors import PayloadInvalid
from weft.ingest.decode import Decoders
from weft.ingest.mapped import PICKS_MAX
from weft.model.device import DeviceType
from weft.model.message import Operation
from weft.model.telemetry import items_of
from weft.registry.thing_models import read_type

NOW = 1_772_366_400_000_000_000
FIELDS: dict[str, Any] = {
    "temperature": {"type": "number", "unit": "Cel", "maximum": 200},
    "humidity": {"type": "number"},
    "door": {"type": "boolean"},
    "battery": {"type": "number", "unit": "V"},
}


def type_of(mapping: dict[str, Any], **sections: Any) -> DeviceType:
    document = {"telemetry": FIELDS, "mapping": mapping, **sections}
    return read_type(ACME, "probe", document, version=1, at=0)


def telemetry(mapping: dict[str, Any], payload: Any, format_name: str = "json") -> Any:
    decode = Decoders(type_of(mapping)).for_operation(Operation.TELEMETRY, "", format_name)
    assert decode is not None
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return [(one.at, dict(items_of(one.values))) for one in decode(raw, NOW)]


def test_values_are_renamed_picked_scaled_and_converted() -> None:
    mapping = {
        "telemetry": {
            "temperature": {"from": "sensor.values[0].t", "unit": "K"},
            "humidity": {"from": "h", "scale": 0.1},
            "door": {"from": "contact", "values": {"open": True, "closed": False}},
        },
        "ignore": ["sensor.serial"],
    }
    payload = {"sensor": {"values": [{"t": 300.15}], "serial": "X"}, "h": 455, "contact": "open"}
    at, values = telemetry(mapping, payload)[0]
    assert at == NOW
    assert values.pop("temperature") == pytest.approx(27)
    assert values == {"humidity": 45.5, "door": True}


def test_a_key_that_the_type_declares_passes_as_it_is() -> None:
    mapping = {"telemetry": {"temperature": "t"}}
    assert telemetry(mapping, {"t": 1, "humidity": 2})[0][1] == {"temperature": 1, "humidity": 2}


def test_what_the_mapping_does_not_speak_of_is_refused_with_its_place() -> None:
    """A firmware that renames a key is noticed on the day; ignore and unmapped are the ways out."""
    payload = {"sensor": {"temp": 1, "tmp": 2}}
    mapping: dict[str, Any] = {"telemetry": {"temperature": "sensor.temp"}}
    with pytest.raises(PayloadInvalid, match=r"does not speak of sensor\.tmp") as refused:
        telemetry(mapping, payload)
    assert "sensor.temp" in refused.value.remedy
    for way_out in ({"ignore": ["sensor.tmp"]}, {"ignore": ["sensor"]}, {"unmapped": "ignore"}):
        assert telemetry(mapping | way_out, payload) == [(NOW, {"temperature": 1})]


def test_a_payload_with_none_of_the_keys_is_refused() -> None:
    mapping = {"telemetry": {"temperature": "t"}, "unmapped": "ignore"}
    with pytest.raises(PayloadInvalid, match="none of the keys"):
        telemetry(mapping, {"x": 1})


def test_what_is_mapped_is_still_checked() -> None:
    with pytest.raises(PayloadInvalid, match=r"<= 200"):
        telemetry({"telemetry": {"temperature": {"from": "t", "scale": 10}}}, {"t": 21})
    with pytest.raises(PayloadInvalid, match="Expected"):
        telemetry({"telemetry": {"temperature": "t"}}, {"t": "warm"})


@pytest.mark.parametrize(
    ("unit", "stamp"),
    [
        ("s", 1_772_366_300),
        ("s", 1_772_366_300.0),
        ("ms", 1_772_366_300_000),
        ("us", 1_772_366_300_000_000),
        ("ns", 1_772_366_300_000_000_000),
        ("ms", "2026-03-01T11:58:20Z"),
        ("ms", "2026-03-01T11:58:20.000000000+00:00"),
    ],
)
def test_a_moment_has_its_own_place_and_unit(unit: str, stamp: Any) -> None:
    mapping = {"time": {"from": "at", "unit": unit}, "telemetry": {"humidity": "h"}}
    assert telemetry(mapping, {"at": stamp, "h": 1})[0][0] == 1_772_366_300_000_000_000


@pytest.mark.parametrize("stamp", [True, [], 1e300, -(10**30), "yesterday", 5])
def test_a_moment_that_cannot_be_right_is_told(stamp: Any) -> None:
    mapping = {"time": "at", "telemetry": {"humidity": "h"}}
    with pytest.raises(PayloadInvalid, match=r"^at"):
        telemetry(mapping, {"at": stamp, "h": 1})


def test_each_member_of_a_list_is_a_reading() -> None:
    """The unit's own time is inside; the battery stands once, around them."""
    mapping = {
        "each": "data.samples",
        "time": {"from": "t", "unit": "s"},
        "telemetry": {"humidity": "v", "battery": {"from": "$.bat", "unit": "mV"}},
    }
    samples = [{"t": 1_772_366_300 + n, "v": n} for n in range(2)]
    payload = {"data": {"samples": samples}, "bat": 3300}
    assert telemetry(mapping, payload) == [
        ((1_772_366_300 + n) * 10**9, {"humidity": n, "battery": 3.3}) for n in range(2)
    ]
    for wrong, says in (
        ({"data": {"samples": {}}}, "no list at data.samples"),
        ({"data": {"samples": []}}, "0 readings"),
        ({**payload, "more": 1}, "does not speak of more"),
        ({"data": {"samples": [*samples, {"v": "x", "y": 1}]}}, "reading 2: .*speak of y"),
    ):
        with pytest.raises(PayloadInvalid, match=says):
            telemetry(mapping, wrong)


def test_a_list_without_each_holds_readings_as_in_native_words() -> None:
    mapping = {"telemetry": {"humidity": "h"}}
    assert [values for _, values in telemetry(mapping, [{"h": 1}, {"h": 2}])] == [
        {"humidity": 1},
        {"humidity": 2},
    ]


def test_one_message_costs_only_so_much() -> None:
    mapping = {"telemetry": {key: f"x.{key}" for key in FIELDS}, "unmapped": "ignore"}
    assert 1_000 * len(FIELDS) < PICKS_MAX  # what a usual type and a full message need
    wide = {f"k{n}": {"type": "number"} for n in range(100)}
    document = {
        "telemetry": wide,
        "mapping": {"telemetry": {key: f"x.{key}" for key in wide}},
    }
    decode = Decoders(read_type(ACME, "wide", document, version=1, at=0)).for_operation(
        Operation.TELEMETRY, ""
    )
    assert decode is not None
    assert telemetry(mapping, [{"x": {"door": True}}] * 1_000)
    with pytest.raises(PayloadInvalid, match="600 readings of 100 mapped keys"):
        decode(json.dumps([{"x": {"k1": 1}}] * 600).encode(), NOW)


UPLINK = {
    "telemetry": {},
    "time": "time",
    "ignore": ["deviceInfo", "fPort", "fCnt"],
    "binary": {
        "from": "data",
        "fields": {
            "temperature": {
                "byte": 0, "bytes": 2, "signed": True, "scale": 0.01, "when": {"fPort": 2}
            },
            "battery": {"byte": 2, "scale": 0.1, "unit": "V", "when": {"fPort": 2}},
            "door": {"byte": 0, "bit": 7, "when": {"fPort": [3, 4]}},
        },
    },
}  # fmt: skip


def test_bit_fields_of_an_uplink_are_read_by_its_port() -> None:
    """As LoRaWAN servers hand it over: bytes in base64, the port beside them."""
    frame = base64.b64encode(bytes.fromhex("ff6a21")).decode()
    payload = {"deviceInfo": {"devEui": "1"}, "fPort": 2, "fCnt": 7, "data": frame}
    assert telemetry(UPLINK, payload) == [(NOW, {"temperature": -1.5, "battery": 3.3})]
    assert telemetry(UPLINK, {"fPort": 4, "data": "gA"}) == [(NOW, {"door": True})]
    with pytest.raises(PayloadInvalid, match="battery stands in the bytes 2 to 2"):
        telemetry(UPLINK, {"fPort": 2, "data": "AAA="})
    with pytest.raises(PayloadInvalid, match="none of the keys"):
        telemetry(UPLINK, {"fPort": 9, "data": "AAA="})


@pytest.mark.parametrize(
    ("data", "says"), [("%%", "is not base64"), (5, "is no text"), ("A" * 9999, "is no text")]
)
def test_bytes_that_cannot_be_read_are_told(data: Any, says: str) -> None:
    with pytest.raises(PayloadInvalid, match=f"^data {says}"):
        telemetry(UPLINK, {"fPort": 2, "data": data})


def test_a_payload_of_bytes_alone_is_read() -> None:
    mapping = {
        "format": "binary",
        "binary": {
            "min_bytes": 2,
            "fields": {"humidity": {"byte": 0}, "door": {"byte": 1, "bit": 0}},
        },
    }
    assert telemetry(mapping, b"\x2a\x01", "binary") == [(NOW, {"humidity": 42, "door": True})]
    for wrong in (b"\x01", b"x" * 1025):
        with pytest.raises(PayloadInvalid, match="the mapping is for 2 to 1024"):
            telemetry(mapping, wrong, "binary")


def test_hex_inside_a_document_is_read() -> None:
    mapping = {"binary": {"from": "p", "encoding": "hex", "fields": {"humidity": {"byte": 0}}}}
    assert telemetry(mapping, {"p": "2A"}) == [(NOW, {"humidity": 42})]
    with pytest.raises(PayloadInvalid, match="p is not hex"):
        telemetry(mapping, {"p": "xx"})


def test_the_mapping_holds_for_the_other_formats_too() -> None:
    mapping: dict[str, Any] = {"telemetry": {"temperature": {"from": "t", "scale": 0.1}}}
    expected = [(NOW, {"temperature": 21.5})]
    assert telemetry(mapping, cbor2.dumps({"t": 215}), "cbor") == expected
    assert telemetry(mapping, [{"n": "t", "v": 215}], "senml+json") == expected
    whole = {"telemetry": {"temperature": {"from": "$", "scale": 0.1}}}
    assert telemetry(whole, b"215", "text") == expected
    with pytest.raises(PayloadInvalid, match="the type has 4"):
        telemetry(mapping, b"215", "text")


def test_reports_and_events_are_mapped_too() -> None:
    device_type = type_of(
        {
            "properties": {"firmware": "fw.version"},
            "events": {"leak": {"litres": {"from": "ml", "unit": "mL"}}},
        },
        properties={"firmware": {"type": "string"}, "name": {"type": "string"}},
        events={"leak": {"litres": {"type": "number", "unit": "L"}}},
    )
    decoders = Decoders(device_type)
    report = decoders.for_operation(Operation.REPORTED, "")
    event = decoders.for_operation(Operation.EVENT, "leak", "cbor")
    plain = decoders.for_operation(Operation.TELEMETRY, "")
    assert report is not None
    assert event is not None
    assert plain is not None
    assert report(b'{"fw": {"version": null}, "name": "x"}', NOW) == {"firmware": None, "name": "x"}
    assert event(cbor2.dumps({"ml": 2500}), NOW) == {"litres": 2.5}
    assert dict(items_of(plain(b'{"humidity": 1}', NOW)[0].values)) == {"humidity": 1}
    for decode, payload in ((report, b'{"fwx": 1}'), (report, b"[]"), (event, cbor2.dumps({}))):
        with pytest.raises(PayloadInvalid):
            decode(payload, NOW)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["data", "fPort", "time", "t", "door"]), inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_no_document_raises_anything_else(document: Any) -> None:
    for mapping in (
        UPLINK,
        {"each": "data", "telemetry": {"humidity": "t", "door": "$.door"}, "time": "time"},
        {"telemetry": {"temperature": {"from": "t", "parse": True, "scale": 1e90}}},
    ):
        with suppress(PayloadInvalid):
            telemetry(mapping, document)
