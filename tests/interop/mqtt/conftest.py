"""One Weft per test, filled as an owner would: a pump with a type, and a business system's key."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvloop
from tests.interop.support import Account, RunningWeft, running_weft


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that Weft runs on."""
    return {"uvloop": uvloop.new_event_loop}


@dataclass(frozen=True)
class Site:
    """A running Weft and who may connect to it; `folder` is where it keeps everything."""

    weft: RunningWeft
    folder: Path
    pump: Account
    app: Account

    @property
    def port(self) -> int:
        return self.weft.mqtt_port


async def furnish(weft: RunningWeft, folder: Path) -> Site:
    """Make a type, a pump that follows it, and a key for everything but `secret/#`."""
    await weft.add_type("pump")
    pump = await weft.add_device("pump-7", "pump")
    app = await weft.add_key(("#",), deny=("secret/#",))
    return Site(weft, folder, pump, app)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running_weft(tmp_path) as weft:
        yield await furnish(weft, tmp_path)
