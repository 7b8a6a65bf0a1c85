"""A real platform on a data folder: in this process, or as `weft up` in one of its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from weft.app.compose import MACHINE, MAIN, Weft
from weft.app.folder import DataFolder
from weft.cli.client import Client
from weft.cli.root import cli
from weft.config import Config, load_config
from weft.model.ids import DeviceId
from weft.ports import HistoryQuery
from weft.registry.devices import NewDevice

ANY_PORT = (
    "api.listen=127.0.0.1:0",
    "transports.mqtt.listen=127.0.0.1:0",
    "transports.coap.listen=127.0.0.1:0",
)
START_MS = 1_790_000_000_000


def config() -> Config:
    """Settings with ports of their own."""
    return load_config(None, {}, ANY_PORT)


def weft_command(data: Path, *arguments: str, text: str | None = None) -> Result:
    """Run a command on a data folder."""
    args = ["--data", str(data), *arguments]
    return CliRunner().invoke(cli, args, input=text, catch_exceptions=False)


@asynccontextmanager
async def serving(data: Path) -> AsyncIterator[Weft]:
    """Serve on a data folder, in this loop."""
    async with Weft.open(config(), DataFolder(data)) as weft, weft.running():
        yield weft


async def make_device(weft: Weft, name: str) -> str:
    """Make a device; return its token."""
    device = await weft.identity.devices.create(MACHINE, NewDevice(device_id=name))
    return (await weft.identity.credentials.issue_secret(MACHINE, device)).token


async def make_folder(data: Path, messages: int) -> str:
    """Make a data folder with a device and messages of it; return the device's token."""

    async with serving(data) as weft:
        token = await make_device(weft, "pump-1")
        for number in range(messages):
            await asyncio.to_thread(send, weft.endpoints.http, token, "pump-1", number)
    return token


def send(url: str, token: str, device: str, number: int) -> None:
    """Send one number, at a moment of its own; when this returns, it is acknowledged."""
    body = {"ts": START_MS + number, "values": {"n": number}}
    Client(url, token).send("POST", f"/devices/{device}/telemetry", body=json.dumps(body).encode())


async def numbers_in_history(weft: Weft, device: str) -> list[int]:
    """Return what history has of a device."""
    start = START_MS * 1_000_000
    query = HistoryQuery(MAIN, (DeviceId(device),), ("n",), start, start + 10**15, limit=1_000_000)
    table = await weft.path.history.query(query)
    return [int(value) for value in table.columns["value"]]


async def numbers_in_journal(weft: Weft) -> list[tuple[str, int]]:
    """Return what the journal has: device and number of each message."""
    found: list[tuple[str, int]] = []
    async for batch in weft.stores.journal.read(0):
        for envelope in batch.envelopes:
            payload: Any = json.loads(envelope.payload) if envelope.payload else None
            if isinstance(payload, dict) and "values" in payload:
                found.append((envelope.route.device_id, payload["values"]["n"]))
    return found
