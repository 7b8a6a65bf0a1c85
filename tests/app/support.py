"""A whole Weft on a data folder, as `weft up` runs it, on ports that are free."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from weft.app.compose import MACHINE, MAIN, Weft
from weft.app.folder import DataFolder
from weft.app.stores import PLATFORM, POSITIONS
from weft.backends.sqlite.records import SqliteRecords
from weft.config import Config, load_config
from weft.model.device import Device
from weft.model.ids import DeviceId
from weft.model.principal import Principal, PrincipalKind
from weft.ports import HistoryQuery, Writer
from weft.registry.devices import NewDevice

FREE_PORTS = (
    "log.level=error",
    "api.listen=127.0.0.1:0",
    "transports.mqtt.listen=127.0.0.1:0",
    "transports.coap.listen=127.0.0.1:0",
)
ADDRESS = "192.0.2.7:40001"
LAST_NS = 2**62
HOT = {
    "name": "hot",
    "selector": {"devices": ["pump-7"]},
    "when": "temperature > 90.0",
    "clear": "temperature < 80.0",
    "severity": "major",
}


def settings(*assignments: str) -> Config:
    """Settings as of `--set`, on free ports, whatever the environment says."""
    return load_config(environment={}, assignments=(*FREE_PORTS, *assignments))


@asynccontextmanager
async def opened(folder: Path, *assignments: str) -> AsyncIterator[Weft]:
    """Open a folder and serve nothing: what was kept can be looked at."""
    async with Weft.open(settings(*assignments), DataFolder(folder)) as weft:
        yield weft


@asynccontextmanager
async def served(folder: Path, *assignments: str) -> AsyncIterator[Weft]:
    """Open a folder and serve, until the context ends in order."""
    async with opened(folder, *assignments) as weft, weft.running():
        yield weft


async def add_pump(weft: Weft) -> Principal:
    """Make the device pump-7, free JSON, and return who it is."""
    return principal_of(await weft.identity.devices.create(MACHINE, NewDevice("pump-7")))


def principal_of(device: Device) -> Principal:
    """Return a device as authentication makes it."""
    return Principal(device.tenant, PrincipalKind.DEVICE, device.device_id, device.uid)


async def send(weft: Weft, device: Principal, payload: bytes) -> int:
    """Send telemetry as a device; it is on disk when this returns."""
    return await weft.path.ingest.submit(
        device, f"devices/{device.id}/telemetry", payload, address=ADDRESS
    )


async def temperatures(weft: Weft) -> list[Any]:
    """Return every temperature that history has of pump-7."""
    query = HistoryQuery(MAIN, (DeviceId("pump-7"),), ("temperature",), 0, LAST_NS)
    return list((await weft.path.history.query(query)).columns["value"])


async def keep_one_position(folder: Path, name: str) -> None:
    """Leave nothing in a closed folder that knows how far the journal was, but one projection."""
    records = await SqliteRecords.open(folder)

    def work(writer: Writer) -> None:
        for found in writer.list(POSITIONS, PLATFORM, limit=100):
            if found.key != name:
                writer.delete(POSITIONS, PLATFORM, found.key)

    await records.write(work)
    await records.close()
    await asyncio.to_thread(_forget_history, folder)


def _forget_history(folder: Path) -> None:
    for file in folder.glob("history*"):
        file.unlink()


async def eventually(found: Callable[[], Awaitable[Any]], timeout_s: float = 20.0) -> Any:
    """Return what is found as soon as there is something."""
    async with asyncio.timeout(timeout_s):
        while not (value := await found()):  # noqa: ASYNC110  what is waited for sets no event
            await asyncio.sleep(0.01)
    return value
