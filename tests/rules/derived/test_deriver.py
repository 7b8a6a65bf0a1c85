"""The deriver: what is computed stands in the journal once, whatever happens in between."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rules.derived.support import Works, document
from tests.rules.support import ALICE, START, S, device

from weft.errors import StorageError
from weft.model.message import Committed
from weft.registry.positions import PLATFORM, POSITION
from weft.rules.derived.deriver import origin_of, payload_of, position_of


async def works() -> Works:
    made = Works(device())
    made.start()
    await made.derivations.save(ALICE, "power", document())
    return made


async def test_what_is_computed_is_a_message_of_its_device() -> None:
    """With its type, at the moment of the sample, naming the position that it is of."""
    made = await works()
    batch = made.hear(3, {"temperature": 2.0, "pressure": 4.0})
    made.write()
    assert made.told() == [(3.0, {"power": 8.0})]
    (envelope,) = made.line.batches[-1].envelopes
    route = envelope.route
    assert (route.device_id, route.type_name, route.type_version) == ("pump-7", "machine", 1)
    assert position_of(envelope) == batch.first
    assert envelope.payload == payload_of(made.readings())


async def test_what_could_not_be_written_is_written_again() -> None:
    """The disk was full; what comes behind it is in order."""
    made = await works()
    made.hear(0, {"temperature": 2.0, "pressure": 4.0})
    made.lose()
    made.hear(1, {"temperature": 3.0})
    made.write()
    assert made.told() == [(0.0, {"power": 8.0}), (1.0, {"power": 12.0})]


@settings(max_examples=60, deadline=None)
@given(st.data())
async def test_kills_at_any_moment_lose_and_double_nothing(data: st.DataObject) -> None:
    """Messages, commits, checkpoints and kills in any order: one value for each message."""
    made = await works()
    expected: list[tuple[float, dict[str, float]]] = []
    for second in range(data.draw(st.integers(1, 12), label="messages")):
        made.hear(second, {"temperature": float(second), "pressure": 2.0})
        expected.append((float(second), {"power": second * 2.0}))
        for _ in range(data.draw(st.integers(0, 2), label="acts")):
            act = data.draw(st.sampled_from(["write", "checkpoint", "kill", "lose"]))
            if act == "write":
                made.write()
            elif act == "checkpoint":
                await made.deriver.checkpoint()
            elif act == "kill":
                await made.restart()
            else:
                made.lose()
    made.write()
    assert sorted(made.told(), key=lambda one: one[0]) == expected


async def test_nobody_computes_where_there_is_nothing_to_compute() -> None:
    """No state, no backlog, and the position is that of the journal."""
    made = Works(device())
    made.start()
    made.hear(0, {"temperature": 2.0})
    assert (made.deriver.position, made.deriver.backlog) == (1, 0)
    await made.deriver.checkpoint()
    await made.restart()
    assert made.deriver.position == 1


@pytest.mark.parametrize("is_stored", [True, False])
async def test_what_was_paid_before_the_last_derivation_went_is_not_added_again(
    is_stored: bool,
) -> None:
    """The disk had it as owed; a new derivation begins behind it, and Weft is killed."""
    made = await works()
    made.hear(0, {"temperature": 2.0, "pressure": 4.0})
    await made.deriver.checkpoint()
    stored = made.line.head
    made.write()
    await made.derivations.delete(ALICE, "power")
    assert made.deriver.position == stored  # the journal keeps what it is looked for in
    if is_stored:
        await made.deriver.checkpoint()
        assert made.deriver.position == made.line.head
    await made.derivations.save(ALICE, "power", document())
    await made.restart()
    made.write()
    assert made.told() == [(0.0, {"power": 8.0})]


async def test_its_position_stands_beside_those_of_the_other_projections() -> None:
    """Where something is computed and where not: backups and repairs look at all of them."""

    async def stored(made: Works) -> int:
        found = await made.plant.records.read(
            lambda reader: reader.find(POSITION, PLATFORM, "derived")
        )
        return found.value if found else 0

    made = Works(device())
    made.start()
    made.hear(0, {"temperature": 2.0})
    await made.deriver.checkpoint()
    assert await stored(made) == 1
    await made.derivations.save(ALICE, "power", document())
    made.hear(1, {"temperature": 2.0, "pressure": 4.0})
    await made.deriver.checkpoint()
    assert await stored(made) == 2
    made.write()
    assert await stored(made) == 2
    await made.derivations.delete(ALICE, "power")
    made.hear(2, {"temperature": 2.0})
    await made.deriver.checkpoint()
    assert await stored(made) == made.line.head == 4


async def test_a_checkpoint_without_news_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a restart as well: every two seconds, on a plant that is silent."""
    made = await works()
    made.hear(0, {"temperature": 2.0, "pressure": 4.0})
    made.write()
    await made.deriver.checkpoint()
    await made.restart()

    async def write(_work: object) -> None:
        raise AssertionError

    monkeypatch.setattr(made.plant.records, "write", write)
    await made.deriver.checkpoint()


async def test_waiting_ends_when_all_is_written() -> None:
    """As it is waited for before a device is forgotten."""
    made = await works()
    made.hear(0, {"temperature": 2.0, "pressure": 4.0})
    made.write()
    await made.deriver.wait_done(made.line.head)


async def test_waiting_for_what_cannot_be_written_has_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The disk does not come back."""
    monkeypatch.setattr("weft.rules.derived.deriver.SETTLE_S", 0.01)
    made = await works()
    made.hear(0, {"temperature": 2.0, "pressure": 4.0})
    with pytest.raises(StorageError, match="still to be written"):
        await made.deriver.wait_done(made.line.head)


async def test_what_is_lost_while_weft_stops_waits_for_the_next_start() -> None:
    """The pipeline has ended, and says so whenever it is asked to tell."""
    made = await works()
    ended = StorageError("Weft is stopping.")
    made.deriver.start(
        lambda *one: made.waiting.append(one), lambda sender: sender.commit_failed([0], ended)
    )
    made.hear(0, {"temperature": 2.0, "pressure": 4.0})
    assert len(made.waiting) == 1
    await made.deriver.checkpoint()
    assert len(made.waiting) == 2
    await made.restart()
    made.write()
    assert made.told() == [(0.0, {"power": 8.0})]


async def test_before_the_journal_is_added_to_nobody_waits() -> None:
    """A device whose deletion a crash cut short is forgotten at the start, before all runs."""
    made = await works()
    made.hear(0, {"temperature": 2.0, "pressure": 4.0})
    await made.deriver.checkpoint()
    again = Works(device(), records=made.plant.records)
    await again.deriver.load(made.line.head)
    await again.deriver.wait_done(made.line.head)
    again.deriver.device_changed(device(), None)
    again.start()
    assert again.waiting == []


async def test_a_device_that_is_gone_is_owed_nothing() -> None:
    """Its namesake would be told what it never sent."""
    made = await works()
    made.hear(0, {"temperature": 2.0, "pressure": 4.0})
    made.waiting.clear()
    made.deriver.device_changed(device(), None)
    made.lose()
    made.write()
    assert made.told() == []
    await made.deriver.checkpoint()
    await made.restart()
    assert made.told() == []


def test_a_position_is_named_as_it_is_read() -> None:
    """Eight bytes."""
    batch = Committed(7, [], [])
    assert int.from_bytes(origin_of(batch.first), "big") == 7
    assert START % S == 0
