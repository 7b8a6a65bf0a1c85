"""A line to a real Kafka broker: both ways, over kills of the broker and of ourselves."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.connectors.kafka.support import Kafka, needs_kafka
from tests.interop.support import RunningWeft, running_weft, until

from weft.app.compose import MAIN
from weft.connectors.kafka import line as module
from weft.connectors.kafka.line import Line, load_library
from weft.connectors.kafka.settings import KafkaSettings
from weft.connectors.shares import Share
from weft.errors import ConfigurationError
from weft.model.principal import Principal, PrincipalKind
from weft.security.limits import Limiter, LimitSettings, Rate
from weft.supervision import FakeClock

OUT = '[{filter = "devices/+/telemetry", to = "plant"}]'
SCOPES = ("telemetry:read", "telemetry:write", "twins:write", "commands:write")


def test_without_the_extra_weft_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """OP-2: not on a guess."""
    monkeypatch.setitem(__import__("sys").modules, "aiokafka", None)
    with pytest.raises(ConfigurationError) as caught:
        load_library()
    assert "weft[kafka]" in caught.value.remedy


async def test_rl_1_an_order_waits_until_the_lines_key_may_bring_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RL-1: three orders that cannot be read, where two a second are free: the third waits."""
    monkeypatch.setattr(module, "load_library", lambda: None)
    clock, waits = FakeClock(), list[float]()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.turn(seconds)

    rates = LimitSettings(principal_messages=Rate(2, 2))
    given: Any = SimpleNamespace(share=Share(Limiter(clock, rates), sleep), doors=None)
    settings = KafkaSettings(servers=("127.0.0.1:1",), key="k", into=("orders",))
    line = Line("main", settings, given)
    key = Principal(MAIN, PrincipalKind.KEY, "k", "k-1")
    for offset in range(3):
        record = SimpleNamespace(topic="orders", partition=0, offset=offset, value=b"no order")
        await line._admit(key, record)
    assert (line.refused, waits) == (3, [0.5])


@pytest.fixture
async def kafka(tmp_path: Path) -> AsyncIterator[Kafka]:
    made = Kafka(tmp_path / "kafka")
    await made.format()
    await made.start()
    yield made
    await made.kill()


@asynccontextmanager
async def lined(
    folder: Path, kafka: Kafka, *more: str, key: str = ""
) -> AsyncIterator[tuple[RunningWeft, Principal, str]]:
    if not key:
        async with running_weft(folder) as weft:
            key = (await weft.add_key((), scopes=SCOPES)).username
            await weft.add_type("pump")
            await weft.add_device("pump-7", "pump")
    settings = (
        f'kafka.main.servers=["{kafka.server}"]', f'kafka.main.key="{key}"',
        "kafka.main.tls=false", *more,
    )  # fmt: skip
    async with running_weft(folder, *settings) as weft:
        device = weft.weft.identity.devices.get(MAIN, "pump-7")
        await until(lambda: line_of(weft).health == "ok", 30)
        yield weft, Principal(MAIN, PrincipalKind.DEVICE, "pump-7", device.uid), key


def line_of(weft: RunningWeft) -> Any:
    return weft.weft.business.bridges.lines[0]


async def say(weft: RunningWeft, pump: Principal, number: int) -> None:
    body = b'{"rpm": %d}' % number
    topic = "devices/pump-7/telemetry"
    await weft.weft.path.ingest.submit(pump, topic, body, address="192.0.2.1:1")


async def heard(kafka: Kafka, topic: str, count: int) -> list[Any]:
    """Return messages of a topic from its beginning, until all numbers below `count` came."""
    consumer = load_library().AIOKafkaConsumer(
        topic, bootstrap_servers=kafka.server, auto_offset_reset="earliest"
    )
    await consumer.start()
    found: list[Any] = []
    try:
        async with asyncio.timeout(60):
            while {json.loads(one.value)["rpm"] for one in found} != set(range(count)):
                for records in (await consumer.getmany(timeout_ms=300)).values():
                    found += records
    finally:
        await consumer.stop()
    return found


async def send(kafka: Kafka, topic: str, *values: bytes) -> None:
    producer = load_library().AIOKafkaProducer(bootstrap_servers=kafka.server)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


@needs_kafka
@pytest.mark.slow
async def test_nothing_is_lost_outwards_while_the_broker_dies_and_returns(
    tmp_path: Path, kafka: Kafka
) -> None:
    """Killed in a stream of 100, then we restart: all are there, keyed, in the device's order."""
    out = f"kafka.main.out={OUT}"
    async with lined(tmp_path / "weft", kafka, out) as (weft, pump, key):
        for number in range(40):
            await say(weft, pump, number)
        await kafka.kill()
        for number in range(40, 80):
            await say(weft, pump, number)
    await kafka.start()
    async with lined(tmp_path / "weft", kafka, out, key=key) as (weft, pump, _):
        for number in range(80, 100):
            await say(weft, pump, number)
        found = await heard(kafka, "plant", 100)
    assert {one.key for one in found} == {b"pump-7"}
    first = list(dict.fromkeys(dict(one.headers)["weft-position"] for one in found))
    assert len(first) == 100
    assert sorted(first, key=int) == first


@needs_kafka
@pytest.mark.slow
async def test_orders_come_in_by_the_one_door_and_once(tmp_path: Path, kafka: Kafka) -> None:
    """Telemetry, a wish and a command; nonsense is told and does not stop the rest."""
    await send(
        kafka,
        "orders",
        b'{"device": "pump-7", "telemetry": {"rpm": 5}}',
        b'{"device": "pump-7", "desired": {"interval": 30}}',
        b"no order",
        b'{"device": "nobody", "command": "stop"}',
        b'{"device": "pump-7", "command": "stop"}',
    )
    into = 'kafka.main.into=["orders"]'
    async with lined(tmp_path / "weft", kafka, into) as (weft, _, key):
        await until(lambda: line_of(weft).done == 3, 30)
        assert line_of(weft).refused == 2
        path = weft.weft.path
        assert path.twins.get(MAIN, "pump-7").desired == {"interval": 30}
        assert len(path.commands.open_for(MAIN, "pump-7")) == 1
        await asyncio.sleep(1.0)  # committed
    async with lined(tmp_path / "weft", kafka, into, key=key) as (weft, _, _):
        await send(kafka, "orders", b'{"device": "pump-7", "telemetry": {"rpm": 6}}')
        await until(lambda: line_of(weft).done == 1, 30)
        assert len(weft.weft.path.commands.open_for(MAIN, "pump-7")) == 1
