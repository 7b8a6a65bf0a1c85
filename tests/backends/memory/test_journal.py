"""Messages in memory: what the contract suite cannot see from outside."""

from tests.contracts.support import batch_of, message, payloads

from weft.backends.memory.journal import MemoryJournal


async def test_a_batch_that_is_edited_after_its_append_changes_nothing() -> None:
    """The gate reuses its lists; the journal keeps what was written."""
    journal = MemoryJournal()
    batch = batch_of(1, 2)
    await journal.append(batch)
    batch.envelopes[0].payload = b"spoilt"
    batch.envelopes.clear()

    assert await payloads(journal) == [message(1).payload, message(2).payload]
