"""aiomqtt, as people write asyncio programs today: both versions, against a running Weft."""

import asyncio
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from aiomqtt import ProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from tests.interop.mqtt.conftest import Site, furnish
from tests.interop.support import Account, running_weft, until

V311, V5 = ProtocolVersion.V311, ProtocolVersion.V5
BOTH = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5.0"])


def client(
    port: int, account: Account, version: ProtocolVersion = V5, **options: Any
) -> aiomqtt.Client:
    return aiomqtt.Client(
        "127.0.0.1",
        port,
        username=account.username,
        password=account.token,
        protocol=version,
        timeout=10,
        **options,
    )


async def take(peer: aiomqtt.Client, count: int) -> list[aiomqtt.Message]:
    async with asyncio.timeout(10):
        return [await anext(peer.messages) for _ in range(count)]


@BOTH
async def test_telemetry_of_every_qos_is_kept_and_handed_on(
    site: Site, version: ProtocolVersion
) -> None:
    """A dashboard subscribes with a wildcard, a pump publishes as `me`."""
    async with client(site.port, site.app, version) as app:
        await app.subscribe("devices/+/telemetry", qos=2)
        async with client(site.port, site.pump, version) as pump:
            for qos in (0, 1, 2):
                await pump.publish("devices/me/telemetry", b'{"temperature":%d}' % qos, qos)
        got = await take(app, 3)
    assert [(str(one.topic), one.payload, one.qos) for one in got] == [
        ("devices/pump-7/telemetry", b'{"temperature":%d}' % qos, qos) for qos in (0, 1, 2)
    ]
    assert await site.weft.payloads() == [one.payload for one in got]


@BOTH
async def test_a_token_alone_is_enough(site: Site, version: ProtocolVersion) -> None:
    """As user name, without a password: many devices can fill in one field only."""
    token = aiomqtt.Client("127.0.0.1", site.port, username=site.pump.token, protocol=version)
    async with token as pump:
        await pump.publish("devices/me/telemetry", b'{"temperature":1}', 1)
    assert await site.weft.payloads() == [b'{"temperature":1}']


@BOTH
async def test_a_wrong_secret_is_called_one(site: Site, version: ProtocolVersion) -> None:
    """And not "not authorized": the owner would look for a right that is missing."""
    wrong = Account(site.pump.username, site.app.token)
    with pytest.raises(aiomqtt.MqttError) as caught:
        async with client(site.port, wrong, version):
            pytest.fail("it must not get in")
    assert "Bad user name or password" in str(caught.value)  # return code 4, reason 0x86


@BOTH
async def test_a_forbidden_filter_is_refused_and_the_next_is_granted(
    site: Site, version: ProtocolVersion
) -> None:
    async with client(site.port, site.app, version) as app:
        granted: Any = await app.subscribe([("secret/plans", 1), ("open/#", 1)])
        codes = [getattr(one, "value", one) for one in granted]
        assert codes == [0x80 if version is V311 else 0x87, 1]


@BOTH
async def test_a_retained_message_waits_for_who_comes_later(
    site: Site, version: ProtocolVersion
) -> None:
    async with client(site.port, site.app, version) as app:
        await app.publish("site/state", b"running", 1, retain=True)
        await app.subscribe("site/+", qos=1)
        (message,) = await take(app, 1)
        assert (message.payload, message.retain) == (b"running", True)
        await app.publish("site/state", b"", 1, retain=True)
        await app.unsubscribe("site/+")
        await app.subscribe("site/#", qos=1)
        await app.publish("site/end", b"end", 1)
        got = [one.payload for one in await take(app, 2)]
        assert got[-1] == b"end"
        assert b"running" not in got


async def test_a_group_shares_the_work(site: Site) -> None:
    """Each message goes to one of two workers, and both get some."""
    async with client(site.port, site.app) as one, client(site.port, site.app) as two:
        for worker in (one, two):
            await worker.subscribe("$share/workers/jobs/#", qos=1)
        async with client(site.port, site.app) as boss:
            for number in range(20):
                await boss.publish(f"jobs/{number}", b"%d" % number, 1)
        await until(lambda: len(one.messages) + len(two.messages) == 20)
        got = [await take(worker, len(worker.messages)) for worker in (one, two)]
    assert all(got)
    numbers = sorted(int(bytes(message.payload)) for part in got for message in part)
    assert numbers == list(range(20))


async def test_a_request_finds_its_response(site: Site) -> None:
    """MQTT 5, 4.10: response topic and correlation data travel with the request."""
    async with client(site.port, site.app) as asker, client(site.port, site.app) as helper:
        await helper.subscribe("ask", qos=1)
        await asker.subscribe("answers/1", qos=1)
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = "answers/1"
        properties.CorrelationData = b"\x00\x07"
        properties.UserProperty = [("unit", "Cel"), ("unit", "K")]
        await asker.publish("ask", b"how warm?", 1, properties=properties)
        (request,) = await take(helper, 1)
        asked: Any = request.properties
        assert asked.UserProperty == [("unit", "Cel"), ("unit", "K")]
        answer = Properties(PacketTypes.PUBLISH)
        answer.CorrelationData = asked.CorrelationData
        await helper.publish(asked.ResponseTopic, b"21", 1, properties=answer)
        (response,) = await take(asker, 1)
        told: Any = response.properties
        assert (response.payload, told.CorrelationData) == (b"21", b"\x00\x07")


async def test_no_local_and_subscription_identifiers(site: Site) -> None:
    async with client(site.port, site.app) as app:
        properties = Properties(PacketTypes.SUBSCRIBE)
        properties.SubscriptionIdentifier = 11
        options = SubscribeOptions(qos=1, noLocal=True)
        await app.subscribe("news", options=options, properties=properties)
        await app.publish("news", b"own", 1)
        async with client(site.port, site.app) as other:
            await other.publish("news", b"other", 1)
        (message,) = await take(app, 1)
        told: Any = message.properties
        assert (message.payload, told.SubscriptionIdentifier) == (b"other", [11])


@BOTH
async def test_a_session_outlives_a_restart(tmp_path: Path, version: ProtocolVersion) -> None:
    """What came while the reader was away is there after Weft was stopped and started."""
    keeps: dict[str, Any] = {"identifier": "reader", "clean_session": False}
    if version is V5:
        expiry = Properties(PacketTypes.CONNECT)
        expiry.SessionExpiryInterval = 3600
        keeps = {"identifier": "reader", "clean_start": False, "properties": expiry}
    async with running_weft(tmp_path) as weft:
        site = await furnish(weft, tmp_path)
        async with client(site.port, site.app, version, **keeps) as reader:
            await reader.subscribe("devices/#", qos=2)
        async with client(site.port, site.pump, version) as pump:
            for number in range(50):
                qos = 1 + number % 2
                await pump.publish("devices/me/telemetry", b'{"temperature":%d}' % number, qos)
    async with (
        running_weft(tmp_path) as weft,
        client(weft.mqtt_port, site.app, version, **keeps) as reader,
    ):
        got = await take(reader, 50)
        for qos in (1, 2):  # each in its order [MQTT-4.6.0-6]
            assert [one.payload for one in got if one.qos == qos] == [
                b'{"temperature":%d}' % number for number in range(qos - 1, 50, 2)
            ]
        async with client(weft.mqtt_port, site.pump, version) as pump:
            await pump.publish("devices/me/telemetry", b'{"temperature":51}', 1)
        (last,) = await take(reader, 1)
        assert last.payload == b'{"temperature":51}'
