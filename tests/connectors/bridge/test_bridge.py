"""Bridges against a real broker: both ways, over kills, without loops, with the key's rights."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from tests.connectors.bridge.support import Mosquitto, needs_mosquitto
from tests.interop.support import OPERATOR, RunningWeft, running_weft, until

from weft.app.compose import MAIN
from weft.connectors.bridge.bridge import BRIDGES
from weft.ingest.submit import Ingest
from weft.model.principal import Principal, PrincipalKind

pytestmark = needs_mosquitto
OUT = '[{filter = "devices/+/telemetry", to = "plant/{1}"}]'
INTO = '[{filter = "cmd/+/telemetry", to = "devices/{1}/telemetry"}]'


class Far:
    """A client at the far broker, with a session that outlives the broker's death."""

    def __init__(self, broker: Mosquitto, topic: str = "") -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.client = paho.Client(
            CallbackAPIVersion.VERSION2, f"far-{topic[:5]}", clean_session=not topic
        )
        self.client.reconnect_delay_set(1, 1)
        self.client.on_message = lambda _c, _u, m: self.heard.append((m.topic, m.payload))
        if topic:
            self.client.on_connect = lambda c, *_: c.subscribe(topic, qos=1)
        self.client.connect_async("127.0.0.1", broker.port)
        self.client.loop_start()

    def numbers(self) -> list[int]:
        return [json.loads(payload)["n"] for _, payload in self.heard]

    def say(self, topic: str, number: int) -> None:
        self.client.publish(topic, b'{"n": %d}' % number, qos=1)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@asynccontextmanager
async def far(broker: Mosquitto, topic: str = "") -> AsyncIterator[Far]:
    made = Far(broker, topic)
    try:
        await until(made.client.is_connected)
        yield made
    finally:
        await asyncio.to_thread(made.close)


@asynccontextmanager
async def bridged(
    folder: Path,
    broker: Mosquitto,
    out: str,
    into: str,
    *,
    key: str = "",
    more: tuple[str, ...] = (),
) -> AsyncIterator[tuple[RunningWeft, Principal, str]]:
    """A Weft with a bridge; the key is made at the first start and named from then on."""
    if not key:
        async with running_weft(folder) as weft:
            key = (await weft.add_key(("#",), deny=("devices/secret/#",))).username
            await weft.add_device("pump-7")
            await weft.add_device("secret")
    settings = (
        f'bridges.far.url="{broker.url}"', f'bridges.far.key="{key}"',
        'bridges.far.allow=["127.0.0.1/32"]', f"bridges.far.out={out}", f"bridges.far.into={into}",
        *more,
    )  # fmt: skip
    async with running_weft(folder, *settings) as weft:
        device = weft.weft.identity.devices.get(MAIN, "pump-7")
        await until(up(weft), 20)
        yield weft, Principal(MAIN, PrincipalKind.DEVICE, "pump-7", device.uid), key


async def say(ingest: Ingest, pump: Principal, number: int) -> None:
    body = b'{"n": %d}' % number
    await ingest.submit(pump, f"devices/{pump.id}/telemetry", body, address="192.0.2.1:1")


def bridge_of(weft: RunningWeft) -> Any:
    return weft.weft.business.bridges.bridges[0]


def up(weft: RunningWeft) -> Callable[[], bool]:
    return lambda: bridge_of(weft).state.connected


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    made = Mosquitto(tmp_path / "broker")
    await made.start()
    yield made
    await made.kill()


async def test_nothing_is_lost_outwards_while_the_broker_dies_and_returns(
    tmp_path: Path, broker: Mosquitto
) -> None:
    """Killed twice in a stream of 300, each time with messages on their way."""
    async with (
        far(broker, "plant/#") as reader,
        bridged(tmp_path / "weft", broker, OUT, "[]") as (weft, pump, _),
    ):
        await asyncio.sleep(1.5)  # the reader's session is on the broker's disk
        for number in range(300):
            await say(weft.weft.path.ingest, pump, number)
            if number in (100, 200):
                await asyncio.sleep(1.5)  # what the broker has acknowledged is on its disk as well
                await broker.kill()
            if number in (150, 250):
                await broker.start()
        await until(lambda: set(reader.numbers()) == set(range(300)), 60)
        assert {topic for topic, _ in reader.heard} == {"plant/pump-7"}


