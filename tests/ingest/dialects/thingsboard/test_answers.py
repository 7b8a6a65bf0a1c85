"""A device and a gateway that know ThingsBoard's topics only, against a running Weft."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from tests.interop.support import MAIN, OPERATOR, RunningWeft, running_weft, until

from weft.errors import Invalid
from weft.ingest.dialects.desk import Question
from weft.ingest.dialects.thingsboard.answers import (
    LEFT,
    UNHEARD_PER_DEVICE,
    SessionLimits,
    ThingsBoardAnswers,
    both,
    changes,
    of_child,
    picked,
    session_limits,
)
from weft.ingest.dialects.thingsboard.payloads import Asked, GatewayAsked, read_as
from weft.model.ids import DeviceId, TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.model.twin import Twin
from weft.registry.devices import DevicePatch, NewDevice

GATEWAY = DeviceId("gateway-1")
TWIN = Twin(MAIN, GATEWAY, 5, {"a": 1, "b": 2}, {"c": 3, "d": 4}, 2)


class Silent:
    """An answerer that never comes to an answer."""

    async def answer(self, _question: Question) -> None:
        await asyncio.Event().wait()

    async def desired_changed(self, _tenant: TenantId, _device_id: DeviceId) -> None:
        """Nothing is told."""

    async def commands_changed(self, _tenant: TenantId, _device_id: DeviceId) -> None:
        """Nothing is told."""


# --- what is picked ---


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (b"{}", {"client": {"a": 1, "b": 2}, "shared": {"c": 3, "d": 4}}),
        (b'{"clientKeys":"a,c"}', {"client": {"a": 1}}),
        (b'{"sharedKeys":""}', {"shared": {"c": 3, "d": 4}}),
        (b'{"clientKeys":"","sharedKeys":"d"}', {"client": {"a": 1, "b": 2}, "shared": {"d": 4}}),
        (b'{"clientKeys":"x"}', {}),
    ],
)
def test_a_device_gets_the_attributes_that_it_names(asked: bytes, found: dict[str, Any]) -> None:
    """A side of which nothing is there is left out, as over there."""
    assert both(read_as(asked, Asked), TWIN) == found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (b'{"client":true,"key":"a"}', {"value": 1}),
        (b'{"client":false,"key":"a"}', {}),
        (b'{"client":true,"keys":["a","b"]}', {"values": {"a": 1, "b": 2}}),
        (b'{"keys":["c"]}', {"values": {"c": 3}}),
        (b'{"keys":"c,d"}', {"values": {"c": 3, "d": 4}}),
        (b'{"sharedKeys":""}', {"shared": {"c": 3, "d": 4}}),
    ],
)
def test_a_gateway_gets_them_in_the_form_it_asked_in(asked: bytes, found: dict[str, Any]) -> None:
    assert of_child(read_as(asked, GatewayAsked), TWIN) == found


def test_nothing_is_picked_where_nothing_was_asked() -> None:
    assert picked(None, {"a": 1}) == {}
    assert picked([], {"a": 1}) == {"a": 1}


def test_what_changed_is_told_once_and_what_is_gone_by_name() -> None:
    first = Twin(MAIN, GATEWAY, 1, {"a": 1}, {"a": 1, "c": 3}, 1)
    assert changes(None, first) == {"c": 3}
    second = Twin(MAIN, GATEWAY, 2, {}, {"a": 2, "e": None}, 2)
    assert changes(first, second) == {"a": 2, "e": None, "deleted": ["c"]}
    assert changes(second, second) == {}


def test_limits_are_told_in_their_words() -> None:
    assert session_limits(SessionLimits(1_000, 200.0)) == {
        "maxPayloadSize": 1_000,
        "rateLimits": {"messages": "200:1"},
    }


# --- against a running Weft ---


class Peer:
    """A client that says and hears JSON."""

    def __init__(self, weft: RunningWeft, client: aiomqtt.Client) -> None:
        self.weft = weft
        self.client = client

    async def say(self, topic: str, payload: Any) -> None:
        await self.client.publish(topic, json.dumps(payload), qos=1)

    async def hear(self) -> tuple[str, Any]:
        async with asyncio.timeout(20):
            async for message in self.client.messages:
                assert isinstance(message.payload, bytes)
                return str(message.topic), json.loads(message.payload)
        raise AssertionError("the stream ended")

    async def desire(self, device_id: str, patch: dict[str, Any]) -> None:
        twins, device = self.weft.weft.path.twins, DeviceId(device_id)
        version = twins.get(MAIN, device).desired_version
        await twins.desire(OPERATOR, device, patch, version=version)

    @property
    def answers(self) -> ThingsBoardAnswers:
        answers = self.weft.weft.path.desk._answerers["thingsboard"]
        assert isinstance(answers, ThingsBoardAnswers)
        return answers


@asynccontextmanager
async def peer(folder: Path, *filters: str) -> AsyncIterator[Peer]:
    """A gateway that may add devices, connected with its token as user name."""
    async with running_weft(folder) as weft:
        token = (await weft.add_device(GATEWAY)).token
        devices = weft.weft.identity.devices
        await devices.patch(OPERATOR, GATEWAY, DevicePatch(adds_children=True))
        async with aiomqtt.Client("127.0.0.1", weft.mqtt_port, username=token) as client:
            for one in filters:
                await client.subscribe(one, qos=1)
            yield Peer(weft, client)


@pytest.mark.parametrize(
    ("filter_", "ask", "answer"),
    [
        ("v1/devices/me/attributes/response/+", "v1/devices/me/attributes/request/7",
         "v1/devices/me/attributes/response/7"),
        ("v2/a/res/+", "v2/a/req/7", "v2/a/res/7"),
        ("v2/a/res/j/+", "v2/a/req/j/7", "v2/a/res/j/7"),
    ],
)  # fmt: skip
async def test_an_answer_comes_in_the_form_of_the_question(
    tmp_path: Path, filter_: str, ask: str, answer: str
) -> None:
    async with peer(tmp_path, filter_) as device:
        await device.desire(GATEWAY, {"interval": 5})
        await device.say("v2/a", {"firmware": "1.2"})
        await device.say(ask, {"clientKeys": "firmware", "sharedKeys": "interval"})
        assert await device.hear() == (
            answer,
            {"client": {"firmware": "1.2"}, "shared": {"interval": 5}},
        )


@pytest.mark.parametrize(
    ("filter_", "call", "answer"),
    [
        ("v1/devices/me/rpc/response/+", "v1/devices/me/rpc/request/3",
         "v1/devices/me/rpc/response/3"),
        ("v2/r/res/+", "v2/r/req/3", "v2/r/res/3"),
    ],
)  # fmt: skip
async def test_a_call_is_answered_by_its_number(
    tmp_path: Path, filter_: str, call: str, answer: str
) -> None:
    async with peer(tmp_path, filter_) as device:
        await device.say(call, {"method": "door_opened", "params": "by hand"})
        topic, said = await device.hear()
        assert (topic, said["event"]) == (answer, "door_opened")
        event = (await device.weft.payloads())[said["position"] - 1]
        assert event == b'{"params":"by hand"}'


async def test_a_call_that_is_acknowledged_is_kept_as_an_event(tmp_path: Path) -> None:
    """Whoever would answer it does not come to it: the event stands in the journal."""
    async with peer(tmp_path) as device:
        desk = device.weft.weft.path.desk
        desk.answer_with({"thingsboard": Silent()})
        await device.say("v1/devices/me/rpc/request/3", {"method": "leak", "params": {"litres": 2}})
        assert b'{"litres":2}' in await device.weft.payloads()


async def test_a_call_that_its_type_does_not_know_is_answered_with_the_reason(
    tmp_path: Path,
) -> None:
    """And its event lies in the inbox."""
    async with peer(tmp_path, "v1/devices/me/rpc/response/+") as device:
        await device.weft.add_type("pump")
        devices = device.weft.weft.identity.devices
        await devices.patch(OPERATOR, GATEWAY, DevicePatch(type_name="pump"))
        await device.say("v1/devices/me/rpc/request/3", {"method": "burst", "params": {}})
        assert "burst" in (await device.hear())[1]["error"]
        (kept,) = await device.weft.weft.path.rejections.list(MAIN)
        assert kept.value.topic == "devices/me/events/burst"


async def test_who_asks_before_it_listens_is_answered_when_it_does(tmp_path: Path) -> None:
    """ThingsBoard's own client subscribes in one thread, and its user asks from another."""
    async with peer(tmp_path) as device:
        for number in range(UNHEARD_PER_DEVICE + 1):
            await device.say(f"v1/devices/me/attributes/request/{number}", {})
        await device.say("v1/devices/me/rpc/request/1", {"method": "getCurrentTime"})
        await until(lambda: device.answers._unheard)
        await until(lambda: not device.weft.weft.path.desk._waiting)
        await device.client.subscribe("v1/devices/me/attributes/response/+", qos=1)
        heard = [(await device.hear())[0] for _ in range(UNHEARD_PER_DEVICE - 1)]
        assert heard[-1] == f"v1/devices/me/attributes/response/{UNHEARD_PER_DEVICE}"
        await device.client.subscribe("v1/devices/me/rpc/response/+", qos=1)
        assert (await device.hear())[0] == "v1/devices/me/rpc/response/1"
        assert not device.answers._unheard


