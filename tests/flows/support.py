"""What whole stories share: a fleet on a data folder, one device that talks, waiting for things."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.soak.device import Device
from tests.soak.server import ServerProcess

from weft.app.compose import MACHINE, Weft
from weft.app.folder import DataFolder
from weft.config import load_config
from weft.registry.devices import NewDevice

WAIT_S = 30.0


async def make_device(
    data: Path,
    device_id: str,
    type_name: str | None = None,
    types: Mapping[str, dict[str, Any]] | None = None,
) -> str:
    """Make types and a device in a folder that nobody serves; return the device's secret."""
    async with Weft.open(load_config(None, {}), DataFolder(data)) as weft:
        for name, document in (types or {}).items():
            await weft.identity.types.save(MACHINE, name, document)
        new = NewDevice(device_id=device_id, type_name=type_name)
        device = await weft.identity.devices.create(MACHINE, new)
        return (await weft.identity.credentials.issue_secret(MACHINE, device)).token


@asynccontextmanager
async def connected(server: ServerProcess, device_id: str, token: str) -> AsyncIterator[Device]:
    """Keep an MQTT 5 device connected inside the context."""
    device = Device(device_id, token, port=server.mqtt_port, five=True)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(device.keep_connected())
        await until(lambda: device.ready, "the device is connected")
        yield device
        task.cancel()


async def until(done: Callable[[], Any], what: str, wait_s: float = WAIT_S) -> None:
    """Wait for something that this process sees."""
    ends_at = time.monotonic() + wait_s
    while not done():
        assert time.monotonic() < ends_at, f"never happened: {what}"
        await asyncio.sleep(0.01)


async def until_told(ask: Callable[[], Awaitable[Any]], what: str, wait_s: float = WAIT_S) -> Any:
    """Ask until the answer is true of something; return it."""
    ends_at = time.monotonic() + wait_s
    while not (answer := await ask()):
        assert time.monotonic() < ends_at, f"never happened: {what}"
        await asyncio.sleep(0.05)
    return answer
