"""LoRaWAN webhooks over HTTP: who may call, once each, and what becomes of it."""

import pytest
from tests.api.support import MAIN, World
from tests.ingest.dialects.test_lorawan import CHIRPSTACK_UP, EUI, TTS_UP

from weft.api.seen import Seen
from weft.ingest.dialects.lorawan import LoRaWan
from weft.ingest.dialects.table import Dialects
from weft.ingest.submit import Ingest
from weft.model.ids import DeviceId
from weft.registry.children import Children

UP = "/lorawan/chirpstack?event=up"


async def server(world: World, *, adds_children: bool = True) -> str:
    """Let a world speak the dialect; return the secret of a network server."""
    world.gate.dialects = Dialects([LoRaWan()])
    children = Children(world.devices, world.types, world.policy)
    world.ingest = Ingest(world.gate, world.pipeline, world.clock, children)
    object.__setattr__(world.services, "ingest", world.ingest)
    token = await world.device("chirpstack")
    world.devices.on_change(
        lambda change: world.policy.set_gateway(
            MAIN, change.device.device_id, change.device.gateway
        )
    )
    if adds_children:
        body = {"adds_children": True}
        headers = {"if-match": "*"}
        path = "/devices/chirpstack"
        done = await world.call("PATCH", path, token=world.admin(), body=body, headers=headers)
        assert done.status == 200, done
    return token


async def test_an_uplink_adds_its_device_and_is_kept_once(world: World) -> None:
    """The network server tries again when an answer is lost: the same id, nothing new."""
    token = await server(world)
    first = await world.call("POST", UP, token=token, body=CHIRPSTACK_UP)
    assert first.json == {"position": 1, "repeated": False}
    again = await world.call("POST", UP, token=token, body={**CHIRPSTACK_UP, "adr": False})
    assert again.json == {"position": 1, "repeated": True}
    assert world.journal.head == 1
    twin = world.twins.get(MAIN, DeviceId(EUI))
    assert twin.telemetry["temperature"].value == 25.8
    assert twin.telemetry["temperature"].at == 1_658_136_855_775_023_000


async def test_a_delivery_is_known_over_a_restart(world: World) -> None:
    """What memory has lost, the journal's window still knows."""
    token = await server(world)
    await world.call("POST", UP, token=token, body=CHIRPSTACK_UP)
    object.__setattr__(world.services, "heard", Seen())
    again = await world.call("POST", UP, token=token, body=CHIRPSTACK_UP)
    assert (again.status, world.journal.head) == (200, 1)


async def test_the_things_stack_is_heard_at_its_own_path(world: World) -> None:
    token = await server(world)
    for repeated in (False, True):
        answer = await world.call("POST", "/lorawan/tts", token=token, body=TTS_UP)
        assert (answer.status, answer.json["repeated"]) == (200, repeated)
    assert world.twins.get(MAIN, DeviceId(EUI)).telemetry["temperature"].value == 25.8


async def test_a_device_that_may_not_be_added_is_refused_and_kept(world: World) -> None:
    """In the inbox with what to do; after that it is redriven from there."""
    token = await server(world, adds_children=False)
    answer = await world.call("POST", UP, token=token, body=CHIRPSTACK_UP)
    assert answer.status in {404, 422}
    listed = await world.call("GET", "/rejections", token=world.admin())
    assert EUI in listed.json["items"][0]["detail"]


@pytest.mark.parametrize("path", [UP, "/lorawan/tts"])
async def test_au_2_only_a_device_speaks_for_its_devices(world: World, path: str) -> None:
    """A key or a person is told to make one; nobody at all learns nothing."""
    await server(world)
    assert (await world.call("POST", path, body=CHIRPSTACK_UP)).status == 401
    answer = await world.call("POST", path, token=world.admin(), body=CHIRPSTACK_UP)
    assert (answer.status, answer.json["code"]) == (403, "forbidden")
    assert "--adds-children" in answer.json["remedy"]


async def test_an_event_needs_a_name(world: World) -> None:
    token = await server(world)
    for path in ("/lorawan/chirpstack", "/lorawan/chirpstack?event=../x"):
        answer = await world.call("POST", path, token=token, body=CHIRPSTACK_UP)
        assert answer.status == 422


async def test_each_step_of_a_downlink_is_heard_though_its_ids_are_the_same(world: World) -> None:
    """Queued, sent, acknowledged: one set of correlation ids. The same body again is repeated."""
    token = await server(world)
    await world.call("POST", "/lorawan/tts", token=token, body=TTS_UP)
    told = []
    for event in ("downlink_queued", "downlink_sent", "downlink_ack", "downlink_ack"):
        body = {"end_device_ids": {"device_id": "dev1"}, "correlation_ids": ["as:downlink:1"]}
        answer = await world.call("POST", "/lorawan/tts", token=token, body={**body, event: {}})
        assert answer.status == 200, answer
        told.append(answer.json["repeated"])
    assert told == [False, False, False, True]


async def test_ss_1_what_the_headers_of_a_webhook_offer_goes_nowhere(world: World) -> None:
    """A URL and a key beside the message: no part of them is kept, or asked for anything."""
    token = await server(world)
    headers = {
        "x-downlink-push": "https://198.51.100.7/steal",
        "x-downlink-apikey": "NNSXS.SECRET",
    }
    answer = await world.call("POST", "/lorawan/tts", token=token, body=TTS_UP, headers=headers)
    assert answer.status == 200
    kept = [envelope async for batch in world.journal.read(0) for envelope in batch.envelopes]
    assert kept
    assert not any("SECRET" in repr(one) or "198.51" in repr(one) for one in kept)


async def test_a_message_that_is_not_known_is_in_the_inbox(world: World) -> None:
    token = await server(world)
    body = {"end_device_ids": {"dev_eui": EUI}, "uplink_normalized": {}}
    answer = await world.call("POST", "/lorawan/tts", token=token, body=body)
    assert answer.status == 422
    listed = await world.call("GET", "/rejections", token=world.admin())
    assert "uplink_message" in listed.json["items"][0]["remedy"]
