"""Commands: kept, sent, answered; one outcome each, whatever comes in between."""

import pytest
from tests.commands.support import ACME, ALICE, PUMP, Station, key

from weft.commands.settings import CommandSettings
from weft.commands.storage import STORED_AT_ONCE
from weft.errors import StorageError
from weft.model.command import CommandState
from weft.model.message import Operation

SENT, DELIVERED = CommandState.SENT, CommandState.DELIVERED


async def test_a_command_goes_its_way_to_success() -> None:
    """Kept, in the journal, on the device, answered: each step is told in its order."""
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "set_speed", {"rpm": 900}, ttl_s=60)
    assert sent.state is SENT
    (envelope, _) = station.journal[0]
    assert envelope.route.topic == f"devices/pump-7/commands/{sent.request_id}/set_speed"
    assert envelope.route.operation is Operation.COMMAND
    assert envelope.payload == b'{"rpm":900}'
    assert (envelope.qos, envelope.retain) == (1, False)
    assert envelope.properties is not None
    assert envelope.properties.message_expiry_s == 60
    assert envelope.properties.response_topic == sent.result_topic
    station.commands.fetched(ACME, PUMP, sent.request_id)
    station.answer(sent, {"status": "succeeded", "output": {"rpm": 898}})
    ended = await station.commands.get(ACME, PUMP, sent.request_id)
    assert (ended.state, ended.output, ended.ended_by) == ("succeeded", {"rpm": 898}, "device")
    assert [one.state for one in station.told] == ["queued", "sent", "delivered", "succeeded"]
    assert station.commands.open_for(ACME, PUMP) == []


async def test_a_crash_repeats_what_the_journal_has_and_changes_no_outcome() -> None:
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    await station.commands.checkpoint()
    station.answer(sent, {"status": "succeeded", "output": 1})
    station.answer(sent, {"status": "failed"})
    before = await station.commands.get(*key(sent))
    await station.restart()
    after = await station.commands.get(*key(sent))
    assert (after.state, after.output, after.late) == ("succeeded", 1, before.late)
    await station.commands.checkpoint()
    await station.restart()
    assert (await station.commands.get(*key(sent))).late_count == 1
    assert station.commands.backlog == 0


async def test_a_checkpoint_that_fails_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    station = Station(CommandSettings(open_per_device=1_000))
    await station.pump()
    for _ in range(STORED_AT_ONCE + 1):
        await station.commands.send(ALICE, PUMP, "restart")

    async def fails(_work: object) -> None:
        raise StorageError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(station.records, "write", fails)
        with pytest.raises(StorageError):
            await station.commands.checkpoint()
    assert station.commands.backlog
    await station.commands.checkpoint()
    assert not station.commands.backlog
    await station.restart()
    assert {one.state for one in station.commands.open_for(ACME, PUMP)} == {SENT}
