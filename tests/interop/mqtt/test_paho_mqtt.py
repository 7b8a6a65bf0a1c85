"""paho-mqtt with its own thread, as most Python devices run it: both versions."""

import asyncio
import queue
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tests.interop.mqtt.conftest import Site
from tests.interop.support import Account

V311, V5 = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5
BOTH = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5.0"])
PATIENCE_S = 10


class Paho:
    """A client with everything that it is told in queues."""

    def __init__(self, version: MQTTProtocolVersion, account: Account, client_id: str) -> None:
        self.client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=version)
        self.client.username_pw_set(account.username, account.token)
        self.connects: queue.Queue[Any] = queue.Queue()
        self.subscribed: queue.Queue[Any] = queue.Queue()
        self.published: queue.Queue[Any] = queue.Queue()
        self.messages: queue.Queue[Any] = queue.Queue()
        self.ends: queue.Queue[Any] = queue.Queue()
        self.client.on_connect = lambda _c, _u, _f, reason, _p: self.connects.put(reason)
        self.client.on_subscribe = lambda _c, _u, _m, reasons, _p: self.subscribed.put(reasons)
        self.client.on_publish = lambda _c, _u, _m, reason, props: self.published.put(
            (reason, props)
        )
        self.client.on_message = lambda _c, _u, message: self.messages.put(message)
        self.client.on_disconnect = lambda _c, _u, _f, reason, _p: self.ends.put(reason)

    def subscribe(self, topic: str, qos: int) -> list[Any]:
        self.client.subscribe(topic, qos)
        return list(self.subscribed.get(timeout=PATIENCE_S))

    def publish(self, topic: str, payload: bytes, qos: int, **options: Any) -> Any:
        self.client.publish(topic, payload, qos, **options)
        return self.published.get(timeout=PATIENCE_S)

    def take(self, count: int) -> list[Any]:
        return [self.messages.get(timeout=PATIENCE_S) for _ in range(count)]


@contextmanager
def connected(
    port: int, version: MQTTProtocolVersion, account: Account, client_id: str = "", **will: Any
) -> Iterator[Paho]:
    """Blocks; belongs into a thread."""
    paho = Paho(version, account, client_id)
    if will:
        paho.client.will_set(**will)
    paho.client.connect("127.0.0.1", port, keepalive=30)
    paho.client.loop_start()
    try:
        assert not paho.connects.get(timeout=PATIENCE_S).is_failure
        yield paho
    finally:
        paho.client.disconnect()
        paho.client.loop_stop()


@BOTH
async def test_every_qos_up_and_down(site: Site, version: MQTTProtocolVersion) -> None:
    """Fifty messages of each QoS, in order, each once."""

    def story() -> list[tuple[int, bytes]]:
        with (
            connected(site.port, version, site.app) as app,
            connected(site.port, version, site.pump) as pump,
        ):
            app.subscribe("devices/+/telemetry", 2)
            for qos in (0, 1, 2):
                for number in range(50):
                    pump.publish("devices/me/telemetry", b'{"rpm":%d}' % number, qos)
            return [(one.qos, one.payload) for one in app.take(150)]

    got = await asyncio.to_thread(story)
    expected = [b'{"rpm":%d}' % number for number in range(50)]
    for qos in (0, 1, 2):
        assert [payload for one, payload in got if one == qos] == expected


@BOTH
async def test_a_will_tells_of_a_device_that_is_gone(
    site: Site, version: MQTTProtocolVersion
) -> None:
    """Its socket breaks; nobody said good-bye."""

    def story() -> Any:
        with connected(site.port, version, site.app) as app:
            app.subscribe("devices/+/events/+", 1)
            will = {"topic": "devices/me/events/leak", "payload": b'{"litres":1}', "qos": 1}
            with connected(site.port, version, site.pump, **will) as pump:
                raw: Any = pump.client.socket()
                pump.client.loop_stop()
                raw.shutdown(socket.SHUT_RDWR)
            return app.take(1)[0]

    message = await asyncio.to_thread(story)
    assert (message.topic, message.payload) == ("devices/pump-7/events/leak", b'{"litres":1}')


async def test_a_refused_message_is_told_with_its_reason(site: Site) -> None:
    """What a type forbids, and what is another's: codes and words at the device's own log."""

    def story() -> list[tuple[int, str]]:
        with connected(site.port, V5, site.pump) as pump:
            answers = [
                pump.publish("devices/me/telemetry", b'{"temperature":"warm"}', 1),
                pump.publish("devices/other/telemetry", b"{}", 1),
            ]
            return [(reason.value, properties.ReasonString) for reason, properties in answers]

    (code, text), (other_code, other_text) = await asyncio.to_thread(story)
    assert code == 0x99
    assert "temperature" in text
    assert other_code == 0x87
    assert "devices/other/telemetry" in other_text


@BOTH
async def test_who_is_taken_over_is_told(site: Site, version: MQTTProtocolVersion) -> None:
    """MQ-2: the newer connection of the same principal and client id wins."""

    def story() -> Any:
        with connected(site.port, version, site.app, "one") as first:
            first.client.on_connect_fail = None
            with connected(site.port, version, site.app, "one"):
                return first.ends.get(timeout=PATIENCE_S)

    reason = await asyncio.to_thread(story)
    if version is V5:
        assert reason.value == 0x8E


async def test_topic_aliases_are_of_one_hop(site: Site) -> None:
    """The sender's alias does not reach the reader."""

    def story() -> list[Any]:
        with connected(site.port, V5, site.app) as app:
            app.subscribe("a/+", 1)
            for topic in ("a/long", "", ""):
                properties = Properties(PacketTypes.PUBLISH)
                properties.TopicAlias = 3
                app.publish(topic, b"x", 1, properties=properties)
            return app.take(3)

    got = await asyncio.to_thread(story)
    assert [one.topic for one in got] == ["a/long"] * 3
    assert not any(hasattr(one.properties, "TopicAlias") for one in got)
