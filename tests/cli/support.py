"""A running Weft with a data folder, and the command line as a person runs it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from click.testing import CliRunner, Result
from tests.api.support import World, running

from weft.api.operator import Operator, open_key
from weft.api.server import HttpServer
from weft.cli.root import cli
from weft.supervision import SystemClock


class Shell:
    """Runs commands against one data folder."""

    def __init__(self, world: World, data: Path) -> None:
        self.world = world
        self.data = data

    async def run(self, *arguments: str, text: str | None = None) -> Result:
        """Run one command in a thread, as the server runs in this loop."""
        args = ["--data", str(self.data), *arguments]
        return await asyncio.to_thread(
            CliRunner().invoke, cli, args, input=text, catch_exceptions=False
        )

    async def json(self, *arguments: str, text: str | None = None) -> object:
        """Run one command with --json and read its answer."""
        result = await self.run("--json", *arguments, text=text)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@asynccontextmanager
async def shell(folder: Path) -> AsyncIterator[Shell]:
    """Serve a world over real HTTP, with what `weft up` leaves in its data folder."""
    data = folder / "data"
    data.mkdir()
    world = World(folder, operator=Operator(open_key(data), SystemClock()))
    async with running(world):
        server = HttpServer(world.application, world.settings, listen="127.0.0.1:0")
        async with server.running():
            found = {"http": server.url, "pid": os.getpid(), "version": "0.1.0"}
            (data / "server.json").write_text(json.dumps(found))
            yield Shell(world, data)
