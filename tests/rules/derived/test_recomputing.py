"""Recomputing: late data changes what was computed, once, and a note says what changed."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.rules.derived.support import Works, document, roll_up
from tests.rules.support import ALICE, MAIN, START, S, device, members_of

from weft.backends.memory.history import MemoryHistory
from weft.errors import NotFound, StorageError, Unavailable, WeftError
from weft.history.history import History
from weft.history.settings import HistorySettings
from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.model.message import RECOMPUTED, Committed, Decoded, Envelope
from weft.ports import HistoryScan
from weft.rules.derived.recomputing import Recomputings, RecomputingState
from weft.rules.derived.settings import DerivedSettings


class Past(Works):
    """A plant with a history behind its line."""

    def __init__(self, settings: DerivedSettings | None = None, *devices: Device) -> None:
        super().__init__(*(devices or (device(),)))
        self.history = History(MemoryHistory(), self.plant.clock, HistorySettings())
        self.recomputings = Recomputings(
            (self.deriver, self.around, self.history),
            self.plant.records,
            self.plant.clock,
            settings or DerivedSettings(),
        )
        self.written: list[Envelope] = []
        self.recomputings.publish_with(self.put)
        self.start()

    async def put(self, envelope: Envelope, decoded: Decoded) -> int:
        batch = Committed(self.line.head + 1, [envelope], [decoded])
        self.line.head = batch.last
        self.line.batches.append(batch)
        self.written.append(envelope)
        return batch.last

    async def keep(self) -> None:
        """Let history take in all of the line."""
        for batch in self.line.batches:
            self.history.apply(batch)
        await self.history.flush()


async def late() -> Past:
    """A mean of a minute; the sample of second 10 comes behind that of second 20."""
    past = Past()
    text = "mean(temperature, 1m)"
    await past.derivations.save(ALICE, "usual", document("usual", text))
    past.plant.clock.turn(3_600)
    past.hear(0, {"temperature": 2.0})
    past.hear(20, {"temperature": 6.0})
    past.hear(10, {"temperature": 3.0}, received=30)
    past.write()
    await past.keep()
    return past


async def test_what_changed_is_written_and_told() -> None:
    """Old, new and from when; history then has the new values."""
    past = await late()
    await past.recomputings.sweep()
    (note,) = await past.recomputings.list(MAIN)
    assert (note.state, note.changed, note.percent) == (RecomputingState.DONE, 2, 100.0)
    assert (note.devices, note.start) == (("pump-7",), START + 10 * S)
    assert [(one.at - START, one.old, one.new) for one in note.changes] == [
        (10 * S, None, 2.5), (20 * S, 4.0, 11 / 3),
    ]  # fmt: skip
    (envelope,) = past.written
    assert (envelope.session, envelope.route.device_id) == (RECOMPUTED, "pump-7")
    assert await past.recomputings.get(MAIN, note.recomputing_id) == note


async def test_it_is_done_once() -> None:
    """Nothing is left of it, and the values that were written bring nothing about."""
    past = await late()
    await past.recomputings.sweep()
    past.deriver.apply(past.line.batches[-1])
    await past.recomputings.sweep()
    assert len(await past.recomputings.list(MAIN)) == 1
    assert past.deriver.deriving.unfinished() == []


async def test_what_is_not_finished_is_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk failed; what came late is remembered over a restart as well."""
    past = await late()

    async def fail(*_given: Any) -> Any:
        raise StorageError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(past.recomputings, "_keep", fail)
        with pytest.raises(StorageError):
            await past.recomputings.sweep()
    assert past.deriver.deriving.unfinished() == [(MAIN, "pump-7", START + 10 * S)]
    await past.deriver.checkpoint()
    await past.restart()
    assert past.deriver.deriving.unfinished() == [(MAIN, "pump-7", START + 10 * S)]


