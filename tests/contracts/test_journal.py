"""What `Journal` means, on every backend."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import to_builtins
from tests.contracts.support import (
    JOURNALS,
    START_AT,
    batch_of,
    message,
    payloads,
    read_all,
)

from weft.errors import Unavailable
from weft.model.message import (
    Batch,
    Envelope,
    PublishProperties,
    QosTwo,
    RejectionReason,
)
from weft.ports import Journal


@pytest.fixture(params=sorted(JOURNALS))
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    store = await JOURNALS[request.param](tmp_path)
    yield store
    await store.close()


async def test_an_empty_journal_has_no_messages(journal: Journal) -> None:
    """Before the first message: head 0, tail 1, nothing to read."""
    assert (journal.head, journal.tail) == (0, 1)
    assert await read_all(journal) == []
    assert await journal.first_after(0) == 1
    assert await journal.trim(before=100) == 1


async def test_positions_start_at_one_and_have_no_gaps(journal: Journal) -> None:
    """Three batches: each begins where the one before ended."""
    assert await journal.append(batch_of(1, 2, 3)) == 1
    assert await journal.append(batch_of(4)) == 4
    assert await journal.append(batch_of(5, 6)) == 5

    assert (journal.head, journal.tail) == (6, 1)
    read = await read_all(journal)
    assert [(batch.first, batch.last) for batch in read] == [(1, 3), (4, 4), (5, 6)]
    assert all(batch.decoded == [None] * len(batch.envelopes) for batch in read)


async def test_a_message_is_read_back_as_it_was_written(journal: Journal) -> None:
    """Every field of an envelope survives, whatever it holds."""
    properties = PublishProperties(1, 60, "text/plain", "answers", b"\x00\xff", (("k", "ü"),))
    rejection = RejectionReason("payload_invalid", "No.", "Send JSON.")
    base = message(1)
    written = [
        base,
        Envelope(base.route, START_AT, b"\x00\xff", 2, True, 65535, "s", properties, rejection),
    ]
    await journal.append(Batch(written, [None, None], []))

    read = (await read_all(journal))[0].envelopes

    assert to_builtins(read) == to_builtins(written)
    assert all(new is not old for new, old in zip(read, written, strict=True))


async def test_reading_begins_behind_a_position_and_ends_at_one(journal: Journal) -> None:
    """A projection goes on from its own position, in the middle of a batch or not."""
    for numbers in ((1, 2, 3), (4, 5, 6), (7, 8, 9)):
        await journal.append(batch_of(*numbers))
    everything = [message(number).payload for number in range(1, 10)]

    for after in range(11):
        assert await payloads(journal, after) == everything[after:]
        for until in range(11):
            assert await payloads(journal, after, until) == everything[after:until]
    assert [b.first for b in await read_all(journal, 4)] == [5, 7]


async def test_reading_ends_at_the_head_of_its_beginning(journal: Journal) -> None:
    """Messages that arrive while a replay runs are not its business."""
    await journal.append(batch_of(1))
    await journal.append(batch_of(2))
    seen = []
    async for batch in journal.read(0):
        seen += [e.payload for e in batch.envelopes]
        await journal.append(batch_of(99))

    assert seen == [message(1).payload, message(2).payload]


async def test_qos_two_ids_are_kept_until_released(journal: Journal) -> None:
    """A sender resends packet 7 after a restart; it was received, so it is not taken twice."""
    await journal.append(batch_of(1, qos_two=[QosTwo("a", 7, False), QosTwo("b", 7, False)]))
    await journal.append(batch_of(2, qos_two=[QosTwo("a", 3, False), QosTwo("a", 7, False)]))
    assert list(await journal.unreleased("a")) == [3, 7]

    assert await journal.append(Batch([], [], [QosTwo("a", 7, True), QosTwo("a", 9, True)])) == 3

    assert list(await journal.unreleased("a")) == [3]
    assert journal.head == 2
    await journal.forget_session("a")
    await journal.forget_session("never seen")
    assert list(await journal.unreleased("a")) == []
    assert list(await journal.unreleased("b")) == [7]


async def test_trim_forgets_whole_batches(journal: Journal) -> None:
    """Retention forgets what is old; a batch goes when all of it may go."""
    for numbers in ((1, 2, 3), (4, 5, 6), (7, 8, 9)):
        await journal.append(batch_of(*numbers))

    assert await journal.trim(before=3) == 1
    assert await journal.trim(before=4) == 4
    assert await journal.trim(before=9) == 7

    assert (journal.tail, journal.head) == (7, 9)
    assert await payloads(journal) == [message(n).payload for n in (7, 8, 9)]
    assert await payloads(journal, 8) == [message(9).payload]


async def test_an_emptied_journal_goes_on_counting(journal: Journal) -> None:
    """All messages are forgotten; no position is ever given twice."""
    await journal.append(batch_of(1, 2))

    assert await journal.trim(before=1000) == 3

    assert (journal.tail, journal.head) == (3, 2)
    assert await read_all(journal) == []
    assert await journal.append(batch_of(3)) == 3
    assert await payloads(journal) == [message(3).payload]


async def test_many_batches_are_trimmed_and_read(journal: Journal) -> None:
    """More batches than are handled in one go."""
    for number in range(300):
        await journal.append(batch_of(number))

    assert await journal.trim(before=201) == 201
    assert await payloads(journal) == [message(n).payload for n in range(200, 300)]


async def test_a_moment_is_found(journal: Journal) -> None:
    """The first position received at or after a moment, though clocks may step back."""
    moments = [(10, 20), (20, 5), (30,), (7, 8), (40,)]
    number = 0
    for batch in moments:
        envelopes = [message(number := number + 1, at=at) for at in batch]
        await journal.append(Batch(envelopes, [None] * len(envelopes), []))

    found = {at: await journal.first_after(at) for at in (0, 10, 11, 20, 21, 30, 31, 40, 41)}
    assert found == {0: 1, 10: 1, 11: 2, 20: 2, 21: 5, 30: 5, 31: 8, 40: 8, 41: 9}
    await journal.trim(before=6)
    assert await journal.first_after(0) == 6
    assert await journal.first_after(30) == 8
    await journal.trim(before=99)
    assert await journal.first_after(0) == 9


async def test_size_follows_what_is_kept(journal: Journal) -> None:
    """Operators see what the journal takes."""
    before = await journal.size_bytes()
    for start in range(0, 2000, 100):
        await journal.append(batch_of(*range(start, start + 100)))

    assert await journal.size_bytes() > before + 2000 * 90


async def test_a_closed_journal_refuses(journal: Journal) -> None:
    """During a stop, nothing is taken in that might be lost."""
    await journal.close()

    with pytest.raises(Unavailable):
        await journal.append(batch_of(1))
    with pytest.raises(Unavailable):
        await read_all(journal)
