"""The loop that Weft runs on, for folders of tests that open sockets.

A `conftest.py` imports the hook; that is all it takes.
"""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the folder's tests on uvloop."""
    return {"uvloop": uvloop.new_event_loop}