class Failing(History):
    """A history that cannot be read for some tenants."""

    def __init__(self, past: Past, error: WeftError, *tenants: TenantId) -> None:
        super().__init__(MemoryHistory(), past.plant.clock, HistorySettings())
        self.error = error
        self.tenants = tenants

    async def count(self, scan: HistoryScan) -> int:
        if scan.tenant in self.tenants:
            raise self.error
        return await super().count(scan)


async def failing(error: WeftError, *tenants: TenantId) -> Past:
    """The usual late sample, over a history that fails for these tenants."""
    past = await late()
    past.history = Failing(past, error, *tenants)
    await past.keep()
    past.recomputings = Recomputings(
        (past.deriver, past.around, past.history),
        past.plant.records,
        past.plant.clock,
        DerivedSettings(),
    )
    past.recomputings.publish_with(past.put)
    return past


@pytest.mark.parametrize(
    "error", [StorageError("The disk cannot be read."), Unavailable("History is closed.")]
)
async def test_what_history_kept_from_being_read_is_worked_out_later(error: WeftError) -> None:
    """It fails twice; the third run does it all, and one note tells of it."""
    past = await failing(error, MAIN)
    for _ in range(2):
        with pytest.raises(type(error)):
            await past.recomputings.sweep()
    assert past.deriver.deriving.unfinished() == [(MAIN, "pump-7", START + 10 * S)]
    assert isinstance(past.history, Failing)
    past.history.tenants = ()
    await past.recomputings.sweep()
    (note,) = await past.recomputings.list(MAIN)
    assert (note.state, note.changed) == (RecomputingState.DONE, 2)
    assert past.deriver.deriving.unfinished() == []


async def test_a_tenant_whose_data_cannot_be_read_keeps_no_other_waiting() -> None:
    """It comes first by its name; the fault is told behind the others."""
    other = TenantId("acme")
    past = await failing(StorageError("The disk cannot be read."), other)
    past.deriver.deriving.late[other, DeviceId("fan-1")] = START
    with pytest.raises(StorageError):
        await past.recomputings.sweep()
    (note,) = await past.recomputings.list(MAIN)
    assert note.state is RecomputingState.DONE
    assert past.deriver.deriving.unfinished() == [(other, "fan-1", START)]


async def late_of_three(samples_max: int) -> Past:
    """Late samples of three pumps; the second has sent more than the two others."""
    pumps: Sequence[str] = ("pump-1", "pump-2", "pump-3")
    past = Past(DerivedSettings(samples_max=samples_max), *(device(name) for name in pumps))
    await past.derivations.save(ALICE, "double", document("double", "temperature * 2.0"))
    past.plant.clock.turn(3_600)
    for name, count in zip(pumps, (2, 20, 2), strict=True):
        for second in range(count):
            past.hear(20 + second, {"temperature": 6.0}, name=name)
        past.hear(10, {"temperature": 3.0}, name=name, received=60)
    past.write()
    await past.keep()
    return past


async def test_one_device_that_is_too_much_costs_the_others_nothing() -> None:
    """All at once are too much, and one alone is: that one's note says so."""
    past = await late_of_three(12)
    await past.recomputings.sweep()
    notes = await past.recomputings.list(MAIN)
    assert {(note.devices, note.state, note.changed) for note in notes} == {
        (("pump-1",), RecomputingState.DONE, 1),
        (("pump-2",), RecomputingState.FAILED, 0),
        (("pump-3",), RecomputingState.DONE, 1),
    }
    assert "at most 12" in "".join(note.problem for note in notes)
    assert [one.route.device_id for one in past.written] == ["pump-1", "pump-3"]
    assert past.deriver.deriving.unfinished() == []


async def test_of_what_is_done_in_parts_only_the_rest_is_begun_again() -> None:
    """The journal takes the first device's values, and then no more."""
    past = await late_of_three(45)
    put = past.put

    async def full(envelope: Envelope, decoded: Decoded) -> int:
        if past.written:
            raise StorageError("The disk is full.")
        return await put(envelope, decoded)

    past.recomputings.publish_with(full)
    with pytest.raises(StorageError):
        await past.recomputings.sweep()
    names = [name for _tenant, name, _at in past.deriver.deriving.unfinished()]
    assert names == ["pump-2", "pump-3"]


