"""Commands: kept, sent, answered; one outcome each, whatever comes in between."""

import asyncio

import pytest
from tests.commands.support import ACME, ALICE, PUMP, Station

from weft.commands.commands import STORED_AT_ONCE
from weft.commands.settings import CommandSettings
from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded, StorageError, TooLarge
from weft.model.command import CommandState
from weft.model.device import Lifecycle
from weft.model.ids import DeviceId
from weft.model.message import Operation
from weft.model.principal import Principal, PrincipalKind
from weft.registry.devices import DevicePatch, NewDevice
from weft.registry.tenants import Quotas

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


async def test_input_is_checked_against_the_declared_command() -> None:
    station = Station()
    await station.pump()
    with pytest.raises(Invalid, match=r"input\.rpm is 9000, above the maximum of 3000"):
        await station.commands.send(ALICE, PUMP, "set_speed", {"rpm": 9000})
    with pytest.raises(Invalid, match="declares no command 'sing'"):
        await station.commands.send(ALICE, PUMP, "sing")
    assert station.journal == []


async def test_a_device_without_a_type_takes_any_command_but_not_any_size() -> None:
    station = Station(CommandSettings(input_max_bytes=100))
    await station.device()
    await station.commands.send(ALICE, PUMP, "sing", {"song": ["a", 1, None]})
    with pytest.raises(TooLarge):
        await station.commands.send(ALICE, PUMP, "sing", {"song": "x" * 100})
    with pytest.raises(Invalid, match="64 bits"):
        await station.commands.send(ALICE, PUMP, "sing", {"pitch": 2**64})
    with pytest.raises(Invalid, match="'result' cannot be"):
        await station.commands.send(ALICE, PUMP, "result")
    with pytest.raises(Invalid, match="cannot wait for 0 s"):
        await station.commands.send(ALICE, PUMP, "sing", ttl_s=0)


async def test_a_device_that_is_not_active_takes_no_commands() -> None:
    station = Station()
    await station.device()
    await station.devices.move(ALICE, PUMP, Lifecycle.SUSPENDED)
    with pytest.raises(Conflict, match="suspended"):
        await station.commands.send(ALICE, PUMP, "restart")
    with pytest.raises(NotFound):
        await station.commands.send(ALICE, DeviceId("nobody"), "restart")


async def test_the_same_request_id_is_the_same_command() -> None:
    """A caller that lost the answer asks again: the device hears of it once."""
    station = Station()
    await station.pump()
    first, again = await asyncio.gather(
        station.commands.send(ALICE, PUMP, "restart", request_id="r-1"),
        station.commands.send(ALICE, PUMP, "restart", request_id="r-1"),
    )
    assert first.request_id == again.request_id == "r-1"
    assert len(station.journal) == 1
    station.answer(first, {})
    once_more = await station.commands.send(ALICE, PUMP, "restart", request_id="r-1")
    assert once_more.state is CommandState.SUCCEEDED
    with pytest.raises(Conflict, match="used for another command"):
        await station.commands.send(ALICE, PUMP, "set_speed", {"rpm": 1}, request_id="r-1")


async def test_open_commands_are_limited_per_device_and_per_tenant() -> None:
    station = Station(CommandSettings(open_per_device=2))
    await station.tenants.create(ALICE, ACME, quotas=Quotas(open_commands=3))
    await station.device()
    await station.device("pump-8")
    for _ in range(2):
        await station.commands.send(ALICE, PUMP, "restart")
    with pytest.raises(QuotaExceeded, match="2 commands to 'pump-7'"):
        await station.commands.send(ALICE, PUMP, "restart")
    sent = await station.commands.send(ALICE, DeviceId("pump-8"), "restart")
    with pytest.raises(QuotaExceeded, match="tenant has 3 commands"):
        await station.commands.send(ALICE, DeviceId("pump-8"), "restart")
    station.answer(sent, {})
    await station.commands.send(ALICE, DeviceId("pump-8"), "restart")


