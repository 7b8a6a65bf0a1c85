"""Traces: the condition with every value that it saw, and where each came from."""

from tests.rules.support import ALICE, MAIN, START, Plant, S, device, hot, members_of

from weft.model.alarm import AlarmState
from weft.rules.trace import PARTS_MAX
from weft.rules.tracing import AlarmTrace, Part, words_of


async def trace(plant: Plant) -> AlarmTrace:
    (alarm,) = await plant.raised()
    return await plant.alarms.trace(MAIN, alarm.alarm_id)


def part(whole: Part, text: str) -> Part:
    """Return the part with a text."""
    if whole.text == text:
        return whole
    found = [part(one, text) for one in whole.parts if text in _texts(one)]
    return found[0]


def _texts(whole: Part) -> set[str]:
    return {whole.text}.union(*(_texts(one) for one in whole.parts))


async def test_every_part_has_its_value_and_every_input_its_sample() -> None:
    """The pressure came with an older message than the temperature; both are told."""
    plant = Plant()
    rule = hot(when="temperature > 80 && (pressure < 2 || rpm > 100)", clear="temperature < 70")
    await plant.rules.create(ALICE, rule)
    await plant.hear(1, {"pressure": 1.5})
    await plant.hear(2, {"temperature": 20.0})
    await plant.hear(3, {"temperature": 90.0})

    raised = (await trace(plant)).raised

    assert raised is not None
    assert (raised.condition, raised.at, raised.root.value) == ("when", START + 3 * S, True)
    hot_part, low = part(raised.root, "temperature"), part(raised.root, "pressure")
    assert (hot_part.value, hot_part.position, hot_part.at) == (90.0, 3, START + 3 * S)
    assert (low.value, low.position, low.at) == (1.5, 1, START + S)
    unseen = part(raised.root, "rpm")
    assert unseen.unknown
    assert unseen.position is None


async def test_a_clear_has_a_trace_of_its_own() -> None:
    """Of the condition that clears; ended from outside it has a reason instead."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(clear="temperature < 70"))
    await plant.hear(1, {"temperature": 90.0})
    await plant.hear(2, {"temperature": 60.0})

    told = await trace(plant)
    assert told.cleared is not None
    assert (told.cleared.condition, told.cleared.root.value) == ("clear", True)
    assert part(told.cleared.root, "temperature").position == 2
    assert told.raised is not None

    await plant.hear(3, {"temperature": 95.0})
    await plant.rules.delete(ALICE, "overheating")
    await plant.engine.flush()
    (second,) = [one for one in await plant.raised() if one.episode == 3]
    ended = await plant.alarms.trace(MAIN, second.alarm_id)
    assert (ended.cleared, ended.reason) == (None, "the rule was deleted")


async def test_a_window_shows_what_it_was_fed_with() -> None:
    """Its value, and below it the newest sample."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(when="mean(temperature, 1m) > 80"))
    await plant.hear(1, {"temperature": 70.0})
    await plant.hear(2, {"temperature": 100.0})

    raised = (await trace(plant)).raised

    assert raised is not None
    window = part(raised.root, "mean(temperature, 1m)")
    assert window.value == 85.0
    assert (window.parts[0].text, window.parts[0].position) == ("temperature", 2)


async def test_members_stand_below_their_call() -> None:
    """Who made it true, with the sample of each."""
    plant = Plant(device("p1"), device("p2"), device("p3"))
    members_of(plant.around).groups["pumps"] = {"p1", "p2", "p3"}
    rule = hot(when="count(temperature > 80) >= 2", scope={"group": "pumps"}, message="")
    await plant.rules.create(ALICE, rule)
    for second, (name, value) in enumerate([("p1", 90.0), ("p2", 20.0), ("p3", 85.0)], 1):
        await plant.hear(second, {"temperature": value}, name=name)

    raised = (await trace(plant)).raised

    assert raised is not None
    call = part(raised.root, "count((temperature > 80))")
    assert [(one.device_id, one.value) for one in call.parts] == [("p1", True), ("p3", True)]
    assert [one.parts[0].position for one in call.parts] == [1, 3]
    words = words_of(raised)
    assert any("p3: (temperature > 80) is true" in line for line in words)


async def test_where_an_input_came_from_survives_a_restart() -> None:
    """The sample is older than the crash."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(when="temperature > 80 && pressure < 2"))
    await plant.hear(1, {"pressure": 1.5})
    await plant.engine.checkpoint()
    again = await plant.restart()
    await again.hear(2, {"temperature": 90.0})

    raised = (await trace(again)).raised

    assert raised is not None
    assert part(raised.root, "pressure").position == 1


async def test_a_reported_property_has_its_message_too() -> None:
    """twin.reported.x is an input like others."""
    from weft.model.message import Operation  # noqa: PLC0415  only here

    plant = Plant()
    await plant.rules.create(ALICE, hot(when="temperature > twin.reported.limit"))
    await plant.hear(1, {"limit": 50.0}, operation=Operation.REPORTED)
    await plant.hear(2, {"temperature": 90.0})

    raised = (await trace(plant)).raised

    assert raised is not None
    assert part(raised.root, "twin.reported.limit").position == 1


async def test_a_trace_is_bounded() -> None:
    """A condition of many parts keeps the first, and says that there were more."""
    plant = Plant()
    many = " || ".join(f"temperature > {number + 80}" for number in range(150))
    await plant.rules.create(ALICE, hot(when=many))
    await plant.hear(1, {"temperature": 300.0})

    raised = (await trace(plant)).raised

    assert raised is not None
    assert len(list(_walk(raised.root))) <= PARTS_MAX
    assert raised.truncated


def _walk(whole: Part) -> list[Part]:
    return [whole, *(one for below in whole.parts for one in _walk(below))]


async def test_a_rule_that_only_tries_marks_its_alarms_and_asks_for_nothing() -> None:
    """Made live, what it had tried ends, and a real alarm is raised."""
    plant = Plant()
    action = {"webhook": {"connector": "pager"}}
    await plant.rules.create(ALICE, hot(mode="dry_run", actions=[action]))
    await plant.hear(1, {"temperature": 90.0})
    (tried,) = await plant.raised()
    assert tried.dry_run
    assert await plant.outbox() == []

    await plant.rules.update(ALICE, "overheating", hot(actions=[action]))
    await plant.hear(2, {"temperature": 91.0})

    first, second = await plant.raised()
    assert first.state is AlarmState.CLEARED
    assert (second.dry_run, second.state) == (False, AlarmState.ACTIVE)
    assert len(await plant.outbox()) == 1
