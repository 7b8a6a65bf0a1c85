"""Stores: opened in order, closed in order, and a loss of one is noticed by another."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.app.support import add_pump, keep_one_position, opened, send, served

from weft.app.stores import open_stores
from weft.errors import Damaged, StorageError
from weft.history.settings import HistorySettings


async def test_a_new_folder_gets_all_stores_and_they_agree_on_nothing_yet(tmp_path: Path) -> None:
    """Everything stands at the beginning."""
    async with AsyncExitStack() as stack:
        stores = await open_stores(tmp_path, HistorySettings(), stack)
        assert stores.journal.head == 0
        assert stores.history.position == 0
    async with AsyncExitStack() as stack:  # closed in order: it opens again at once
        await open_stores(tmp_path, HistorySettings(), stack)


async def test_a_folder_in_use_is_not_opened_twice(tmp_path: Path) -> None:
    """Two writers of one journal would be the end of it: the second is told and goes."""
    async with AsyncExitStack() as stack:
        await open_stores(tmp_path, HistorySettings(), stack)
        async with AsyncExitStack() as second:
            with pytest.raises(StorageError) as caught:
                await open_stores(tmp_path, HistorySettings(), second)
    assert f"{tmp_path} is in use by another process" in caught.value.detail
    assert "Stop the other one" in caught.value.remedy


async def test_a_journal_that_lost_what_others_have_seen_is_not_opened(tmp_path: Path) -> None:
    """History and records know how far the journal was: an empty one is not believed."""
    data = tmp_path / "data"
    async with served(data) as weft:
        pump = await add_pump(weft)
        for number in range(5):
            await send(weft, pump, b'{"temperature": %d}' % number)
    for file in data.glob("journal*"):
        file.unlink()
    with pytest.raises(Damaged) as caught:
        async with opened(data):
            pass
    assert "journal" in caught.value.detail.lower()
    assert caught.value.remedy


async def test_what_derived_telemetry_has_seen_is_missed_as_well(tmp_path: Path) -> None:
    """Nothing else knows how far the journal was; nothing is computed either."""
    data = tmp_path / "data"
    async with served(data) as weft:
        pump = await add_pump(weft)
        await send(weft, pump, b'{"temperature": 1}')
    await keep_one_position(data, "derived")
    for file in data.glob("journal*"):
        file.unlink()
    with pytest.raises(Damaged):
        async with opened(data):
            pass