async def test_what_nobody_answers_expires_on_time_and_a_late_answer_is_a_note() -> None:
    """The pump comes back a minute too late: what was decided stays decided."""
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart", ttl_s=10)
    station.clock.turn(9)
    station.commands.sweep(station.clock.now())
    assert (await station.commands.get(*key(sent))).state is SENT
    station.clock.turn(2)
    station.commands.sweep(station.clock.now())
    expired = await station.commands.get(*key(sent))
    assert (expired.state, expired.ended_by) == ("expired", "time")
    assert expired.ended_at == sent.expires_at
    await station.commands.checkpoint()
    position = station.answer(sent, {"status": "succeeded"})
    await station.commands.checkpoint()
    noted = await station.commands.get(*key(sent))
    assert noted.state is CommandState.EXPIRED
    assert noted.late is not None
    assert (noted.late.position, noted.late_count) == (position, 1)


async def test_an_answer_after_the_time_is_late_though_nobody_has_swept_yet() -> None:
    """The outcome hangs on moments in the journal, not on when a timer ran."""
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart", ttl_s=10)
    station.clock.turn(11)
    station.answer(sent, {"status": "succeeded"})
    ended = await station.commands.get(*key(sent))
    assert (ended.state, ended.late_count) == ("expired", 1)


async def test_the_first_answer_counts() -> None:
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    station.answer(sent, {"status": "failed", "error": "valve stuck"})
    station.answer(sent, {"status": "succeeded"})
    ended = await station.commands.get(*key(sent))
    assert (ended.state, ended.error, ended.late_count) == ("failed", "valve stuck", 1)


async def test_an_answer_to_what_nobody_asked_changes_nothing() -> None:
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    await station.commands.forget(ACME, PUMP)
    station.answer(sent, {})
    await station.commands.checkpoint()
    with pytest.raises(NotFound):
        await station.commands.get(*key(sent))


async def test_a_command_that_was_kept_and_not_published_is_published_after_a_crash() -> None:
    """The disk of the journal was full, then the power failed."""
    station = Station()
    await station.pump()
    station.full = True
    kept = await station.commands.send(ALICE, PUMP, "restart")
    assert kept.state is CommandState.QUEUED
    await station.restart()
    station.full = False
    await station.commands.publish_waiting()
    await station.commands.publish_waiting()
    assert len(station.journal) == 1
    assert (await station.commands.get(*key(kept))).state is SENT


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


async def test_a_command_is_taken_back_by_its_sender_once() -> None:
    """It ends as rejected, on record; a device that did it all the same is noted."""
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    ended, again = await asyncio.gather(
        station.commands.cancel(ALICE, PUMP, sent.request_id, reason="wrong pump"),
        station.commands.cancel(ALICE, PUMP, sent.request_id),
    )
    assert ended == again
    assert (ended.state, ended.ended_by) == ("rejected", "user:alice")
    assert ended.error == "Cancelled: wrong pump"
    station.answer(sent, {})
    await station.commands.checkpoint()
    assert (await station.commands.get(*key(sent))).late_count == 1
    actions = [one.value.action for one in await station.audit.list_records(ACME)]
    assert actions.count("command.cancel") == 1


async def test_what_has_ended_cannot_be_taken_back() -> None:
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    station.answer(sent, {"status": "rejected", "error": "busy"})
    with pytest.raises(Conflict, match="has rejected already"):
        await station.commands.cancel(ALICE, PUMP, sent.request_id)


