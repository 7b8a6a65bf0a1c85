"""Far sides for simulated devices: a real Weft, and one that does what a test wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.app.support import served

from weft.app.compose import MACHINE, Weft
from weft.registry.devices import NewDevice

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
TYPE = {
    "telemetry": {
        "temperature": {"type": "number", "minimum": 20, "maximum": 120},
        "vibration": {"type": "number", "minimum": 0, "maximum": 10},
    }
}


@asynccontextmanager
async def plant(folder: Path) -> AsyncIterator[tuple[Weft, tuple[str, int]]]:
    """Serve a Weft that knows the type `machine`; yield it and where it speaks MQTT."""
    async with served(folder) as weft:
        await weft.identity.types.save(MACHINE, "machine", TYPE)
        host, _, port = weft.endpoints.mqtt.rpartition(":")
        yield weft, (host, int(port))


async def add_machine(weft: Weft, name: str, type_name: str | None = "machine") -> tuple[str, str]:
    """Make a device of the type, or of none, and return its credential."""
    new = NewDevice(device_id=name, type_name=type_name)
    device = await weft.identity.devices.create(MACHINE, new)
    issued = await weft.identity.credentials.issue_secret(MACHINE, device)
    return name, issued.token


@asynccontextmanager
async def far_side(answer: Answer) -> AsyncIterator[tuple[str, int]]:
    """Listen on a free port and handle each connection with `answer`."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[:2]
