"""The naive store: what the contract suite does not say of it."""

from tests.history.support import MAIN, PUMP, ask, points, rows

from weft.backends.memory.history import MemoryHistory


async def test_a_lower_position_never_replaces_a_higher_one() -> None:
    """Even when it comes later."""
    store = MemoryHistory()
    await store.append([rows([(1, 2.0)], position=5), rows([(1, 1.0)], position=4)], 5)
    assert points(await store.query(ask())) == [(1, 2.0)]


async def test_a_closed_store_has_nothing() -> None:
    """It is gone with the process."""
    store = MemoryHistory()
    await store.append([rows([(1, 2.0)])], 1)
    await store.compact()
    await store.close()
    assert await store.keys(MAIN, PUMP) == []


async def test_size_is_counted_in_samples() -> None:
    """Room for two samples keeps the two newest."""
    store = MemoryHistory()
    await store.append([rows([(i, i) for i in range(5)])], 5)
    assert await store.trim(max_bytes=32) == 3
    assert points(await store.query(ask())) == [(3, 3), (4, 4)]
