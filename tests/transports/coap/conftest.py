"""A Weft that serves CoAP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.loops import pytest_asyncio_loop_factories
from tests.transports.coap.support import House, running_house

__all__ = ["pytest_asyncio_loop_factories"]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A running Weft, in the clear on loopback and over DTLS."""
    async with running_house(tmp_path / "data") as made:
        yield made
