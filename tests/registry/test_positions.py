"""Positions: a projection goes on from what it stored, and says how much is not stored yet."""

from weft.backends.memory.records import MemoryRecords
from weft.registry.positions import Positioned


class Counting(Positioned):
    """A projection with nothing to store."""

    name = "counting"


async def test_a_projection_goes_on_from_the_position_that_it_stored() -> None:
    """After a crash the journal is read again from there: not before, and not behind it."""
    records = MemoryRecords()
    before = Counting()
    before._applied = 7
    assert (before.position, before.backlog) == (0, 7)
    await before._store_position(records, 5)
    assert (before.position, before.backlog) == (5, 2)
    after = Counting()
    await records.read(after._read_position)
    assert (after.position, after.backlog) == (5, 0)


async def test_a_projection_that_never_stored_begins_at_the_beginning() -> None:
    fresh = Counting()
    await MemoryRecords().read(fresh._read_position)
    assert (fresh.position, fresh.backlog) == (0, 0)
