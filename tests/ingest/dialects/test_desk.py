"""What devices ask in a dialect is answered, one after the other, and a bug costs one answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.ingest.support import PUMP_7, Door, Toy, device

from weft.backends.memory.journal import MemoryJournal
from weft.backends.memory.records import MemoryRecords
from weft.errors import NotFound, StorageError
from weft.ingest.dialects import desk as desk_module
from weft.ingest.dialects.desk import WAITING_PER_DEVICE, Desk, Question, Replies
from weft.ingest.dialects.table import Dialects
from weft.ingest.gate import Gate
from weft.ingest.pipeline import Pipeline, PipelineSettings
from weft.ingest.submit import Ingest, Message
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed, Envelope, Operation, Route

ACME, PUMP = PUMP_7.tenant, DeviceId("pump-7")


class Clerk:
    """Takes down what it is asked; waits, refuses or breaks on request."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.told: list[str] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def answer(self, question: Question) -> None:
        if question.payload == b"break":
            raise RuntimeError("a bug of ours")
        if question.payload == b"refuse":
            raise NotFound("There is none.")
        await self.go_on.wait()
        self.asked.append(question)

    async def desired_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        self.told.append(f"desired {device_id}")

    async def commands_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        self.told.append(f"commands {device_id}")


class Office:
    """A door with a desk behind it."""

    def __init__(self) -> None:
        self.clerk: Clerk = Clerk()
        self.desk = Desk(MemoryJournal(), MemoryRecords())
        self.desk.answer_with({"toy": self.clerk})
        self.door = Door(projections=[self.desk], dialects=Dialects([Toy()]))

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Office"]:
        async with self.door.running(), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.desk.run())
            yield self
            running.cancel()

    async def ask(self, payload: bytes, topic: str = "toy/ask") -> None:
        await self.door.ingest.send(PUMP_7, Message(topic, payload), address="test")

    async def until_asked(self, count: int) -> list[bytes]:
        async with asyncio.timeout(20):
            while len(self.clerk.asked) < count:  # noqa: ASYNC110  nothing tells of it
                await asyncio.sleep(0.001)
        return [question.payload for question in self.clerk.asked]


async def test_a_question_reaches_the_answerer_of_its_dialect() -> None:
    async with Office().open() as office:
        await office.ask(b"what time is it?")
        await office.until_asked(1)
        question = office.clerk.asked[0]
        assert (question.tenant, question.device_id) == (ACME, PUMP)
        assert (question.rest, question.position) == ("ask", 1)


class Listener(Clerk):
    """Takes down as well what was said that is no question."""

    def __init__(self) -> None:
        super().__init__()
        self.heard_of: list[tuple[str, bytes]] = []

    def heard(self, envelope: Envelope) -> None:
        self.heard_of.append((envelope.route.dialect, envelope.payload))


async def test_what_is_said_in_a_dialect_is_heard_by_who_listens_to_it() -> None:
    """Its messages alone: neither its questions, nor what is said in native words."""
    listener = Listener()
    desk = Desk(MemoryJournal(), MemoryRecords())
    desk.answer_with({"toy": listener, "deaf": Clerk()})
    topic, private = "devices/pump-7/telemetry", "devices/pump-7/dialects/toy/ask"
    said = [
        (topic, Operation.TELEMETRY, "toy"),
        (topic, Operation.TELEMETRY, ""),
        (topic, Operation.TELEMETRY, "deaf"),
        (private, Operation.DIALECT, "toy"),
    ]
    kept = [
        Envelope(Route(ACME, "device", PUMP, on, what, PUMP, name="toy", dialect=dialect), 0, b"1")
        for on, what, dialect in said
    ]
    desk.apply(Committed(1, kept, [None] * len(kept)))
    assert listener.heard_of == [("toy", b"1")]


async def test_a_devices_questions_are_answered_in_their_order() -> None:
    async with Office().open() as office:
        for number in range(20):
            await office.ask(b"%d" % number)
        assert await office.until_asked(20) == [b"%d" % number for number in range(20)]


@pytest.mark.parametrize("fault", [b"break", b"refuse"])
async def test_what_fails_costs_one_answer(fault: bytes) -> None:
    async with Office().open() as office:
        await office.ask(fault)
        await office.ask(b"next")
        assert await office.until_asked(1) == [b"next"]


async def test_other_devices_do_not_wait_for_a_slow_answer() -> None:
    async with Office().open() as office:
        office.clerk.go_on.clear()
        await office.ask(b"slow")
        office.desk.desired_changed(ACME, DeviceId("free-1"))
        office.desk.commands_changed(ACME, DeviceId("free-1"))
        async with asyncio.timeout(20):
            while len(office.clerk.told) < 2:  # noqa: ASYNC110  nothing tells of it
                await asyncio.sleep(0.001)
        assert office.clerk.told == ["desired free-1", "commands free-1"]
        assert office.clerk.asked == []
        office.clerk.go_on.set()
        await office.until_asked(1)


