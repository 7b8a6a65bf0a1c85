"""Subjects: where the device was when it happened, not where it is when one asks."""

from msgspec.structs import replace
from tests.rules.faults import PRESS, Machine, attached, rule_of, trips
from tests.rules.support import MAIN, START, S

from weft.model.asset import AttachmentRole
from weft.registry.kinds import ASSETS, ATTACHMENTS
from weft.rules.fault_subjects import chain_of, subject_of


async def test_an_alarm_is_about_the_asset_that_its_device_was_at_then() -> None:
    """The sensor moves an hour later; its alarm stays with the press."""
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot"))
    moved = attached("sensor-00", 0, START + 3_600 * S)
    await machine.records.write(lambda w: w.put(ATTACHMENTS, MAIN, moved.key, moved))
    before = trips(rule, "sensor-00").alarm()
    after = trips(rule, "sensor-00", at=START + 7_200 * S).alarm()
    found = await machine.records.read(lambda r: (subject_of(r, before), subject_of(r, after)))
    assert (found[0].key, found[0].asset_id) == ("asset:uid-press-1", "press-1")
    assert found[0].attributes == {"criticality": "high"}
    assert (found[1].key, found[1].asset_id) == ("device:uid-sensor-00", "")


async def test_what_it_observes_comes_before_what_it_steers() -> None:
    """A drive steers the line and observes its own motor: the motor has the fault."""
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot"))
    steers = replace(
        attached("sensor-00", 5), role=AttachmentRole.STEERS, asset_uid="uid-line", asset_id="line"
    )
    await machine.records.write(lambda w: w.put(ATTACHMENTS, MAIN, steers.key, steers))
    alarm = trips(rule, "sensor-00").alarm()
    assert (await machine.records.read(lambda r: subject_of(r, alarm))).asset_id == "press-1"


async def test_a_device_that_is_gone_is_named_by_what_it_was_called() -> None:
    """Its alarm may be written after it was deleted."""
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot"))
    alarm = trips(rule, "ghost").alarm()
    assert (await machine.records.read(lambda r: subject_of(r, alarm))).key == "device:ghost"


async def test_the_chain_goes_up_to_the_root() -> None:
    """Machine, line; a parent that is gone ends it."""
    machine = Machine()
    await machine.ready()
    line = replace(PRESS, asset_id="line", uid="uid-line", parent=None)
    below = replace(PRESS, parent="line")
    await machine.records.write(
        lambda w: (w.put(ASSETS, MAIN, "line", line), w.put(ASSETS, MAIN, "press-1", below))
    )
    chain = await machine.records.read(lambda r: chain_of(r, MAIN, "press-1"))
    assert [asset.asset_id for asset in chain] == ["press-1", "line"]


async def test_an_alarm_about_an_asset_or_a_group_is_about_that() -> None:
    """Rules may speak of more than a device; a deleted asset is named by what it was called."""
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot"))
    plain = trips(rule, "sensor-00").alarm()
    about = [
        replace(plain, device_id="", asset="press-1"),
        replace(plain, device_id="", asset="gone"),
        replace(plain, device_id="", group="hall-2", members=("sensor-00", "sensor-01")),
    ]
    found = await machine.records.read(lambda r: [subject_of(r, alarm).key for alarm in about])
    assert found == ["asset:uid-press-1", "asset:gone", "group:hall-2"]
