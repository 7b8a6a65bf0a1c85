"""The inbox: nothing refused is lost, a flood does not fill it, and what is mended goes in."""

import pytest
from tests.ingest.support import ACME, PUMP_7, Door, pump_type

from weft.backends.memory.records import MemoryRecords
from weft.errors import Conflict, NotFound, PayloadInvalid
from weft.ingest.rejections import (
    PAYLOAD_MAX_BYTES,
    RejectionInbox,
    Rejections,
    RejectionSettings,
)
from weft.ingest.submit import Message
from weft.model.device import Field
from weft.model.principal import Principal, PrincipalKind
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


async def test_what_is_still_wrong_stays_in_the_inbox() -> None:
    async with Inbox().running() as door:
        assert isinstance(door, Inbox)
        await door.refuse(b'{"speed": 3}')
        with pytest.raises(PayloadInvalid, match="speed"):
            await door.rejections.redrive(ALICE, 1, PUMP_7)
        assert len(await door.rejections.list(ACME)) == 1
        assert door.journal.head == 1


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
