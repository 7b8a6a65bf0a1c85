"""One message by one caller, who waits for its commit."""

import pytest
from tests.ingest.support import ACME, PUMP_7, Door, Toy

from weft.errors import Forbidden, Invalid, PayloadInvalid, StorageError, Unavailable
from weft.ingest.dialects.table import Dialects
from weft.ingest.pipeline import PipelineSettings
from weft.ingest.submit import Message, refusal
from weft.model.message import Operation, RejectionReason


async def test_the_caller_gets_the_position() -> None:
    async with Door().running() as door:
        for expected in (1, 2):
            position = await door.ingest.submit(
                PUMP_7, "devices/me/telemetry", b'{"rpm": 1}', address="test"
            )
            assert position == expected


async def test_a_refusal_is_raised_and_kept() -> None:
    async with Door().running() as door:
        with pytest.raises(PayloadInvalid, match="no telemetry 'rpn'"):
            await door.ingest.submit(PUMP_7, "devices/me/telemetry", b'{"rpn": 1}', address="t")
        assert [operation for _, operation, *_ in door.recorder.seen] == ["REJECTED"]


async def test_a_full_disk_is_raised() -> None:
    async with Door().running() as door:
        door.journal.failures = 1
        with pytest.raises(StorageError, match="disk is full"):
            await door.ingest.submit(PUMP_7, "devices/me/telemetry", b"{}", address="t")


async def test_a_message_that_says_nothing_has_no_position() -> None:
    """An empty one in a dialect: what others send meanwhile is not taken for it."""
    async with Door(dialects=Dialects((Toy(),))).running() as door:
        await door.ingest.submit(PUMP_7, "devices/me/telemetry", b'{"rpm": 1}', address="test")
        assert await door.ingest.submit(PUMP_7, "toy/telemetry", b"{}", address="test") == 0
        other = door.gate.open(PUMP_7, "other")
        door.gate.admit(other, Message("devices/me/telemetry", b'{"rpm": 2}'), 1)
        assert await door.ingest.submit(PUMP_7, "toy/telemetry", b"{}", address="test") == 0
        assert len(door.recorder.seen) == 2


async def test_a_message_that_was_sent_before_has_no_position_of_its_own() -> None:
    """It is not kept twice, and the second call ends when the first one is on disk."""
    async with Door().running() as door:
        said = Message("devices/me/telemetry", b'{"rpm": 1}', qos=1, packet_id=7)
        again = Message("devices/me/telemetry", b'{"rpm": 1}', qos=1, packet_id=7, dup=True)
        first = await door.ingest.send(PUMP_7, said, address="test", client_id="c")
        assert first == 1
        assert await door.ingest.send(PUMP_7, again, address="test", client_id="c") == 0
        assert len(door.recorder.seen) == 1


async def test_weft_publishes_in_its_own_name() -> None:
    async with Door().running() as door:
        await door.ingest.publish(
            ACME, "devices/pump-7/properties/desired", b"{}", Operation.DESIRED, retain=True
        )
        async for committed in door.journal.read(0):
            envelope = committed.envelopes[0]
            assert (envelope.route.principal_id, envelope.retain) == ("weft", True)
            assert envelope.route.device_id == "pump-7"


def test_reasons_become_the_errors_they_were() -> None:
    assert type(refusal(RejectionReason("forbidden", "no", ""))) is Forbidden
    assert type(refusal(RejectionReason("strange", "no", ""))) is Invalid


async def test_a_caller_is_not_taken_in_when_the_journal_cannot_keep_up() -> None:
    """A connection is read no further; a request has no such brake, so it is sent away."""
    door = Door()
    door.pipeline._settings = PipelineSettings(batch_max_messages=1)
    session = door.gate.open(PUMP_7, "test")
    door.gate.admit(session, Message("devices/me/telemetry", b"{}"), 1)
    with pytest.raises(Unavailable, match="keep up"):
        await door.ingest.submit(PUMP_7, "devices/me/telemetry", b"{}", address="test")
