"""A world for each test that asks for one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.api.support import World, running


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running(World(tmp_path)) as made:
        yield made
