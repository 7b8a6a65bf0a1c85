"""Sockets are tried on the loop that Weft runs on."""

from tests.loops import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]