async def test_what_was_sent_while_the_broker_was_away_survives_our_restart(
    tmp_path: Path, broker: Mosquitto
) -> None:
    """Store and forward: the journal is the store, and the position is on disk."""
    async with bridged(tmp_path / "weft", broker, OUT, "[]") as (weft, pump, key):
        await broker.kill()
        for number in range(20):
            await say(weft.weft.path.ingest, pump, number)
        await until(lambda: weft.weft.health()["bridge far"] != "ok")
    await broker.start()
    async with (
        far(broker, "plant/#") as reader,
        bridged(tmp_path / "weft", broker, OUT, "[]", key=key) as (weft, _, _),
    ):
        await until(lambda: len(reader.heard) >= 20, 30)
        assert reader.numbers() == list(range(20))

        async def stored() -> int:
            found = await weft.weft.stores.records.read(lambda r: r.get(BRIDGES, MAIN, "far"))
            return found.value.position

        async with asyncio.timeout(10):
            while await stored() < weft.weft.stores.journal.head:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_what_comes_in_is_kept_once_with_the_rights_of_the_key(
    tmp_path: Path, broker: Mosquitto
) -> None:
    """Through the gate: what the key may not introduce is refused and kept as refused."""
    async with (
        far(broker) as writer,
        bridged(tmp_path / "weft", broker, "[]", INTO) as (weft, _, _),
    ):
        for number in range(50):
            writer.say("cmd/pump-7/telemetry", number)
        writer.say("cmd/secret/telemetry", 99)
        state = bridge_of(weft).state
        await until(lambda: (state.received, state.refused) == (50, 1), 20)
        found = [json.loads(one)["n"] for one in await weft.payloads()]
        assert sorted(found) == [*range(50), 99]


async def test_what_came_while_we_were_down_waits_at_the_broker(
    tmp_path: Path, broker: Mosquitto
) -> None:
    """Our session there is ours after a restart."""
    async with far(broker) as writer:
        async with bridged(tmp_path / "weft", broker, "[]", INTO) as (_, _, key):
            await asyncio.sleep(0.1)
        for number in range(10):
            writer.say("cmd/pump-7/telemetry", number)
        await asyncio.sleep(0.3)
        async with bridged(tmp_path / "weft", broker, "[]", INTO, key=key) as (weft, _, _):
            await until(lambda: bridge_of(weft).state.received == 10, 20)
            assert [json.loads(one)["n"] for one in await weft.payloads()] == list(range(10))


async def test_the_same_names_both_ways_make_no_loop(tmp_path: Path, broker: Mosquitto) -> None:
    """Everything out and everything in: each message crosses once."""
    both = '[{filter = "devices/#"}]'
    async with (
        far(broker, "devices/#") as reader,
        bridged(tmp_path / "weft", broker, both, both) as (weft, pump, _),
    ):
        await asyncio.sleep(0.3)
        await say(weft.weft.path.ingest, pump, 1)
        await until(lambda: len(reader.heard) == 1)
        reader.say("devices/pump-7/telemetry", 2)
        await until(lambda: bridge_of(weft).state.received == 1)
        await asyncio.sleep(1.0)  # a loop would have turned many times
        assert sorted(reader.numbers()) == [1, 2]
        assert len(await weft.payloads()) == 2


async def test_a_revoked_key_ends_what_crosses(tmp_path: Path, broker: Mosquitto) -> None:
    """Nothing goes out any more; the next connection says why."""
    async with (
        far(broker, "plant/#") as reader,
        bridged(tmp_path / "weft", broker, OUT, "[]") as (weft, pump, key),
    ):
        await weft.weft.identity.keys.revoke(OPERATOR, MAIN, key)
        await say(weft.weft.path.ingest, pump, 1)
        await asyncio.sleep(0.6)
        assert reader.heard == []
        await broker.kill()
        await until(lambda: "There is no service key" in bridge_of(weft).health, 20)


async def test_what_the_journal_no_longer_has_is_told(tmp_path: Path, broker: Mosquitto) -> None:
    """The broker was away for longer than messages are kept: how many is counted."""
    async with bridged(tmp_path / "weft", broker, OUT, "[]") as (weft, pump, _):
        await broker.kill()
        await until(lambda: not up(weft)())
        for number in range(5):
            await say(weft.weft.path.ingest, pump, number)
        head = weft.weft.stores.journal.head
        await weft.weft.stores.journal.trim(before=head)
        await broker.start()
        await until(lambda: bridge_of(weft).state.reached.missed == 4, 30)


async def test_rl_1_what_comes_in_faster_than_the_key_may_send_waits_and_none_is_lost(
    tmp_path: Path, broker: Mosquitto
) -> None:
    """RL-1: 150 messages where 50 are free; the far broker keeps the rest until it may come."""
    rates = "security.limits.principal_messages={per_s = 200, burst = 50}"
    async with (
        far(broker) as writer,
        bridged(tmp_path / "weft", broker, "[]", INTO, more=(rates,)) as (weft, pump, key),
    ):
        limiter = weft.weft.identity.limiter
        take, held = limiter.take, list[str]()

        def watched(tenant: Any, principal: Any, kind: Any, amount: float = 1) -> float:
            wait_s = take(tenant, principal, kind, amount)
            if wait_s > 0:
                held.append(principal.id)
            return wait_s

        limiter.take = watched  # type: ignore[method-assign]
        for number in range(150):
            writer.say(f"cmd/{pump.id}/telemetry", number)
        await until(lambda: bridge_of(weft).state.received >= 150, 20)
        assert bridge_of(weft).state.refused == 0
        assert set(held) == {key}