async def test_shared_attributes_are_told_on_each_topic_that_is_listened_to(tmp_path: Path) -> None:
    async with peer(tmp_path, "v1/devices/me/attributes", "v2/a") as device:
        await device.desire(GATEWAY, {"interval": 5})
        assert dict([await device.hear(), await device.hear()]) == {
            "v1/devices/me/attributes": {"interval": 5},
            "v2/a": {"interval": 5},
        }


async def test_what_nobody_heard_is_told_with_the_next_change(tmp_path: Path) -> None:
    async with peer(tmp_path) as device:
        await device.desire(GATEWAY, {"interval": 5})
        await until(lambda: not device.weft.weft.path.desk._waiting)
        await device.client.subscribe("v1/devices/me/attributes", qos=1)
        await device.desire(GATEWAY, {"site": "north"})
        assert (await device.hear())[1] == {"interval": 5, "site": "north"}


async def test_a_gateway_introduces_its_devices_and_speaks_for_them(tmp_path: Path) -> None:
    """By connect, with the type that we know by that name; telemetry goes to each of them."""
    async with peer(tmp_path, "v1/gateway/attributes", "v1/gateway/attributes/response") as gateway:
        await gateway.weft.add_type("pump")
        await gateway.say("v1/gateway/connect", {"device": "Pump A", "type": "pump"})
        await gateway.say(
            "v1/gateway/telemetry", {"Pump A": [{"temperature": 21.5}], "B": {"x": 1}}
        )
        await gateway.say("v1/gateway/attributes", {"Pump A": {"interval": 4}})
        asked = {"id": 1, "device": "Pump A", "client": True, "key": "interval"}
        await gateway.say("v1/gateway/attributes/request", asked)
        assert await gateway.hear() == (
            "v1/gateway/attributes/response",
            {"id": 1, "device": "Pump A", "value": 4},
        )
        await gateway.desire("Pump-A", {"interval": 5})
        told = {"device": "Pump A", "data": {"interval": 5}}
        assert await gateway.hear() == ("v1/gateway/attributes", told)
        device = gateway.weft.weft.identity.devices.get(MAIN, "Pump-A")
        presence = gateway.weft.weft.identity.presence
        assert presence.is_connected(device.uid)
        await gateway.say("v1/gateway/disconnect", {"device": "Pump A"})
        await until(lambda: not presence.is_connected(device.uid))
        (spell,) = [record.value for record in await presence.list(MAIN, device.uid)]
        assert (spell.protocol, spell.reason) == ("thingsboard", LEFT)
        assert (device.type_name, device.alias) == ("pump", "Pump A")
        twins = gateway.weft.weft.path.twins
        assert twins.get(MAIN, DeviceId("B")).telemetry["x"].value == 1


