"""The inbox: nothing refused is lost, a flood does not fill it, and what is mended goes in."""

import asyncio
from typing import Any

import cbor2
import pytest
from tests.ingest.support import ACME, PUMP_7, Door, pump_type

from weft.backends.memory.records import MemoryRecords
from weft.commands.refusals import RefusedAnswer
from weft.errors import Conflict, NotFound, PayloadInvalid, StorageError
from weft.ingest.rejections import (
    FRESH_MAX,
    FRESH_MAX_BYTES,
    PAYLOAD_MAX_BYTES,
    Fresh,
    Rejection,
    RejectionInbox,
    Rejections,
    RejectionSettings,
)
from weft.ingest.submit import Message
from weft.model.device import Field
from weft.model.message import (
    Envelope,
    Operation,
    PublishProperties,
    RejectionReason,
    Route,
)
from weft.model.principal import Principal, PrincipalKind
from weft.registry.thing_models import read_type
from weft.security.audit import Audit

ALICE = Principal(ACME, PrincipalKind.USER, "alice", "uid-alice")
TOPIC = "devices/me/telemetry"


class Inbox(Door):
    """A door with the inbox behind it."""

    def __init__(self, settings: RejectionSettings | None = None) -> None:
        self.records = MemoryRecords()
        self.inbox = RejectionInbox(self.records, settings or RejectionSettings())
        super().__init__(projections=[self.inbox])
        self.audit = Audit(self.records, self.clock, b"k" * 32)
        self.rejections = Rejections(self.records, self.inbox, self.gate, self.ingest, self.audit)

    async def refuse(self, payload: bytes) -> None:
        session = self.gate.open(PUMP_7, "test")
        self.gate.admit(session, Message(TOPIC, payload, qos=1), self.clock.now())
        await self.pipeline.drain()


async def test_answers_that_decided_nothing_lie_beside_what_the_door_refused() -> None:
    """Each once, at the place of its message, cut to the same size, within the tenant's bound."""
    async with Inbox(RejectionSettings(per_tenant=2)).running() as door:
        assert isinstance(door, Inbox)
        topic = "devices/pump-7/commands/r-1/result"
        route = Route(
            ACME, "device", "pump-7", topic, Operation.COMMAND_RESULT, PUMP_7.id, name="r-1"
        )
        envelope = Envelope(route, 7, b"x" * (PAYLOAD_MAX_BYTES + 1), qos=1)
        reason = RejectionReason("late_answer", "It had expired.", "Answer sooner.")
        answers = [RefusedAnswer(position, envelope, reason, 3) for position in (4, 5, 6)]
        for _ in range(2):
            await door.records.write(lambda w: door.inbox.put_answers(w, answers))
        found = [record.value for record in await door.rejections.list(ACME)]
        assert [one.position for one in found] == [6, 5]
        newest = found[0]
        assert (newest.code, newest.detail, newest.remedy) == (
            "late_answer",
            "It had expired.",
            "Answer sooner.",
        )
        assert (newest.device_id, newest.topic, newest.left_out_before) == ("pump-7", topic, 3)
        assert len(newest.payload) == PAYLOAD_MAX_BYTES < newest.payload_bytes


async def test_a_refused_message_is_in_the_inbox_with_reason_and_remedy() -> None:
    async with Inbox().running() as door:
        assert isinstance(door, Inbox)
        await door.refuse(b'{"tempp": 1}')
        (record,) = await door.rejections.list(ACME)
        found = record.value
        assert (found.device_id, found.topic, found.payload) == ("pump-7", TOPIC, b'{"tempp": 1}')
        assert "declares no telemetry 'tempp'" in found.detail
        assert found.remedy
        assert await door.rejections.get(ACME, found.position) == found


async def test_it_is_found_by_device_and_by_code_and_not_by_others() -> None:
    async with Inbox().running() as door:
        assert isinstance(door, Inbox)
        await door.refuse(b"{")
        assert len(await door.rejections.list(ACME, where=("device", "pump-7"))) == 1
        assert len(await door.rejections.list(ACME, where=("code", "payload_invalid"))) == 1
        assert await door.rejections.list(ACME, where=("device", "pump-8")) == []
        other = type(ACME)("other")
        assert await door.rejections.list(other) == []
        with pytest.raises(NotFound):
            await door.rejections.get(other, 1)


