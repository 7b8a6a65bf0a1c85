"""A thing of AWS's updates its shadow while Weft is killed, again and again.

Whole servers as processes. Every update that was acknowledged is done, none is done twice, and
no side of one without the other.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from tests.flows.support import make_device, until, until_told
from tests.soak.server import HOST, ServerProcess
from tests.soak.warm import Warm

pytestmark = pytest.mark.slow

UPDATE = "$aws/things/pump-7/shadow/update"
ROUNDS = 3
AT_ONCE = 300  # more than may wait as questions
KILLED_AFTER = 120


async def test_every_acknowledged_update_is_done_once_though_weft_is_killed(
    tmp_path: Path, warm: Warm
) -> None:
    """Each update is one version of the twin, so the version counts those that were done."""
    server = ServerProcess(tmp_path / "data", warm=warm)
    token = await make_device(server.data, "pump-7")
    try:
        serial = 0
        for _ in range(ROUNDS):
            await server.start()
            twin = await settled(server, serial)
            serial = await update_until_killed(server, token, twin["version"])
        await server.start()
        await settled(server, serial)
        assert await server.stop() == 0, server.said()
    finally:
        if server.process is not None and server.process.poll() is None:
            await server.kill()


async def update_until_killed(server: ServerProcess, token: str, done: int) -> int:
    """Update behind `done`, and kill in the middle; return the last that was acknowledged."""
    acknowledged = done

    async def update(client: aiomqtt.Client, serial: int) -> None:
        nonlocal acknowledged
        state = {"desired": {"serial": serial}, "reported": {"serial": serial}}
        await client.publish(UPDATE, json.dumps({"state": state}), qos=1, timeout=60)
        acknowledged = max(acknowledged, serial)

    client = aiomqtt.Client(HOST, server.mqtt_port, username="pump-7", password=token)
    client.pending_calls_threshold = AT_ONCE
    async with client:
        tasks = [
            asyncio.create_task(update(client, serial))
            for serial in range(done + 1, done + AT_ONCE + 1)
        ]
        await until(lambda: acknowledged >= done + KILLED_AFTER, "updates are acknowledged")
        reached = acknowledged
        await server.kill()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return max(reached, acknowledged)


async def settled(server: ServerProcess, acknowledged: int) -> dict[str, Any]:
    """Wait until all that was acknowledged is done; return the twin."""

    async def look() -> dict[str, Any] | None:
        twin: dict[str, Any] = await server.get("/devices/pump-7/twin")
        await asyncio.sleep(0.2)
        again = await server.get("/devices/pump-7/twin")
        is_quiet = twin["version"] == again["version"]
        return twin if is_quiet and twin["version"] >= acknowledged else None

    twin: dict[str, Any] = await until_told(look, "what was acknowledged is done")
    version = twin["version"]
    wanted = {"serial": version} if version else {}
    assert (twin["desired"], twin["reported"]) == (wanted, wanted)
    return twin
