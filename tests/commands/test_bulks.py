"""Bulks: each device once, whatever crashes, and one that cannot hinders no other."""

import pytest
from tests.commands.support import ACME, ALICE, Station

from weft.commands.bulks import BULKS, SENT_AT_ONCE, Bulk, Bulks, Targets
from weft.commands.settings import CommandSettings
from weft.errors import Invalid, NotFound, StorageError, TooLarge
from weft.model.command import CommandState
from weft.model.device import Lifecycle
from weft.ports import Decision
from weft.registry.tenants import Quotas


class Rights:
    """Allows all, until it does not."""

    version = 1
    allowed = True

    def decide(self, _principal: object, _action: str, _target: str) -> Decision:
        return Decision(self.allowed, "test", 1)


async def fleet(count: int, settings: CommandSettings | None = None) -> tuple[Station, Bulks]:
    station = Station(settings)
    for number in range(count):
        await station.device(f"pump-{number:03d}")
    return station, bulks_of(station)


def bulks_of(station: Station, rights: Rights | None = None) -> Bulks:
    return Bulks(station.given, station.commands, rights or Rights(), station.settings)


async def send_all(bulks: Bulks) -> None:
    while await bulks.send_some():
        continue


async def test_every_device_gets_a_command_and_progress_is_counted() -> None:
    station, bulks = await fleet(3)
    names = tuple(f"pump-{number:03d}" for number in range(3))
    bulk = await bulks.start(ALICE, Targets((*names, names[0])), "restart", {}, ttl_s=60)
    before = await bulks.progress(ACME, bulk.bulk_id)
    assert (before.bulk.done, sum(before.counts.values())) == (0, 0)
    await send_all(bulks)
    (first, *_) = station.told
    station.answer(first, {"status": "failed"})
    progress = await bulks.progress(ACME, bulk.bulk_id)
    assert progress.bulk.is_sent
    assert (progress.counts[CommandState.SENT], progress.counts[CommandState.FAILED]) == (2, 1)
    assert len(station.journal) == 3 + 1
    assert {one.expires_at for one in station.told} == {bulk.expires_at}


async def test_a_device_that_cannot_be_sent_to_hinders_no_other() -> None:
    station, bulks = await fleet(2)
    await station.devices.move(ALICE, "pump-000", Lifecycle.SUSPENDED)
    targets = Targets(("pump-000", "nobody", "pump-001"))
    bulk = await bulks.start(ALICE, targets, "restart", {})
    await send_all(bulks)
    progress = await bulks.progress(ACME, bulk.bulk_id)
    failures = [(one.device_id, one.code) for one in progress.bulk.failures]
    assert failures == [("pump-000", "conflict"), ("nobody", "not_found")]
    assert (progress.bulk.failed, progress.counts[CommandState.SENT]) == (2, 1)


async def test_a_crash_in_the_middle_sends_none_twice_and_leaves_none_out() -> None:
    """The commands of a part are kept, and the power fails before the bulk says so."""
    station, bulks = await fleet(SENT_AT_ONCE + 5)
    await station.types.save(ALICE, "pump", {})
    names = tuple(f"pump-{number:03d}" for number in range(SENT_AT_ONCE + 5))
    bulk = await bulks.start(ALICE, Targets(names), "restart", {})
    await bulks._send_part(bulk)
    await station.records.write(lambda w: w.put(BULKS, ACME, bulk.bulk_id, bulk))
    await station.restart()
    await send_all(bulks_of(station))
    sent = [envelope.route.device_id for envelope, _ in station.journal]
    assert sorted(sent) == sorted(names)


async def test_a_bulk_waits_for_room_and_then_goes_on() -> None:
    station, bulks = await fleet(5)
    await station.tenants.create(ALICE, ACME, quotas=Quotas(open_commands=2))
    names = tuple(f"pump-{number:03d}" for number in range(5))
    bulk = await bulks.start(ALICE, Targets(names), "restart", {})
    await send_all(bulks)
    assert (await progress_of(bulks, bulk)).done == 2
    for command in [one for one in station.told if one.state is CommandState.SENT]:
        station.answer(command, {})
    await send_all(bulks)
    after = await progress_of(bulks, bulk)
    assert (after.done, after.failed) == (4, 0)


async def test_what_waited_too_long_for_room_is_said_to_have_expired() -> None:
    station, bulks = await fleet(2)
    bulk = await bulks.start(ALICE, Targets(("pump-000", "pump-001")), "restart", {}, ttl_s=5)
    station.clock.turn(6)
    await send_all(bulks)
    after = await progress_of(bulks, bulk)
    assert after.is_sent
    assert [one.code for one in after.failures] == ["expired", "expired"]


async def test_a_sender_that_lost_its_right_sends_no_more() -> None:
    """Decided on again at every device, as a long bulk outlives a person's account."""
    station, _ = await fleet(1)
    rights = Rights()
    bulks = bulks_of(station, rights)
    bulk = await bulks.start(ALICE, Targets(("pump-000",)), "restart", {})
    rights.allowed = False
    await send_all(bulks)
    assert [one.code for one in (await progress_of(bulks, bulk)).failures] == ["forbidden"]
    assert station.journal == []


async def test_a_full_disk_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    station, bulks = await fleet(1)
    bulk = await bulks.start(ALICE, Targets(("pump-000",)), "restart", {})

    async def fails(*_: object, **__: object) -> None:
        raise StorageError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(station.commands, "submit", fails)
        with pytest.raises(StorageError):
            await bulks.send_some()
    await send_all(bulks)
    after = await progress_of(bulks, bulk)
    assert (after.done, after.failed) == (1, 0)


async def test_targets_are_named_or_of_a_type_and_not_too_many() -> None:
    station, bulks = await fleet(1, CommandSettings(bulk_devices_max=2))
    await station.types.save(ALICE, "pump", {"commands": {"restart": {}}})
    for name in ("a", "b"):
        await station.device(name, type_name="pump")
    bulk = await bulks.start(ALICE, Targets(type_name="pump"), "restart", {})
    assert bulk.devices == ("a", "b")
    for targets in (Targets(), Targets(("a",), "pump")):
        with pytest.raises(Invalid, match="named or to all of a type"):
            await bulks.start(ALICE, targets, "restart", {})
    with pytest.raises(TooLarge):
        await bulks.start(ALICE, Targets(("a", "b", "c")), "restart", {})
    with pytest.raises(NotFound):
        await bulks.start(ALICE, Targets(type_name="mill"), "restart", {})
    with pytest.raises(NotFound):
        await bulks.progress(ACME, "nothing")


async def test_old_bulks_are_forgotten() -> None:
    station, bulks = await fleet(1)
    bulk = await bulks.start(ALICE, Targets(("pump-000",)), "restart", {})
    await bulks.forget_old()
    await progress_of(bulks, bulk)
    station.clock.turn(40 * 24 * 3600)
    await bulks.forget_old()
    with pytest.raises(NotFound):
        await progress_of(bulks, bulk)


async def progress_of(bulks: Bulks, bulk: Bulk) -> Bulk:
    return (await bulks.progress(ACME, bulk.bulk_id)).bulk
