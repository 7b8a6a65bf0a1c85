"""gmqtt: an asyncio client of MQTT 5 with a codec of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import gmqtt
import pytest
from gmqtt.mqtt.handler import MQTTConnectError
from tests.interop.mqtt.conftest import Site
from tests.interop.support import Account


class Gmqtt:
    """A client with what it received in a queue."""

    def __init__(self, client_id: str, **options: Any) -> None:
        self.client = gmqtt.Client(client_id, **options)
        self.messages: asyncio.Queue[tuple[str, bytes, int, dict[str, Any]]] = asyncio.Queue()
        self.granted: asyncio.Queue[Any] = asyncio.Queue()
        self.client.on_message = self._message
        self.client.on_subscribe = lambda _c, _m, codes, _p: self.granted.put_nowait(codes)

    def _message(
        self, _client: Any, topic: str, payload: bytes, qos: int, properties: dict[str, Any]
    ) -> int:
        self.messages.put_nowait((topic, payload, qos, properties))
        return 0

    async def take(self) -> tuple[str, bytes, int, dict[str, Any]]:
        async with asyncio.timeout(10):
            return await self.messages.get()

    async def subscribe(self, topic: str, qos: int = 1) -> Any:
        self.client.subscribe(topic, qos)
        async with asyncio.timeout(10):
            return await self.granted.get()


@asynccontextmanager
async def connected(
    port: int, account: Account, client_id: str, **options: Any
) -> AsyncIterator[Gmqtt]:
    peer = Gmqtt(client_id, **options)
    peer.client.set_config({"reconnect_retries": 0})
    peer.client.set_auth_credentials(account.username, account.token)
    await peer.client.connect("127.0.0.1", port, keepalive=30)
    try:
        yield peer
    finally:
        await peer.client.disconnect()


async def test_publish_and_subscribe_at_every_qos(site: Site) -> None:
    async with (
        connected(site.port, site.app, "app") as app,
        connected(site.port, site.pump, "pump") as pump,
    ):
        await app.subscribe("devices/+/telemetry", 2)
        for qos in (0, 1, 2):
            pump.client.publish("devices/me/telemetry", b'{"rpm":%d}' % qos, qos=qos)
        got = [await app.take() for _ in range(3)]
    assert sorted((qos, payload) for _, payload, qos, _ in got) == [
        (qos, b'{"rpm":%d}' % qos) for qos in (0, 1, 2)
    ]


async def test_properties_travel_with_the_message(site: Site) -> None:
    """Response topic, correlation, content type, user properties, and the time that is left."""
    async with connected(site.port, site.app, "app") as app:
        await app.subscribe("ask")
        app.client.publish(
            "ask",
            b"how warm?",
            qos=1,
            response_topic="answers/1",
            correlation_data=b"7",
            content_type="text/plain",
            message_expiry_interval=60,
            user_property=[("unit", "K"), ("unit", "Cel")],
        )
        _, _, _, properties = await app.take()
    assert properties["response_topic"] == ["answers/1"]
    assert properties["correlation_data"] == [b"7"]
    assert properties["content_type"] == ["text/plain"]
    assert properties["user_property"] == [("unit", "K"), ("unit", "Cel")]
    assert properties["message_expiry_interval"][0] in {59, 60}


async def test_a_session_is_kept_as_long_as_it_asked(site: Site) -> None:
    """gmqtt goes and comes back; the messages in between are there."""
    keeps = {"clean_session": False, "session_expiry_interval": 60}
    async with connected(site.port, site.app, "reader", **keeps) as reader:
        await reader.subscribe("news")
    async with connected(site.port, site.app, "writer") as writer:
        writer.client.publish("news", b"while you were away", qos=1)
        await asyncio.sleep(0.2)
    async with connected(site.port, site.app, "reader", **keeps) as reader:
        _, payload, _, _ = await reader.take()
    assert payload == b"while you were away"


async def test_a_wrong_secret_is_told_with_its_code(site: Site) -> None:
    wrong = Account(site.pump.username, site.app.token)
    with pytest.raises(MQTTConnectError) as caught:
        async with connected(site.port, wrong, "pump"):
            pytest.fail("it must not get in")
    assert caught.value._code == 0x86


async def test_a_forbidden_filter_is_refused(site: Site) -> None:
    async with connected(site.port, site.app, "app") as app:
        assert tuple(await app.subscribe("secret/plans")) == (0x87,)
