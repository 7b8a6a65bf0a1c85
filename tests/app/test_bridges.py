"""Bridges, put together: each with a door of its own, and none where none is configured."""

from pathlib import Path

import pytest
from tests.app.support import served

from weft.errors import ConfigurationError


async def test_a_bridge_without_a_broker_is_seen_in_health(tmp_path: Path) -> None:
    """Weft serves all the same."""
    settings = (
        'bridges.far.url="mqtt://127.0.0.1:9"', 'bridges.far.key="nobody"',
        'bridges.far.out=[{filter = "devices/#"}]',
    )  # fmt: skip
    async with served(tmp_path, *settings) as weft:
        assert weft.health()["bridge far"] != "ok"
        assert weft.health()["journal"] == "ok"


async def test_a_bridge_that_cannot_work_keeps_weft_from_starting(tmp_path: Path) -> None:
    """OP-2: not on a guess."""
    with pytest.raises(ConfigurationError, match=r"\[bridges.far\]"):
        async with served(tmp_path, 'bridges.far.url="x"', 'bridges.far.key="k"'):
            pass
