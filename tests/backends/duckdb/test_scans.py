"""Scans: sorted arrays, one of each moment, whichever table a point stands in."""

from pathlib import Path

from tests.history.support import MAIN, PUMP, T0, S, rows

from weft.backends.duckdb.history import DuckDbHistory
from weft.backends.duckdb.scans import SERIES_AT_ONCE
from weft.ports import HistoryScan


async def test_series_are_read_some_at_a_time(tmp_path: Path) -> None:
    """More series than one statement lists; each is there once."""
    store = await DuckDbHistory.open(tmp_path)
    names = [f"d-{number}" for number in range(SERIES_AT_ONCE + 7)]
    sample = rows([(1, 5.0)] * len(names))
    sample.devices = names
    await store.append([sample], len(names))
    scan = HistoryScan(MAIN, tuple(names), ("t",), T0, T0 + 9 * S)
    assert await store.count(scan) == len(names)
    assert sorted(one.device for one in await store.scan(scan)) == sorted(names)
    await store.close()


async def test_of_one_moment_the_latest_stays_across_tables(tmp_path: Path) -> None:
    """Settled, then corrected."""
    store = await DuckDbHistory.open(tmp_path)
    await store.append([rows([(1, 5.0), (2, 6.0)])], 2)
    await store.compact()
    await store.append([rows([(2, 7.0)], position=3)], 3)
    (trace,) = await store.scan(HistoryScan(MAIN, (PUMP,), ("t",), T0, T0 + 9 * S))
    assert trace.values.tolist() == [5.0, 7.0]
    await store.close()
