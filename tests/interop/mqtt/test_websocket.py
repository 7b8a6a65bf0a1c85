"""MQTT over WebSocket with other people's clients, beside the same over TCP (AU-2)."""

import asyncio
import threading
from typing import Any

import aiomqtt
import pytest
from aiomqtt import ProtocolVersion
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from tests.interop.mqtt.conftest import Site
from tests.interop.support import Account
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

V311, V5 = ProtocolVersion.V311, ProtocolVersion.V5
PATIENCE_S = 20.0


def http_port(site: Site) -> int:
    return int(site.weft.weft.endpoints.http.rpartition(":")[2])


def over_websocket(site: Site, account: Account, version: ProtocolVersion = V5) -> aiomqtt.Client:
    return aiomqtt.Client(
        "127.0.0.1",
        http_port(site),
        transport="websockets",
        websocket_path="/mqtt",
        username=account.username,
        password=account.token,
        protocol=version,
        timeout=PATIENCE_S,
    )


def over_tcp(site: Site, account: Account, version: ProtocolVersion = V5) -> aiomqtt.Client:
    return aiomqtt.Client(
        "127.0.0.1",
        site.port,
        username=account.username,
        password=account.token,
        protocol=version,
        timeout=PATIENCE_S,
    )


@pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5.0"])
async def test_aiomqtt_meets_a_client_of_tcp(site: Site, version: ProtocolVersion) -> None:
    """A pump in a browser, a business system on TCP: every QoS, and a large message."""
    large = b'{"temperature":1,"note":"%s"}' % (b"x" * 100_000)
    async with over_tcp(site, site.app, version) as app:
        await app.subscribe("lab/#", qos=2)
        async with over_websocket(site, site.app, version) as other:
            for qos in (0, 1, 2):
                await other.publish("lab/x", large, qos)
            await other.subscribe("lab/back", qos=1)
            await app.publish("lab/back", large, 1)
            async with asyncio.timeout(PATIENCE_S):
                back = await anext(other.messages)
        async with asyncio.timeout(PATIENCE_S):
            got = [await anext(app.messages) for _ in range(4)]
    assert back.payload == large
    assert [one.payload for one in got] == [large] * 4


async def test_telemetry_is_kept_as_over_tcp(site: Site) -> None:
    async with over_websocket(site, site.pump) as pump:
        await pump.publish("devices/me/telemetry", b'{"temperature":1}', 1)
    assert await site.weft.payloads() == [b'{"temperature":1}']


async def test_paho_connects_publishes_and_hears(site: Site) -> None:
    """The client that most devices' code is written with, in its own thread."""
    heard: list[bytes] = []
    done, subscribed = threading.Event(), threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, transport="websockets", protocol=paho.MQTTv5)
    client.ws_set_options(path="/mqtt")
    client.username_pw_set(site.app.username, site.app.token)

    def on_message(_client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        heard.append(bytes(message.payload))
        done.set()

    def on_connect(*_: Any) -> None:
        client.subscribe("lab/#", 1)

    client.on_connect = on_connect
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = on_message

    def talk() -> bool:
        client.connect("127.0.0.1", http_port(site))
        client.loop_start()
        try:
            if not subscribed.wait(PATIENCE_S):
                return False
            client.publish("lab/1", b"hello", 1).wait_for_publish(PATIENCE_S)
            return done.wait(PATIENCE_S)
        finally:
            client.disconnect()
            client.loop_stop()

    assert await asyncio.to_thread(talk)
    assert heard == [b"hello"]


async def test_au_2_a_decision_is_the_same_over_both(site: Site) -> None:
    """A wrong secret, and a topic that the key is denied."""
    stranger = Account(site.app.username, "weft_wrong")
    codes: list[list[Any]] = []
    for way in (over_tcp, over_websocket):
        with pytest.raises(aiomqtt.MqttCodeError) as refused:
            async with way(site, stranger):
                pytest.fail("it must not be let in")
        async with way(site, site.app) as app:
            granted = await app.subscribe("secret/x", qos=1)
        codes.append([refused.value.rc, [str(one) for one in granted]])
    assert str(codes[0]) == str(codes[1])


async def test_mq_1_frames_and_paths_have_bounds(site: Site) -> None:
    """A frame too large is 1009, text is 1003, another path is no door."""
    url = f"ws://127.0.0.1:{http_port(site)}"
    mqtt = [Subprotocol("mqtt")]
    for data, code in ((b"\x10" * (2 * 1024 * 1024), 1009), ("text", 1003)):
        async with connect(f"{url}/mqtt", subprotocols=mqtt, max_size=None) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                await _say_and_hear(socket, data)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == code
    for path, offered, status in (("/mqtt", None, 400), ("/api/v1/live", mqtt, 404)):
        with pytest.raises(InvalidStatus) as refused:
            await connect(url + path, subprotocols=offered)
        assert refused.value.response.status_code == status


async def _say_and_hear(socket: Any, data: bytes | str) -> None:
    await socket.send(data)
    async with asyncio.timeout(PATIENCE_S):
        await socket.recv()


async def test_rv_1_a_revoked_device_is_gone_at_once(site: Site) -> None:
    async with asyncio.timeout(PATIENCE_S), over_websocket(site, site.pump) as pump:
        await pump.subscribe("devices/me/#")
        weft = site.weft.weft
        uid = next(iter(weft.identity.connections.of_tenant("main"))).principal.uid  # type: ignore[arg-type]  # a plain name
        assert weft.identity.connections.cut(uid, "revoked") == 1
        with pytest.raises(aiomqtt.MqttError):
            await anext(pump.messages)
