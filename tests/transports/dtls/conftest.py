"""A door with the world behind it."""

from pathlib import Path

import pytest
from tests.security.support import World
from tests.transports.dtls.support import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A DTLS door without a socket."""
    return House(tmp_path)


@pytest.fixture
def certified(tmp_path: Path) -> World:
    """A world whose certificate authority is open."""
    world = World(tmp_path)
    world.authority.open()
    return world
