"""HTTP ingest: 2xx after the commit; a refusal in the answer and in the inbox."""

import cbor2
import pytest
from tests.api.support import MAIN, World


async def test_an_answer_means_it_is_kept(world: World) -> None:
    """The position is that of the journal, and the message is there."""
    pump = await world.device("pump-7")
    answer = await world.call("POST", "/devices/me/telemetry", token=pump, body={"t": 1})
    assert answer.json == {"position": world.journal.head}
    batches = [batch async for batch in world.journal.read(0)]
    assert batches[0].envelopes[0].route.topic == "devices/pump-7/telemetry"


async def test_lists_properties_and_events_are_taken(world: World) -> None:
    """As on the MQTT topics of the same names."""
    pump = await world.device("pump-7")
    for path, body in (
        ("telemetry", [{"ts": 1_772_366_400_000, "values": {"t": 1}}]),
        ("properties/reported", {"firmware": "1.4"}),
        ("events/opened", {"door": 2}),
    ):
        answer = await world.call("POST", f"/devices/me/{path}", token=pump, body=body)
        assert answer.status == 200, answer


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 5000, b'{"t": {"deep": 1}'])
async def test_what_does_not_decode_stands_in_the_inbox(world: World, body: bytes) -> None:
    """422 with the reason, and the same reason for an operator (promise 2)."""
    pump = await world.device("pump-7")
    answer = await world.call("POST", "/devices/me/telemetry", token=pump, body=body)
    assert (answer.status, answer.json["code"]) == (422, "payload_invalid")
    listed = await world.call("GET", "/rejections", token=world.admin())
    assert [item["detail"] for item in listed.json["items"]] == [answer.json["detail"]]


async def test_a_device_speaks_for_itself_only(world: World) -> None:
    """403 for another's path, whatever its body says."""
    pump = await world.device("pump-7")
    await world.device("pump-8")
    answer = await world.call("POST", "/devices/pump-8/telemetry", token=pump, body={"t": 1})
    assert answer.status == 403
    assert world.journal.head == 0


async def test_a_key_sends_for_devices_of_its_tenant(world: World) -> None:
    """With the scope; an unknown device is 404 and nothing is kept."""
    await world.device("pump-7")
    body = {"name": "gateway", "scopes": ["telemetry:write"]}
    key = (await world.call("POST", "/keys", token=world.admin(), body=body)).json["token"]
    sent = await world.call("POST", "/devices/pump-7/telemetry", token=key, body={"t": 1})
    assert sent.status == 200, sent
    lost = await world.call("POST", "/devices/pump-9/telemetry", token=key, body={"t": 1})
    assert lost.status == 404
    assert world.twins.get(MAIN, "pump-7").telemetry["t"].value == 1  # type: ignore[arg-type]  # a plain name


async def test_a_suspended_device_is_refused_at_once(world: World) -> None:
    """Its token stops working with the move."""
    pump = await world.device("pump-7")
    await world.call(
        "POST", "/devices/pump-7/lifecycle", token=world.admin(), body={"to": "suspended"}
    )
    answer = await world.call("POST", "/devices/me/telemetry", token=pump, body={"t": 1})
    assert answer.status in {401, 403}


async def test_rl_1_messages_and_bytes_are_limited_as_over_mqtt(world: World) -> None:
    """One door: a tenant's rate of messages is not passed by changing the protocol."""
    pump = await world.device("pump-7")
    world.services.limiter.set_tenant_messages(MAIN, 0.2)  # a burst of one
    answers = [
        await world.call("POST", "/devices/me/telemetry", token=pump, body={"t": 1})
        for _ in range(2)
    ]
    assert [answer.status for answer in answers] == [200, 429]
    assert answers[1].headers["retry-after"] == "5"
    assert world.journal.head == 1
    world.clock.turn(5)
    again = await world.call("POST", "/devices/me/telemetry", token=pump, body={"t": 1})
    assert again.status == 200


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/cbor", cbor2.dumps({"t": 21.5})),
        ("application/senml+json", b'[{"n": "t", "v": 21.5}]'),
        ("application/senml+cbor", cbor2.dumps([{0: "t", 2: 21.5}])),
        ("text/plain; charset=utf-8", b"21.5"),
    ],
)
async def test_a_body_is_read_by_its_content_type(
    world: World, content_type: str, body: bytes
) -> None:
    """Four notations of one value; each is in the twin."""
    fields = {"telemetry": {"t": {"type": "number"}}}
    await world.call("PUT", "/types/probe", token=world.admin(), body=fields)
    token = await world.device("probe-1", type_name="probe")
    headers = {"content-type": content_type}
    path = "/devices/me/telemetry"
    answer = await world.call("POST", path, token=token, body=body, headers=headers)
    assert answer.status == 200, answer
    assert world.twins.get(MAIN, "probe-1").telemetry["t"].value == 21.5  # type: ignore[arg-type]  # a plain name


async def test_documents_are_taken_in_cbor_too(world: World) -> None:
    pump = await world.device("pump-7")
    headers = {"content-type": "application/cbor"}
    for path in ("properties/reported", "events/opened"):
        answer = await world.call(
            "POST",
            f"/devices/me/{path}",
            token=pump,
            body=cbor2.dumps({"firmware": "1.4"}),
            headers=headers,
        )
        assert answer.status == 200, answer
    assert world.twins.get(MAIN, "pump-7").reported["firmware"] == "1.4"  # type: ignore[arg-type]  # a plain name


async def test_another_content_type_is_415_with_those_that_are_read(world: World) -> None:
    """A SenML pack says nothing about properties either."""
    pump = await world.device("pump-7")
    for path, content_type in (
        ("telemetry", "application/xml"),
        ("properties/reported", "application/senml+json"),
    ):
        answer = await world.call(
            "POST",
            f"/devices/me/{path}",
            token=pump,
            body=b"[]",
            headers={"content-type": content_type},
        )
        assert answer.status == 415
        assert "application/cbor" in answer.json["remedy"]
    assert world.journal.head == 0


async def test_a_device_that_only_posts_is_there_until_it_is_silent(world: World) -> None:
    """One spell for all that it posts, which ends an hour behind the last; lines count too."""
    pump = await world.device("pump-7")
    uid = world.devices.get(MAIN, "pump-7").uid
    for _ in range(3):
        await world.call("POST", "/devices/me/telemetry", token=pump, body={"t": 1})
        assert world.presence.is_connected(uid)
        world.clock.turn(3_000)
        world.silences.sweep()
    (spell,) = world.presence.open_spells(uid)
    assert (spell.protocol, spell.through) == ("http", "")
    world.clock.turn(600)
    world.silences.sweep()
    assert not world.presence.is_connected(uid)
    (record,) = await world.presence.list(MAIN, uid)
    assert record.value.reason == "nothing was heard of it for 1 h"


async def test_what_is_refused_or_said_for_a_device_makes_it_not_present(world: World) -> None:
    """A message that was not kept; one of a business system, for the device."""
    pump = await world.device("pump-7")
    uid = world.devices.get(MAIN, "pump-7").uid
    answer = await world.call("POST", "/devices/me/telemetry", token=pump, body=b"[")
    assert answer.status == 422
    path = "/devices/pump-7/telemetry"
    answer = await world.call("POST", path, token=world.admin(), body={"t": 1})
    assert not world.presence.is_connected(uid)