async def test_what_the_type_allows_by_now_is_redriven_at_its_own_moment() -> None:
    """The type lacked a key; it is mended, and the message from then goes in as of then."""
    async with Inbox().running() as door:
        assert isinstance(door, Inbox)
        await door.refuse(b'{"speed": 3}')
        received_at = (await door.rejections.list(ACME))[0].value.received_at
        door.types.known.append(pump_type(2, speed=Field("number")))
        door.gate.registry_changed()
        door.clock.turn(3600)
        position = await door.rejections.redrive(ALICE, 1, PUMP_7)
        assert position == 2
        last = door.recorder.seen[-1]
        assert (last[0], last[1], last[3][0].at) == (2, "TELEMETRY", received_at)
        assert await door.rejections.list(ACME) == []
        records = await door.audit.list_records(ACME)
        assert [r.value.action for r in records] == ["rejection.redrive"]


async def test_a_message_in_cbor_is_redriven_in_cbor_after_the_mapping_is_mended() -> None:
    """A firmware renamed a key: the mapping learns it, and what came meanwhile is of then."""
    document: dict[str, Any] = {
        "telemetry": {"rpm": {"type": "integer"}},
        "mapping": {"telemetry": {"rpm": "motor.speed"}},
    }
    async with Inbox().running() as door:
        assert isinstance(door, Inbox)
        door.types.known = [read_type(ACME, "pump", document, version=1, at=0)]
        session = door.gate.open(PUMP_7, "test")
        properties = PublishProperties(content_type="application/cbor")
        message = Message(TOPIC, cbor2.dumps({"motor": {"rpm": 900}}), qos=1)
        reason = door.gate.admit(session, message, door.clock.now(), properties)
        await door.pipeline.drain()
        assert reason is not None
        assert "motor.rpm" in reason.detail
        found = (await door.rejections.list(ACME))[0].value
        assert found.content_type == "application/cbor"
        document["mapping"]["telemetry"]["rpm"] = "motor.rpm"
        door.types.known.append(read_type(ACME, "pump", document, version=2, at=0))
        door.gate.registry_changed()
        door.clock.turn(3600)
        await door.rejections.redrive(ALICE, 1, PUMP_7)
        _position, operation, _payload, decoded = door.recorder.seen[-1]
        assert operation == "TELEMETRY"
        assert (decoded[0].at, decoded[0].values.rpm) == (found.received_at, 900)
        batches = [batch async for batch in door.journal.read(1)]
        envelope = batches[-1].envelopes[-1]
        assert envelope.properties == properties  # subscribers learn it too
        assert door.gate.decode_again(envelope)[0].values.rpm == 900


async def test_what_is_still_wrong_stays_in_the_inbox() -> None:
    async with Inbox().running() as door:
        assert isinstance(door, Inbox)
        await door.refuse(b'{"speed": 3}')
        with pytest.raises(PayloadInvalid, match="speed"):
            await door.rejections.redrive(ALICE, 1, PUMP_7)
        assert len(await door.rejections.list(ACME)) == 1
        assert door.journal.head == 1


async def test_refused_again_the_inbox_shows_why_it_is_now() -> None:
    """The type was mended and the message has a second fault: nobody mends the first one again."""
    async with Inbox().running() as door:
        assert isinstance(door, Inbox)
        await door.refuse(b'{"speed": "fast"}')
        assert "declares no" in (await door.rejections.get(ACME, 1)).detail
        door.types.known.append(pump_type(2, speed=Field("number")))
        door.gate.registry_changed()
        with pytest.raises(PayloadInvalid) as caught:
            await door.rejections.redrive(ALICE, 1, PUMP_7)
        shown = await door.rejections.get(ACME, 1)
        assert (shown.code, shown.detail, shown.remedy) == (
            caught.value.code,
            caught.value.detail,
            caught.value.remedy,
        )
        assert "declares no" not in shown.detail
        assert shown.payload == b'{"speed": "fast"}'


async def test_a_payload_that_was_not_kept_whole_cannot_be_redriven() -> None:
    async with Inbox().running() as door:
        assert isinstance(door, Inbox)
        await door.refuse(b'"' + b"x" * PAYLOAD_MAX_BYTES + b'"')
        found = (await door.rejections.list(ACME))[0].value
        assert len(found.payload) == PAYLOAD_MAX_BYTES
        with pytest.raises(Conflict, match="not kept whole"):
            await door.rejections.redrive(ALICE, found.position, PUMP_7)


async def test_a_flood_keeps_the_newest_and_counts_the_rest() -> None:
    """A device repeats one mistake; the disk does not fill, and nobody is told less."""
    door = Inbox(RejectionSettings(per_source=3))
    session = door.gate.open(PUMP_7, "test")
    for number in range(10):
        message = Message(TOPIC, b'{"tempp": %d}' % number)
        door.gate.admit(session, message, door.clock.now())
    async with door.running():
        await door.pipeline.drain()
        found = [r.value for r in await door.rejections.list(ACME)]
        assert [one.payload for one in found] == [b'{"tempp": %d}' % n for n in (9, 8, 7)]
        assert found[0].left_out_before == 7