async def test_who_asks_faster_than_it_is_answered_takes_no_memory() -> None:
    """A bounded number waits; the rest is not answered, and counted."""
    async with Office().open() as office:
        office.clerk.go_on.clear()
        for number in range(WAITING_PER_DEVICE + 20):
            await office.ask(b"%d" % number)
        office.clerk.go_on.set()
        answered = await office.until_asked(WAITING_PER_DEVICE)
        await office.ask(b"last")
        async with asyncio.timeout(20):
            while office.clerk.asked[-1].payload != b"last":  # noqa: ASYNC110  as above
                await asyncio.sleep(0.001)
        assert len(office.clerk.asked) <= WAITING_PER_DEVICE + 2
        assert answered[0] == b"0"


async def test_what_changes_often_is_told_once_and_never_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A device is told the latest; a fleet that is told at once is told to the last one."""
    monkeypatch.setattr(desk_module, "DEVICES_MAX", 3)
    async with Office().open() as office:
        for _ in range(500):
            office.desk.desired_changed(ACME, PUMP)
        for number in range(50):
            office.desk.commands_changed(ACME, DeviceId(f"free-{number}"))
        async with asyncio.timeout(20):
            while office.desk._waiting:  # noqa: ASYNC110  nothing tells of it
                await asyncio.sleep(0.001)
        assert office.clerk.told.count("desired pump-7") == 1
        assert len(office.clerk.told) == 51
        office.desk.desired_changed(ACME, PUMP)
        async with asyncio.timeout(20):
            while len(office.clerk.told) < 52:  # noqa: ASYNC110  as above
                await asyncio.sleep(0.001)


async def test_what_weft_says_itself_is_no_question() -> None:
    """An answer travels the same way: it must not be answered again."""
    async with Office().open() as office:
        replies = Replies("toy", office.door.ingest, lambda _tenant, _topic: True)
        assert await replies.say(ACME, PUMP, "ask", b"from us")
        await office.ask(b"from the device")
        assert await office.until_asked(1) == [b"from the device"]
        seen = [(operation, payload) for _, operation, payload, _ in office.door.recorder.seen]
        assert seen[0] == ("DIALECT", b"from us")


async def test_nothing_is_kept_for_nobody() -> None:
    async with Office().open() as office:
        heard: list[str] = []

        def has_subscriber(_tenant: TenantId, topic: str) -> bool:
            heard.append(topic)
            return False

        replies = Replies("toy", office.door.ingest, has_subscriber)
        assert not replies.is_heard(ACME, "pump-7", "x")
        assert not await replies.say(ACME, "pump-7", "x", b"hello?")
        assert set(heard) == {"devices/pump-7/dialects/toy/x"}
        assert office.door.recorder.seen == []


class Watchman(Clerk):
    """A clerk who also follows what becomes of messages."""

    async def subscribed(self, _tenant: TenantId, device_id: DeviceId, rest: str) -> None:
        self.told.append(f"subscribed {device_id} {rest}")

    def acknowledged(self, _tenant: TenantId, device_id: DeviceId, rest: str) -> None:
        self.told.append(f"acknowledged {device_id} {rest}")


async def test_a_dialect_hears_who_listens_and_what_arrived() -> None:
    """Of its own private topics, and of nobody else's."""
    office = Office()
    office.clerk = watchman = Watchman()
    office.desk.answer_with({"toy": watchman})
    async with office.open():
        for topic in ("devices/pump-7/dialects/toy/down/1", "devices/pump-7/dialects/other/x", "a"):
            office.desk.acknowledged(PUMP_7, topic)
            office.desk.subscribed(PUMP_7, topic)
        office.desk.subscribed(PUMP_7, "devices/pump-7/dialects/toy/down/+")
        async with asyncio.timeout(20):
            while len(watchman.told) < 3:  # noqa: ASYNC110  as above
                await asyncio.sleep(0.001)
    assert watchman.told == [
        "acknowledged pump-7 down/1",
        "subscribed pump-7 down/1",
        "subscribed pump-7 down/+",
    ]


async def test_a_dialect_that_follows_nothing_is_told_nothing() -> None:
    office = Office()
    office.desk.acknowledged(PUMP_7, "devices/pump-7/dialects/toy/down/1")
    office.desk.subscribed(PUMP_7, "devices/pump-7/dialects/toy/down/+")
    assert office.clerk.told == []


async def test_the_desk_holds_up_nothing_and_keeps_nothing() -> None:
    desk = Desk(MemoryJournal(), MemoryRecords())
    await desk.checkpoint()
    assert (desk.position, desk.backlog) == (0, 0)
    assert device().device_id == PUMP


