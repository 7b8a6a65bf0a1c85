"""Writing: all of an episode or nothing of it, and never twice."""

import pytest
from msgspec.structs import replace
from tests.rules.support import ALICE, MAIN, ORDER, START, Plant, hot

from weft.errors import AlreadyExists
from weft.model.alarm import AlarmState
from weft.model.ids import DeviceId
from weft.model.twin import Stamp
from weft.rules.firing import Firing
from weft.rules.health import Health
from weft.rules.kinds import ALARMS, OUTBOX
from weft.rules.model import ActionKind, RuleAction
from weft.rules.requests import Clear, Pause, Raise
from weft.rules.writes import CONNECTOR
from weft.twins.twins import DESIRED, Desired


async def ready(plant: Plant) -> tuple[Firing, Raise]:
    rule = await plant.rules.create(ALICE, hot(actions=[ORDER]))
    request = Raise(
        rule=rule,
        device_id=DeviceId("pump-7"),
        position=9,
        episode="9",
        began_at=START,
        at=START,
        evidence=(),
        values={"device": "pump-7", "temperature": 99.0},
    )
    return Firing(plant.policy, plant.audit, Health()), request


async def test_asking_twice_changes_nothing() -> None:
    """In one transaction or in two, by one process or by two."""
    plant = Plant()
    firing, request = await ready(plant)
    for _ in range(2):
        await plant.records.write(lambda writer: firing.write(writer, [request, request], {}))
    assert len(await plant.raised()) == len(await plant.orders()) == 1
    assert (await plant.audited()).count("alarm.raise") == 1


async def test_when_one_write_fails_nothing_has_happened() -> None:
    """The outbox entry cannot be written, so there is no alarm either (AL-4)."""
    plant = Plant()
    firing, request = await ready(plant)
    await plant.records.write(lambda writer: firing.write(writer, [request], {}))
    await plant.records.write(lambda writer: writer.delete(ALARMS, MAIN, request.alarm_id))
    before = await plant.audited()
    with pytest.raises(AlreadyExists):
        await plant.records.write(lambda writer: firing.write(writer, [request], {}))
    assert not await plant.raised()
    assert await plant.audited() == before


async def test_the_action_says_what_a_person_needs() -> None:
    """The connector renders from the action alone."""
    plant = Plant()
    firing, request = await ready(plant)
    await plant.records.write(lambda writer: firing.write(writer, [request], {}))
    (entry,) = await plant.outbox()
    alarm = entry.action.parameters["alarm"]
    assert entry.action.parameters["title"] == "Inspect pump-7"
    assert alarm["message"] == "pump-7 is at 99"
    assert (alarm["device"], alarm["rule"], alarm["severity"]) == ("pump-7", "overheating", "major")
    assert OUTBOX.index(entry)["due"] == f"pending:{START:020d}"


async def test_a_wish_carries_what_the_rule_has_seen() -> None:
    """So that a person's newer wish can be told from the one that the rule acts upon."""
    plant = Plant()
    firing, request = await ready(plant)
    wish = RuleAction(
        ActionKind.DESIRE, CONNECTOR, {"device": "fan-1", "properties": {"speed": 9, "mode": "on"}}
    )
    document = replace(request.rule.document, actions=(wish,))
    request = replace(request, rule=replace(request.rule, document=document))
    held = Desired({"speed": 5}, 2, {"speed": Stamp(7, "user:alice")})
    await plant.records.write(lambda writer: writer.put(DESIRED, MAIN, "fan-1", held))
    await plant.records.write(lambda writer: firing.write(writer, [request], {}))
    (entry,) = await plant.outbox()
    assert entry.action.parameters["seen"] == {"speed": 7, "mode": 0}


async def test_clearing_what_is_not_there_or_over_changes_nothing() -> None:
    """A clear may come again after a crash, or after a person was quicker."""
    plant = Plant()
    firing, request = await ready(plant)
    clear = Clear(request.rule, MAIN, request.device_id, request.alarm_id, START + 1, 12)
    for asked in ([clear], [request, clear], [clear]):
        await plant.records.write(lambda writer, asked=asked: firing.write(writer, asked, {}))
    (alarm,) = await plant.raised()
    assert (alarm.state, alarm.version) == (AlarmState.CLEARED, 2)


async def test_a_pause_is_for_the_version_that_failed() -> None:
    """The owner has saved a better version meanwhile; that one runs."""
    plant = Plant()
    firing, request = await ready(plant)
    stale = replace(request.rule, version=0)
    await plant.records.write(lambda w: firing.write(w, [Pause(stale, "fails", START)], {}))
    assert not (await plant.rules.get(MAIN, "overheating")).paused
    await plant.records.write(lambda w: firing.write(w, [Pause(request.rule, "fails", START)], {}))
    assert (await plant.rules.get(MAIN, "overheating")).paused == "fails"


async def test_a_denied_action_is_told_by_its_place() -> None:
    """AZ-5: which action, and why."""
    plant = Plant()
    firing, request = await ready(plant)
    assert firing.denied([request]) == {}
    plant.policy.denied.add("connector:erp")
    assert firing.denied([request]) == {(request.alarm_id, 0): "no role allows it"}
