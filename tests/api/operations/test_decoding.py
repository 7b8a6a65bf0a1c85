"""The codec sandbox over the API: a saved type or a document, and nothing is kept."""

from typing import Any

import pytest
from tests.api.support import OTHER, World

from weft.wire.payload.sparkplug import DataType, Metric, Payload, encode

DOCUMENT: dict[str, Any] = {
    "telemetry": {"rpm": {"type": "integer"}},
    "mapping": {"format": "binary", "binary": {"fields": {"rpm": {"byte": 0, "bytes": 2}}}},
}


@pytest.mark.parametrize(
    ("payload", "encoding", "content_type"),
    [
        ("0384", "hex", ""),
        ("A4Q=", "base64", "application/octet-stream"),
        ('{"rpm": 900}', "text", "application/json"),
    ],
)
async def test_a_saved_type_is_tried(
    world: World, payload: str, encoding: str, content_type: str
) -> None:
    """Bytes, base64 or text; the journal stays as it was."""
    token = world.admin()
    await world.call("PUT", "/types/motor", token=token, body=DOCUMENT)
    body = {"payload": payload, "encoding": encoding, "content_type": content_type}
    answer = await world.call("POST", "/types/motor/decode", token=token, body=body)
    assert answer.status == 200, answer
    assert answer.json["problem"] is None
    assert answer.json["value"][0]["values"] == {"rpm": 900}
    assert world.journal.head == 0


async def test_a_payload_of_sparkplug_is_tried(world: World) -> None:
    """As it was taken off the wire, in hex; the metrics are shown as they were read."""
    metric = Metric("rpm", 4, datatype=DataType.INT32, value=900)
    payload = encode(Payload((metric,), timestamp=world.clock.now() // 1_000_000))
    body = {"payload": payload.hex(), "encoding": "hex", "content_type": "sparkplug"}
    document = {"telemetry": {"rpm": {"type": "integer"}}}
    asked = body | {"document": document}
    answer = await world.call("POST", "/types/decode", token=world.admin(), body=asked)
    assert answer.status == 200, answer
    assert answer.json["value"][0]["values"] == {"rpm": 900}
    assert answer.json["steps"][1]["value"] == [
        {"name": "rpm", "alias": 4, "type": "INT32", "value": 900}
    ]


async def test_a_document_is_tried_before_it_is_saved(world: World) -> None:
    """No type comes of it; a document that is wrong is told with its place."""
    token = world.admin()
    body = {"document": DOCUMENT, "payload": "03", "encoding": "hex"}
    answer = await world.call("POST", "/types/decode", token=token, body=body)
    problem = answer.json["problem"]
    assert (problem["step"], problem["code"]) == ("mapped", "payload_invalid")
    assert "rpm stands in the bytes 0 to 1" in problem["detail"]
    assert (await world.call("GET", "/types", token=token)).json["items"] == []
    wrong = {"document": {"mapping": {"telemetry": {"x": "a"}}}, "payload": ""}
    refused = await world.call("POST", "/types/decode", token=token, body=wrong)
    assert refused.status == 422
    assert "mapping.telemetry.x" in refused.json["detail"]


async def test_a_payload_that_is_not_in_its_encoding_is_refused(world: World) -> None:
    token = world.admin()
    for encoding in ("hex", "base64"):
        body = {"document": DOCUMENT, "payload": "%%", "encoding": encoding}
        answer = await world.call("POST", "/types/decode", token=token, body=body)
        assert answer.status == 422
        assert f"not {encoding}" in answer.json["detail"]


async def test_another_tenants_type_is_not_there(world: World) -> None:
    await world.call("PUT", "/types/motor", token=world.admin(), body=DOCUMENT)
    body = {"payload": "{}"}
    answer = await world.call("POST", "/types/motor/decode", token=world.admin(OTHER), body=body)
    assert answer.status == 404


async def test_a_device_may_not_try(world: World) -> None:
    """It may send; reading types is for those who look after them."""
    pump = await world.device("pump-7")
    body = {"document": DOCUMENT, "payload": "00", "encoding": "hex"}
    assert (await world.call("POST", "/types/decode", token=pump, body=body)).status == 403
