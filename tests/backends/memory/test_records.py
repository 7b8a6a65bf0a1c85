"""Documents in memory: what the contract suite cannot see from outside."""

import pytest

from weft.backends.memory.records import MemoryRecords
from weft.model.ids import TenantId
from weft.ports import Kind, Reader, Writer

MAIN = TenantId("main")
FACTS = Kind("fact", dict)


async def test_each_read_has_values_of_its_own() -> None:
    """One reader edits what it got; the next one sees what was stored."""
    records = MemoryRecords()
    await records.write(lambda w: w.insert(FACTS, MAIN, "a", {"n": 1}))

    def spoil(reader: Reader) -> None:
        reader.get(FACTS, MAIN, "a").value["n"] = 2

    await records.read(spoil)

    assert await records.read(lambda r: r.get(FACTS, MAIN, "a").value) == {"n": 1}


async def test_undo_goes_backwards_through_repeated_writes() -> None:
    """A failed transaction wrote one key three times: it is as it was before the first."""
    records = MemoryRecords()
    await records.write(lambda w: w.insert(FACTS, MAIN, "a", {"n": 1}))

    def work(writer: Writer) -> None:
        writer.put(FACTS, MAIN, "a", {"n": 2})
        writer.delete(FACTS, MAIN, "a")
        writer.insert(FACTS, MAIN, "a", {"n": 3})
        raise KeyError

    with pytest.raises(KeyError):
        await records.write(work)

    assert await records.read(lambda r: r.get(FACTS, MAIN, "a")) == ("a", {"n": 1}, 1)