async def test_what_is_no_question_is_not_answered(tmp_path: Path) -> None:
    """A device that publishes among its private topics itself learns nothing by it."""
    async with peer(tmp_path, "v1/devices/me/rpc/response/+") as device:
        asker = OPERATOR
        for rest in ("nonsense/1", "ask/other/1", "down/me/attributes"):
            with pytest.raises(Invalid):
                await device.answers.answer(Question(asker, GATEWAY, rest, b"{}", 1, 1))
        await device.say("devices/me/dialects/thingsboard/nonsense/1", {})
        await device.say("v1/devices/me/rpc/request/1", {"method": "getCurrentTime"})
        assert (await device.hear())[0] == "v1/devices/me/rpc/response/1"


async def test_a_question_about_a_device_that_was_taken_away_is_told_apart(tmp_path: Path) -> None:
    async with peer(tmp_path) as device:
        asked = b'{"id":1,"device":"gone","key":"a"}'
        with pytest.raises(Invalid, match="gone"):
            await device.answers.answer(Question(OPERATOR, GATEWAY, "gateway-ask", asked, 1, 1))


async def test_a_device_is_not_there_when_its_gateway_is_not(tmp_path: Path) -> None:
    """Its word that the device came is heard after the gateway itself has gone."""
    async with peer(tmp_path) as gateway:
        identity = gateway.weft.weft.identity
        new = NewDevice(device_id="room-1", gateway=GATEWAY, alias="Room 1")
        room = await identity.devices.create(OPERATOR, new)
        uid = identity.devices.get(MAIN, GATEWAY).uid
        asker = Principal(MAIN, PrincipalKind.DEVICE, GATEWAY, uid)
        came = Question(asker, DeviceId("room-1"), "connect", b"{}", 1, 1)
        other = Question(OPERATOR, DeviceId("room-1"), "connect", b"{}", 1, 1)
        await gateway.answers.answer(other)
        assert not identity.presence.is_connected(room.uid)
        await gateway.answers.answer(came)
        assert identity.presence.is_connected(room.uid)
        await gateway.client.__aexit__(None, None, None)
        await until(lambda: not identity.presence.is_connected(uid))
        assert not identity.presence.is_connected(room.uid)
        await gateway.answers.answer(came)
        assert not identity.presence.is_connected(room.uid)
        await gateway.client.__aenter__()