async def test_a_tenants_inbox_has_a_bound() -> None:
    async with Inbox(RejectionSettings(per_tenant=2)).running() as door:
        assert isinstance(door, Inbox)
        for number in range(4):
            await door.refuse(b'{"tempp": %d}' % number)
        found = [r.value.payload for r in await door.rejections.list(ACME)]
        assert found == [b'{"tempp": 3}', b'{"tempp": 2}']


async def test_a_restart_reads_again_what_was_not_in_the_inbox_yet() -> None:
    async with Inbox().running() as door:
        assert isinstance(door, Inbox)
        await door.refuse(b"{")
        again = RejectionInbox(door.records, RejectionSettings())
        await again.load()
        assert again.position == 1
        async for committed in door.journal.read(0):
            again.apply(committed)
        await again.checkpoint()
        assert len(await door.rejections.list(ACME)) == 1


async def test_deleting_one_is_audited() -> None:
    async with Inbox().running() as door:
        assert isinstance(door, Inbox)
        await door.refuse(b"{")
        await door.rejections.list(ACME)
        await door.rejections.delete(ALICE, 1)
        assert await door.rejections.list(ACME) == []
        with pytest.raises(NotFound):
            await door.rejections.delete(ALICE, 1)
        records = await door.audit.list_records(ACME)
        assert [r.value.action for r in records] == ["rejection.delete"]


async def test_a_redrive_under_way_is_not_begun_again() -> None:
    """Two operators press the button; the message goes in once."""
    async with Inbox().running() as door:
        assert isinstance(door, Inbox)
        await door.refuse(b'{"speed": 3}')
        door.types.known.append(pump_type(2, speed=Field("number")))
        door.gate.registry_changed()
        answers = await asyncio.gather(
            *(door.rejections.redrive(ALICE, 1, PUMP_7) for _ in range(2)), return_exceptions=True
        )
        assert answers[0] == 2
        assert isinstance(answers[1], Conflict)
        assert door.journal.head == 2


async def test_id_1_a_namesake_does_not_send_what_a_deleted_device_was_refused() -> None:
    async with Inbox().running() as door:
        assert isinstance(door, Inbox)
        await door.refuse(b'{"speed": 3}')
        namesake = Principal(ACME, PrincipalKind.DEVICE, "pump-7", "uid-of-another")
        with pytest.raises(Conflict, match="was deleted"):
            await door.rejections.redrive(ALICE, 1, namesake)


class FullDisk(MemoryRecords):
    """Fails as many writes as it is told to."""

    failures = 0

    async def write(self, work: Any) -> Any:
        if self.failures:
            self.failures -= 1
            await asyncio.sleep(0)
            raise StorageError("The disk is full.")
        return await super().write(work)


async def test_what_could_not_be_stored_is_stored_the_next_time() -> None:
    """The disk is full for a moment; the inbox lacks nothing afterwards, in its order."""
    door = Inbox()
    door.records = door.rejections._records = door.inbox._records = disk = FullDisk()
    async with door.running():
        await door.refuse(b"1")
        disk.failures = 1
        failing = asyncio.create_task(door.rejections.list(ACME))
        await door.refuse(b"2")
        await asyncio.gather(failing, return_exceptions=True)
        disk.failures = 1
        await door.refuse(b"3")
        found = [record.value.payload for record in await door.rejections.list(ACME)]
        assert found == [b"3", b"2", b"1"]
        assert door.inbox.position == 3


def test_memory_is_bounded_though_the_disk_takes_no_more() -> None:
    """An hour without a disk, and a thousand devices that say the same wrong thing."""
    fresh = Fresh(per_source=3)
    for position in range(FRESH_MAX * 2):
        fresh.add(refused(position, f"pump-{position % (FRESH_MAX // 2)}"))
    assert len(fresh.all()) == FRESH_MAX
    assert {one.left_out_before for one in fresh.all()[-100:]} == {2}
    fresh.add(refused(1, "another"))
    assert (len(fresh.all()), fresh.unlisted) == (FRESH_MAX, 1)


def test_large_payloads_count_as_well() -> None:
    fresh = Fresh(per_source=100_000)
    for position in range(2_000):
        fresh.add(refused(position, "pump-7", b"x" * PAYLOAD_MAX_BYTES))
    held = fresh.all()
    assert sum(len(one.payload) for one in held) <= FRESH_MAX_BYTES
    assert held[-1].position == 1_999


def refused(position: int, device_id: str, payload: bytes = b"") -> Rejection:
    return Rejection(
        position, ACME, "device", device_id, device_id, "t", 0, "invalid", "", "", payload, 0, 0
    )