async def test_an_answer_during_a_cancel_that_fails_is_the_outcome_after_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The disk fails under the cancel while the pump answers: nothing is lost."""
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")

    async def fails(_work: object) -> None:
        station.answer(sent, {"status": "succeeded"})
        raise StorageError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(station.records, "write", fails)
        with pytest.raises(StorageError):
            await station.commands.cancel(ALICE, PUMP, sent.request_id)
    assert (await station.commands.get(*key(sent))).state is CommandState.SUCCEEDED


async def test_only_the_devices_own_session_delivers() -> None:
    """A dashboard that subscribed to the topic as well has not carried anything out."""
    station = Station()
    pump = await station.pump()
    other = await station.device("pump-8")
    sent = await station.commands.send(ALICE, PUMP, "restart")
    station.commands.acknowledged(other, sent.topic)
    station.commands.acknowledged(ALICE, sent.topic)
    assert (await station.commands.get(*key(sent))).state is SENT
    station.commands.acknowledged(pump, sent.topic)
    assert (await station.commands.get(*key(sent))).state is DELIVERED


async def test_a_gateway_delivers_to_the_devices_that_it_speaks_for() -> None:
    station = Station()
    gateway = await station.device("gateway-1")
    await station.devices.create(ALICE, NewDevice(device_id="meter-1", gateway="gateway-1"))
    sent = await station.commands.send(ALICE, DeviceId("meter-1"), "restart")
    station.commands.acknowledged(gateway, sent.topic)
    assert (await station.commands.get(*key(sent))).state is DELIVERED


async def test_what_a_devices_session_refuses_is_rejected_without_waiting_for_time() -> None:
    """A pump answers PUBACK 0x97: its sender need not wait for the expiry to learn of it."""
    station = Station()
    pump = await station.pump()
    other = await station.device("pump-8")
    sent = await station.commands.send(ALICE, PUMP, "restart")
    station.commands.refused(other, sent.topic)
    await station.commands.publish_waiting()
    assert (await station.commands.get(*key(sent))).state is SENT
    station.commands.refused(pump, sent.topic)
    await station.commands.publish_waiting()
    ended = await station.commands.get(*key(sent))
    assert (ended.state, ended.ended_by) == ("rejected", "weft")
    await station.restart()
    assert (await station.commands.get(*key(sent))).state is CommandState.REJECTED


async def test_a_device_is_owed_what_was_sent_and_it_has_not_got() -> None:
    """And a gateway what is owed to its devices; a namesake of another time nothing."""
    station = Station()
    pump = await station.pump()
    sent = [await station.commands.send(ALICE, PUMP, "restart") for _ in range(3)]
    station.commands.fetched(ACME, PUMP, sent[0].request_id)
    station.answer(sent[1], {})
    assert [one.route.name for one in station.commands.owed_to(pump)] == [sent[2].request_id]
    gateway = await station.device("gateway-1")
    await station.devices.patch(ALICE, PUMP, DevicePatch(gateway="gateway-1"))
    assert len(station.commands.owed_to(gateway)) == 1
    other = Principal(ACME, PrincipalKind.DEVICE, PUMP, "another uid")
    assert station.commands.owed_to(other) == []


async def test_whoever_waits_hears_of_the_outcome_at_once() -> None:
    station = Station(CommandSettings(waiting_max=1))
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(station.commands.wait(*key(sent), wait_s=30))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(QuotaExceeded, match="wait for outcomes"):
            await station.commands.wait(*key(sent), wait_s=1)
        station.answer(sent, {})
    assert waiting.result().state is CommandState.SUCCEEDED
    assert (await station.commands.wait(*key(sent), wait_s=30)).state is CommandState.SUCCEEDED


async def test_a_wait_is_over_with_its_time_and_with_weft() -> None:
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    assert (await station.commands.wait(*key(sent), wait_s=0.01)).state is SENT
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(station.commands.wait(*key(sent), wait_s=30))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        station.commands.close()
    assert waiting.result().state is SENT


async def test_commands_are_listed_newest_first_and_by_state() -> None:
    station = Station()
    await station.pump()
    sent = []
    for _ in range(3):
        sent.append(await station.commands.send(ALICE, PUMP, "restart"))
        station.clock.turn(1)
    station.answer(sent[1], {})
    listed = await station.commands.list(ACME, PUMP, state=CommandState.SENT)
    assert {one.request_id for one in listed} == {sent[0].request_id, sent[2].request_id}
    assert len(await station.commands.list(ACME, PUMP)) == 3
    assert [one.request_id for one in station.commands.open_for(ACME, PUMP)] == [
        sent[0].request_id,
        sent[2].request_id,
    ]


async def test_old_outcomes_are_forgotten_and_open_commands_never() -> None:
    station = Station(CommandSettings(keep_days=2, ttl_max_s=10**8))
    await station.pump()
    done = await station.commands.send(ALICE, PUMP, "restart")
    kept = await station.commands.send(ALICE, PUMP, "restart", ttl_s=10**8)
    station.answer(done, {})
    await station.commands.checkpoint()
    station.clock.turn(4 * 24 * 3600)
    assert await station.commands.forget_old() == 1
    assert [one.request_id for one in await station.commands.list(ACME, PUMP)] == [kept.request_id]


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


def key(command: object) -> tuple[str, str, str]:
    return (command.tenant, command.device_id, command.request_id)  # type: ignore[attr-defined]
