"""Derived telemetry in whole stories: through kills as processes, and over a turned clock."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from tests.flows.support import make_device, until, until_told
from tests.rules.derived.support import Works
from tests.rules.support import ALICE, S, device, members_of
from tests.soak.server import HOST, ServerProcess

from weft.app.compose import MACHINE, Weft
from weft.app.folder import DataFolder
from weft.config import load_config
from weft.model.ids import DeviceId
from weft.rules.derived.model import DerivationDocument
from weft.rules.model import RuleScope, Selector

ROUNDS = 3
AT_ONCE = 400
KILLED_AFTER = 150
PUMP = Selector(devices=("pump-7",))
DERIVATIONS = {
    "double": DerivationDocument("double", "serial * 2.0", PUMP),
    "steps": DerivationDocument("steps", "consumed(serial)", PUMP),
    "usual": DerivationDocument("usual", "mean(double, 5 samples)", PUMP),
}


@pytest.mark.slow
async def test_every_value_stands_in_history_once_though_weft_is_killed(tmp_path: Path) -> None:
    """Acknowledged messages, kills in the middle: each has its values, in the journal once."""
    server = ServerProcess(tmp_path / "data")
    token = await make_device(server.data, "pump-7")
    await derive(server.data)
    try:
        serial = 0
        for _ in range(ROUNDS):
            await server.start()
            serial = await send_until_killed(server, token, serial)
        await server.start()

        async def complete() -> bool:
            sent = await history_of(server, "serial")
            return len(await history_of(server, "usual")) == len(sent) >= serial

        await until_told(complete, "all is computed")
        assert await server.stop() == 0, server.said()
    finally:
        if server.process is not None and server.process.poll() is None:
            await server.kill()
    await assert_each_once(server.data)


async def derive(folder: Path) -> None:
    """Save what is computed, in a folder that nobody serves."""
    async with Weft.open(load_config(None, {}), DataFolder(folder)) as weft:
        for name, document in DERIVATIONS.items():
            await weft.path.derived.derivations.save(MACHINE, name, document)


async def send_until_killed(server: ServerProcess, token: str, done: int) -> int:
    """Send serial numbers behind `done`, and kill in the middle; return the last acknowledged."""
    acknowledged = done

    async def send(client: aiomqtt.Client, serial: int) -> None:
        nonlocal acknowledged
        payload = json.dumps({"serial": serial})
        await client.publish("devices/pump-7/telemetry", payload, qos=1, timeout=60)
        acknowledged = max(acknowledged, serial)

    client = aiomqtt.Client(HOST, server.mqtt_port, username="pump-7", password=token)
    client.pending_calls_threshold = AT_ONCE
    async with client:
        tasks = [
            asyncio.create_task(send(client, serial))
            for serial in range(done + 1, done + AT_ONCE + 1)
        ]
        await until(lambda: acknowledged >= done + KILLED_AFTER, "messages are acknowledged")
        await server.kill()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return acknowledged


async def history_of(server: ServerProcess, key: str) -> list[Any]:
    """Return the samples of a key that history has."""
    params = {"keys": key, "limit": "10000"}
    answer = await server.ask("GET", "/devices/pump-7/history", params=params)
    return list(answer.json()["items"])


async def assert_each_once(folder: Path) -> None:
    """Look at the journal: one derived message for each message of the device, and right."""
    async with Weft.open(load_config(None, {}), DataFolder(folder)) as weft:
        sent: dict[int, float] = {}
        derived: Counter[int] = Counter()
        doubled: dict[int, float] = {}
        journal = weft.stores.journal
        async for batch in weft.path.samples(0, journal.head):
            for position, (envelope, decoded) in enumerate(
                zip(batch.envelopes, batch.decoded, strict=True), batch.first
            ):
                if decoded is None:
                    continue
                (reading,) = decoded
                if envelope.session == "derived":
                    of = int.from_bytes(envelope.origin, "big")
                    derived[of] += 1
                    doubled[of] = reading.values["double"]
                else:
                    sent[position] = reading.values["serial"] * 2.0
        assert set(derived.values()) == {1}
        assert doubled == sent


async def test_a_shift_of_a_line_over_a_turned_clock() -> None:
    """Two presses for eight hours: energy by the quarter, utilisation, and the line's power."""
    works = Works(
        device("press-1", type_name=None),
        device("press-2", type_name=None),
        device("line", type_name=None),
    )
    members_of(works.around).assets["line-1"] = {"press-1", "press-2"}
    works.start()
    presses = Selector(devices=("press-1", "press-2"))
    for key, value in {
        "power": "volts * amperes",
        "used": "consumed(energy, 15m)",
        "use": "utilisation(mode == 'run', 8h)",
        "run": "lasted(mode == 'run')",
    }.items():
        await works.derivations.save(ALICE, key, DerivationDocument(key, value, presses))
    whole = RuleScope(asset="line-1", stale_after_ns=600 * S)
    total = DerivationDocument("power", "sum_of(power)", scope=whole, device="line")
    await works.derivations.save(ALICE, "total", total)

    counters = {"press-1": 990.0, "press-2": 0.0}
    for minute in range(8 * 60 + 1):
        for name, counter in counters.items():
            running = name == "press-1" or minute % 60 < 15  # the other one a quarter of the time
            counters[name] = counted = (counter + (1.0 if running else 0.0)) % 1_000.0
            values = {
                "volts": 400.0,
                "amperes": 10.0 if running else 0.0,
                "energy": counted,
                "mode": "run" if running else "idle",
            }
            works.hear(minute * 60, values, name=name, type_name="")
        if minute % 100 == 50:
            await works.deriver.checkpoint()
            await works.restart()
    works.write()

    last: dict[tuple[str, str], float] = {}
    by_quarter: dict[tuple[str, int], float] = {}
    for batch in works.line.batches:
        for envelope, decoded in zip(batch.envelopes, batch.decoded, strict=True):
            if envelope.session != "derived":
                continue
            name = DeviceId(envelope.route.device_id)
            for reading in decoded:
                for key, value in reading.values.items():
                    last[name, key] = value
                    if key == "used":
                        by_quarter[name, reading.at // (900 * S)] = value
    assert last["press-1", "use"] == 1.0
    assert last["press-2", "use"] == pytest.approx(0.25, abs=0.001)
    assert last["press-1", "run"] == 8 * 3_600.0
    assert last["line", "power"] == 8_000.0
    used = {
        name: sum(value for (one, _quarter), value in by_quarter.items() if one == name)
        for name in counters
    }
    assert used == {"press-1": 480.0 - 1.0, "press-2": 120.0}
