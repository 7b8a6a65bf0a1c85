from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.loops import pytest_asyncio_loop_factories
from tests.security.rows.support import House, house_in

__all__ = ["pytest_asyncio_loop_factories"]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with house_in(tmp_path / "data") as opened:
        yield opened