class Craftsman(Clerk):
    """Does what begins with `do`; the disk fails as often as it is told."""

    failures = 0

    def is_act(self, _rest: str, payload: bytes) -> bool:
        return payload.startswith(b"do")

    async def answer(self, question: Question) -> None:
        if self.failures:
            self.failures -= 1
            raise StorageError("The disk is full.")
        if question.payload == b"do break":
            raise RuntimeError("a bug of ours")
        await super().answer(question)


class Workshop(Office):
    """A desk that does things, on a journal and records that outlive it."""

    def __init__(self, records: MemoryRecords, before: "Workshop | None" = None) -> None:
        self.clerk = self.craftsman = Craftsman()
        dialects = Dialects([Toy()])
        self.door = Door(dialects=dialects)
        if before is not None:
            self.door.journal = before.door.journal
        self.desk = Desk(self.door.journal, records)
        self.desk.answer_with({"toy": self.clerk})
        projections = [self.door.recorder, self.desk]
        settings = PipelineSettings(gather_ms=0.1, storage_pause_s=0.001)
        decode = self.door.gate.decode_again
        self.door.pipeline = pipeline = Pipeline(self.door.journal, projections, settings, decode)
        door = self.door
        check = door.check_retained
        door.gate = Gate(pipeline, door.policy, door.devices, door.types, check, dialects)
        door.ingest = Ingest(door.gate, pipeline, door.clock)


async def test_an_act_that_was_acknowledged_is_done_after_a_crash() -> None:
    """Weft dies between the commit and the deed: it is read again, and questions are not."""
    records = MemoryRecords()
    workshop = Workshop(records)
    await workshop.desk.load()
    async with workshop.open():
        await workshop.ask(b"do first")
        await workshop.until_asked(1)
        workshop.craftsman.go_on.clear()
        for payload in (b"do second", b"what time is it?", b"do third"):
            await workshop.ask(payload)
        await workshop.door.pipeline.checkpoint()
        assert (workshop.desk.position, workshop.desk.undone) == (1, 2)
    after = Workshop(records, workshop)
    await after.desk.load()
    await after.door.pipeline.recover()
    async with after.open():
        assert await after.until_asked(2) == [b"do second", b"do third"]
        assert all(question.again for question in after.clerk.asked)
        await after.door.pipeline.settle()
        assert (after.desk.position, after.desk.undone) == (4, 0)
        await after.ask(b"do fourth")
        await after.until_asked(3)
        assert not after.clerk.asked[-1].again


async def test_who_asks_much_to_be_done_loses_nothing_of_it() -> None:
    """More than questions may wait."""
    workshop = Workshop(MemoryRecords())
    async with workshop.open():
        workshop.craftsman.go_on.clear()
        payloads = [b"do %d" % number for number in range(WAITING_PER_DEVICE + 20)]
        for payload in payloads:
            await workshop.ask(payload)
        workshop.craftsman.go_on.set()
        assert await workshop.until_asked(len(payloads)) == payloads


async def test_an_act_waits_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried until it is done; who wants it settled is told meanwhile."""
    monkeypatch.setattr(desk_module, "RETRY_S", 0.001)
    workshop = Workshop(MemoryRecords())
    async with workshop.open():
        workshop.craftsman.failures = 3
        await workshop.ask(b"do it")
        with pytest.raises(StorageError, match="disk is full"):
            await workshop.desk.wait_done(1)
        assert await workshop.until_asked(1) == [b"do it"]
        await workshop.door.pipeline.settle()
        assert workshop.desk.position == 1


async def test_an_act_that_meets_a_bug_is_parked() -> None:
    workshop = Workshop(MemoryRecords())
    async with workshop.open():
        await workshop.ask(b"do break")
        await workshop.ask(b"do next")
        assert await workshop.until_asked(1) == [b"do next"]
        await workshop.door.pipeline.settle()
        assert workshop.desk.undone == 0


async def test_a_folder_that_does_not_say_how_far_it_is_begins_now() -> None:
    """What its journal holds from before was done, or was never promised."""
    records = MemoryRecords()
    before = Workshop(records)
    async with before.open():
        await before.ask(b"do it")
        await before.until_asked(1)
    after = Workshop(records, before)
    await after.desk.load()
    assert after.desk.position == 1
    await after.door.pipeline.recover()
    assert after.desk.undone == 0


async def test_private_words_that_no_table_has_read_are_no_question() -> None:
    """A device that publishes among its private topics itself is not answered."""
    async with Office().open() as office:
        await office.ask(b"x", "devices/me/dialects/toy/ask")
        await office.ask(b"y")
        assert await office.until_asked(1) == [b"y"]
