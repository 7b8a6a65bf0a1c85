"""One Weft per test, filled as an owner would: a pump with a type, and a business system's key."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.interop.support import Account, RunningWeft, running_weft
from tests.loops import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]


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
