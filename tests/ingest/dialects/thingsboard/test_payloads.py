"""What stands in ThingsBoard's payloads."""

from typing import Any

import msgspec
import pytest

from weft.errors import Invalid, PayloadInvalid
from weft.ingest.dialects.thingsboard import payloads
from weft.ingest.dialects.thingsboard.payloads import (
    Asked,
    Called,
    GatewayAsked,
    attributes_of,
    keys_of,
    objects_by_device,
    read_as,
    require_device_name,
    require_method,
    require_request_id,
    result_of,
    telemetry_of,
)


@pytest.mark.parametrize(
    "payload",
    [b'{"temp":"21.40"}', b'[ {"ts":1451649600512, "values":{"a":1}} ]', b" {} ", b"nonsense"],
)
def test_what_is_native_already_is_not_touched(payload: bytes) -> None:
    """Not a byte: the decoder at the gate says what is wrong with it, in one place."""
    assert telemetry_of(payload) is payload
    assert attributes_of(payload) is payload


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b'{"a":1,"b":null}', b'{"a":1}'),
        (b'{"a":"null"}', b'{"a":"null"}'),
        (b'{"a":1e400,"b":null,"c":1.10}', b'{"a":1e400,"c":1.10}'),
        (
            b'[{"ts":1,"values":{"a":1,"b":null},"metadata":{"publishedTs":2}},{"c":3,"d":null}]',
            b'[{"ts":1,"values":{"a":1}},{"c":3}]',
        ),
        (b'{"metadata":"as a key of its own"}', b'{"metadata":"as a key of its own"}'),
        (b' [{"a":null}]', b"[{}]"),
    ],
)
def test_a_null_and_the_gateways_bookkeeping_are_left_out(sent: bytes, kept: bytes) -> None:
    """And everything else stands as it was written, to the digit."""
    assert telemetry_of(sent) == kept


def test_a_null_attribute_changes_nothing() -> None:
    """In a merge patch it would remove the property; over there it says nothing."""
    assert attributes_of(b'{"firmware":"1.2","model":null}') == b'{"firmware":"1.2"}'


@pytest.mark.parametrize(
    "payload", [b"null", b"[null]", b'{"a":null', b'{"ts":1,"values":null}', b'"null"\xff']
)
def test_what_is_no_object_is_refused_with_a_reason(payload: bytes) -> None:
    with pytest.raises(PayloadInvalid) as met:
        telemetry_of(payload)
    assert met.value.detail
    assert met.value.remedy


@pytest.mark.parametrize("payload", [b"null", b"[null]", b'{"a":null'])
def test_attributes_that_are_no_object_are_refused(payload: bytes) -> None:
    with pytest.raises(PayloadInvalid):
        attributes_of(payload)


def test_a_nesting_bomb_is_refused() -> None:
    with pytest.raises(PayloadInvalid, match="nested"):
        result_of(b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(PayloadInvalid, match="nested"):
        telemetry_of(b'{"null":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


@pytest.mark.parametrize(
    ("sent", "result"),
    [
        (b'{"on":true}', {"status": "succeeded", "output": {"on": True}}),
        (b"42", {"status": "succeeded", "output": 42}),
        (b'"done"', {"status": "succeeded", "output": "done"}),
        (b"null", {"status": "succeeded", "output": None}),
        (b'{"error":""}', {"status": "succeeded", "output": {"error": ""}}),
        (b'{"status":"odd"}', {"status": "succeeded", "output": {"status": "odd"}}),
        (
            b'{"error":"stuck","code":7}',
            {"status": "failed", "error": "stuck", "output": {"error": "stuck", "code": 7}},
        ),
    ],
)
def test_an_answer_becomes_a_commands_result(sent: bytes, result: dict[str, Any]) -> None:
    """A device's own `status` is output, and never mistaken for the command's."""
    assert msgspec.json.decode(result_of(sent)) == result


@pytest.mark.parametrize("sent", [b"", b"{", b"\xff", b'{"a":' + b"9" * 40 + b"}"])
def test_an_answer_that_cannot_be_kept_is_refused(sent: bytes) -> None:
    with pytest.raises(PayloadInvalid):
        result_of(sent)


def test_devices_are_told_apart_by_name() -> None:
    assert objects_by_device(b'{"Room 1": [1], "B\\u00fcro": {}}') == {
        "Room 1": b"[1]",
        "Büro": b"{}",
    }
    for wrong in (b"[]", b'{"": {}}', b'{"a\\u0000b": {}}', b'{"' + b"n" * 257 + b'": {}}'):
        with pytest.raises(PayloadInvalid):
            objects_by_device(wrong)
    assert require_device_name("n" * payloads.NAME_MAX_CHARACTERS)


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "1" * 11, "١", "+"])
def test_a_request_is_numbered(text: str) -> None:
    with pytest.raises(Invalid):
        require_request_id(text)


def test_a_request_id_stands_as_it_was_sent() -> None:
    assert require_request_id("007") == "007"


def test_a_method_has_a_name() -> None:
    called = Called("getCurrentTime", {})
    assert require_method(called) is called
    for method in ("", "m" * 129):
        with pytest.raises(PayloadInvalid):
            require_method(Called(method))


def test_keys_that_are_not_there_are_told_from_none_at_all() -> None:
    """`{}` asks for everything, `{"sharedKeys": ""}` for all of the shared ones."""
    assert keys_of(read_as(b"{}", Asked).client_keys) is None
    asked = read_as(b'{"clientKeys":" a, b,,","sharedKeys":"","other":1}', Asked)
    assert keys_of(asked.client_keys) == ["a", "b"]
    assert keys_of(asked.shared_keys) == []
    assert keys_of(read_as(b'{"clientKeys":null}', Asked).client_keys) is None


def test_a_wrong_type_is_told_by_its_place() -> None:
    with pytest.raises(PayloadInvalid, match=r"\$\.id") as met:
        read_as(b'{"id":"1"}', GatewayAsked)
    assert "ThingsBoard" in met.value.remedy
