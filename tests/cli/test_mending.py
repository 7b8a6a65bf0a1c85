"""Mending: nothing is thrown away, and what was lost is named."""

import asyncio
from pathlib import Path

from tests.app.support import keep_one_position
from tests.cli.checks.test_stores import change
from tests.cli.platform import config, make_folder, numbers_in_history, serving

from weft.app.folder import DataFolder
from weft.backends.sqlite.repair import RepairReport
from weft.cli.mending import _furthest, find_reach, rebuild_history, repair_folder, told_of


async def test_a_damaged_message_is_dropped_and_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    """One of five was changed on the disk; the four others are there after the repair."""
    data = tmp_path / "data"
    await make_folder(data, 5)
    change(data / "journal.sqlite", "UPDATE batch SET body = zeroblob(9) WHERE first = 2")
    report = await asyncio.to_thread(repair_folder, data)
    assert report.positions_dropped == ((2, 2),)
    said = "\n".join(told_of(report))
    assert "Dropped from the journal: position 2 (1 message)." in said
    assert f"{data}/damaged-1" in said
    rebuilt = await rebuild_history(config(), DataFolder(data))
    assert rebuilt.position == 5
    async with serving(data) as weft:
        assert await numbers_in_history(weft, "pump-1") == [0, 2, 3, 4]


async def test_history_is_made_anew_from_the_journal(tmp_path: Path) -> None:
    """Its file was no database any more; the old one is kept beside."""
    data = tmp_path / "data"
    await make_folder(data, 4)
    (data / "history.duckdb").write_bytes(b"no database" * 1000)
    reach = await find_reach(data)
    assert (reach.tail, reach.head) == (1, 4)
    assert reach.since.endswith("Z")
    done = await rebuild_history(config(), DataFolder(data))
    assert (done.replayed, done.position) == (4, 4)
    assert (await asyncio.to_thread(Path(done.aside).read_bytes)).startswith(b"no database")
    async with serving(data) as weft:
        assert await numbers_in_history(weft, "pump-1") == [0, 1, 2, 3]


async def test_an_empty_journal_is_told(tmp_path: Path) -> None:
    """There is nothing to make history of."""
    await make_folder(tmp_path / "data", 0)
    reach = await find_reach(tmp_path / "data")
    assert (reach.tail, reach.head, reach.since) == (1, 0, "")


async def test_a_repair_knows_how_far_derived_telemetry_was(tmp_path: Path) -> None:
    """History is gone, and no other projection has stored how far it was."""
    data = tmp_path / "data"
    await make_folder(data, 3)
    await keep_one_position(data, "derived")
    assert await _furthest(data) == 3


def test_a_repair_says_everything_it_did() -> None:
    """In sentences, with numbers."""
    assert [*told_of(RepairReport())] == ["Nothing was damaged; nothing was changed."]
    said = [*told_of(RepairReport("/data/damaged-1", ((3, 7),), ("device 'pump'",), ("Note.",)))]
    assert said[0] == "Note."
    assert "Dropped from the journal: positions 3 to 7 (5 messages)." in said
    assert "Dropped from the records: device 'pump'." in said
    assert "Nothing was lost." in [*told_of(RepairReport("/data/damaged-1"))]
