from pathlib import Path

import pytest
from tests.security.support import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def certified(world: World) -> World:
    """A world whose certificate authority is open (some milliseconds of key making)."""
    world.authority.open()
    return world
