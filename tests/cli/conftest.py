"""A shell for each test that asks for one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.cli.support import Shell, shell


@pytest.fixture
async def weft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shell]:
    for name in ("WEFT_URL", "WEFT_TOKEN", "WEFT_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    async with shell(tmp_path) as made:
        yield made