class Counting(MemoryHistory):
    """A history that counts how often it is asked how much a run would read."""

    asked = 0

    async def count(self, scan: HistoryScan) -> int:
        self.asked += 1
        return await super().count(scan)


async def test_a_roll_up_that_is_too_much_fails_once_and_costs_its_members_nothing() -> None:
    """A sum over 200 machines is too much to read: one note says so, however many came late.

    What is computed of each machine is worked out without the sum.
    """
    names = [f"m{number:03}" for number in range(200)]
    machines = [device(name) for name in names]
    past = Past(DerivedSettings(samples_max=500), *machines, device("line", type_name=None))
    counting = Counting()
    past.history = History(counting, past.plant.clock, HistorySettings())
    past.recomputings = Recomputings(
        (past.deriver, past.around, past.history),
        past.plant.records,
        past.plant.clock,
        DerivedSettings(samples_max=500),
    )
    past.recomputings.publish_with(past.put)
    members_of(past.around).assets["line-1"] = {*names}
    await past.derivations.save(ALICE, "total", roll_up())
    await past.derivations.save(ALICE, "double", document("double", "temperature * 2.0"))
    past.plant.clock.turn(3_600)
    for second, name in enumerate(names):
        past.hear(20 + second, {"temperature": 6.0}, name=name)
        past.hear(10, {"temperature": 3.0}, name=name, received=300)
    past.write()
    await past.keep()
    await past.recomputings.sweep()
    notes = await past.recomputings.list(MAIN)
    (failed,) = [note for note in notes if note.state is RecomputingState.FAILED]
    assert failed.devices == tuple(names)
    assert failed.problem.startswith("Roll-ups over these devices stay as they are")
    assert "at most 500" in failed.problem
    done = [note for note in notes if note.state is RecomputingState.DONE]
    assert sum(note.changed for note in done) == 200
    assert {one.key for note in done for one in note.changes} == {"double"}
    assert len(notes) == 3  # the machines by halves
    assert counting.asked == 8  # two of each run: with the sum, without, and the halves
    assert past.deriver.deriving.unfinished() == []


async def test_values_that_cannot_be_written_make_one_note() -> None:
    """The journal is full for some sweeps: the same note is written again each time."""
    past = await late()
    put = past.put

    async def full(_envelope: Envelope, _decoded: Decoded) -> int:
        raise StorageError("The disk is full.")

    past.recomputings.publish_with(full)
    for _ in range(3):
        with pytest.raises(StorageError):
            await past.recomputings.sweep()
        assert len(await past.recomputings.list(MAIN)) == 1
    past.recomputings.publish_with(put)
    await past.recomputings.sweep()
    (note,) = await past.recomputings.list(MAIN)
    assert (note.state, note.changed) == (RecomputingState.DONE, 2)


async def test_what_is_too_much_says_so() -> None:
    """Devices are served; the note has the reason."""
    past = await late()
    past.recomputings = Recomputings(
        (past.deriver, past.around, past.history),
        past.plant.records,
        past.plant.clock,
        DerivedSettings(samples_max=1),
    )
    await past.recomputings.sweep()
    (note,) = await past.recomputings.list(MAIN)
    assert note.state is RecomputingState.FAILED
    assert "at most 1" in note.problem


async def test_old_notes_are_forgotten() -> None:
    """The newest are kept."""
    past = Past(DerivedSettings(kept=2))
    await past.derivations.save(ALICE, "double", document("double", "temperature * 2.0"))
    past.plant.clock.turn(3_600)
    past.hear(1_000, {"temperature": 1.0})
    for second in range(4):
        past.hear(second, {"temperature": 1.0}, received=2_000 + second)
        await past.keep()
        await past.recomputings.sweep()
    assert len(await past.recomputings.list(MAIN)) == 2
    with pytest.raises(NotFound):
        await past.recomputings.get(MAIN, "none")
    assert DeviceId("pump-7") in (await past.recomputings.list(MAIN))[0].devices
