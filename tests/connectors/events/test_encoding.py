"""Encoding: events as CloudEvents 1.0 says, byte for byte where it matters."""

import json
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.connectors.support import MAIN, NOON

from weft.connectors.events.encoding import cloud_event, encode, event_id, header_text, signed_of
from weft.model.subscription import Change, Mode, Topic

CHANGE = Change(
    3, NOON, Topic.ALARM, "weft.alarm.raised", "alarms/a", "alarm:a", "pump-7", {"rpm": 1}
)


def test_a_structured_event_has_what_the_specification_requires() -> None:
    """id, source, specversion and type; the id is the same at every try."""
    encoded = encode(MAIN, [CHANGE], Mode.STRUCTURED)
    assert encoded.headers["Content-Type"].startswith("application/cloudevents+json")
    event = json.loads(encoded.body)
    assert event == cloud_event(MAIN, CHANGE)
    assert {"id", "source", "specversion", "type"} <= event.keys()
    assert (event["id"], event["data"]) == ("change-3", {"rpm": 1})
    assert encoded == encode(MAIN, [CHANGE], Mode.STRUCTURED)


def test_a_batch_is_an_array_with_a_delivery_of_its_own() -> None:
    """The same events are the same delivery; others are another."""
    two = [CHANGE, replace(CHANGE, sequence=4)]
    encoded = encode(MAIN, two, Mode.BATCH)
    assert encoded.headers["Content-Type"].startswith("application/cloudevents-batch+json")
    assert [event["id"] for event in json.loads(encoded.body)] == ["change-3", "change-4"]
    assert encoded.headers == encode(MAIN, two, Mode.BATCH).headers
    assert encoded.headers != encode(MAIN, [CHANGE], Mode.BATCH).headers


def test_bytes_that_are_no_json_travel_as_bytes() -> None:
    """In base64 inside JSON, and as they are in binary mode."""
    raw = replace(CHANGE, topic=Topic.TELEMETRY, data="/w==", base64=True)
    assert event_id(raw) == "message-3"
    assert cloud_event(MAIN, raw)["data_base64"] == "/w=="
    encoded = encode(MAIN, [raw], Mode.BINARY)
    assert encoded.body == b"\xff"
    assert encoded.headers["Content-Type"] == "application/octet-stream"


def test_a_signature_in_binary_mode_covers_the_attributes() -> None:
    """Another subject over the same body is another signature."""
    one = encode(MAIN, [CHANGE], Mode.BINARY)
    other = encode(MAIN, [replace(CHANGE, subject="alarms/b")], Mode.BINARY)
    assert one.body == other.body
    assert one.signed != other.signed
    assert signed_of({"CE-Type": "a", "X": "b"}, b"c") == b"ce-type:a\n\nc"


@given(st.text())
def test_any_text_fits_into_a_header_and_comes_out_again(text: str) -> None:
    """Line breaks, quotes and emoji; nothing breaks out of its header."""
    encoded = header_text(text)
    assert encoded.isascii()
    assert not set(encoded) & set(' "\r\n')
    assert unquote(encoded) == text.encode("utf-8", "replace").decode()
