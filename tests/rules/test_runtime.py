"""The evaluation itself: bounded, pure, and the same for every way the messages come."""

from typing import Any

from tests.rules.support import ALICE, START, Line, Plant, S, around, device, hot, route

from weft.model.message import DERIVED, RECOMPUTED, Committed, Envelope, Operation
from weft.rules.model import Rule
from weft.rules.requests import Raise, Request
from weft.rules.runtime import Runtime
from weft.rules.surroundings import Surroundings


async def rule_of(**more: Any) -> Rule:
    return await Plant().rules.create(ALICE, hot(**more))


async def test_one_batch_or_many_is_the_same() -> None:
    """How messages were grouped into commits is no part of their meaning."""
    line = Line()
    for second, degrees in enumerate([90.0, 60.0, 91.0, 92.0, 20.0]):
        line.say(second, {"temperature": degrees})
    rule = await rule_of(**{"for": "1s"})
    whole = Committed(
        1,
        [batch.envelopes[0] for batch in line.batches],
        [batch.decoded[0] for batch in line.batches],
    )
    asked: list[list[Request]] = []
    for batches in (line.batches, [whole], [whole, whole]):
        asked.append([])
        runtime = Runtime(around(), asked[-1].append)
        runtime.set_rule(rule, at=0)
        applied = 0
        for batch in batches:
            runtime.apply(batch, after=applied)
            applied = batch.last
    assert asked[0] == asked[1] == asked[2]
    assert len([one for one in asked[0] if isinstance(one, Raise)]) == 1


async def test_messages_of_other_kinds_are_passed_over() -> None:
    """Events, answers and plain topics change no rule's state."""
    runtime = Runtime(around(), [].append)
    runtime.set_rule(await rule_of(), at=0)
    for number, operation in enumerate(
        [Operation.EVENT, Operation.PLAIN, Operation.COMMAND_RESULT, Operation.REJECTED]
    ):
        envelope = Envelope(route(operation=operation), START, b"")
        runtime.apply(Committed(number + 1, [envelope], [{"temperature": 99}]), after=0)
    assert not runtime.states


async def test_what_was_reported_before_the_rule_is_asked_for_once() -> None:
    """The limit was reported a year ago; the twin knows it."""
    calls: list[str] = []
    base = around(device())

    def reported(_tenant: Any, device_id: Any) -> dict[str, Any]:
        calls.append(device_id)
        return {"limit": 50}

    runtime = Runtime(Surroundings(base.devices, base.types, reported), asked := [].append)
    runtime.set_rule(await rule_of(when="temperature > twin.reported.limit"), at=0)
    line = Line()
    for second in range(3):
        runtime.apply(line.say(second, {"temperature": 60.0}), after=0)
    assert calls == ["pump-7"]
    assert asked.__self__[0].evidence[0].values == {"reported.limit": 50.0, "temperature": 60.0}


async def test_a_narrower_selector_clears_what_it_no_longer_watches() -> None:
    """The rule is edited to watch another device; the old one's alarm does not stand for ever."""
    plant = Plant(device(), device("pump-8"))
    await plant.rules.create(ALICE, hot())
    await plant.hear(0, {"temperature": 90.0})
    await plant.rules.update(ALICE, "overheating", hot(selector={"devices": ["pump-8"]}))
    await plant.engine.flush()
    assert [one.state for one in await plant.raised()] == ["cleared"]


def test_time_only_goes_forward() -> None:
    """Advancing with nothing due, or backwards, asks for nothing."""
    asked: list[Request] = []
    runtime = Runtime(around(), asked.append)
    runtime.advance(START)
    runtime.advance(START - S)
    assert not asked


async def test_what_the_clock_raises_is_of_the_time_of_the_samples() -> None:
    """Hot an hour ago, then silence; what it sends later of that hour ends it, not before."""
    weft = Plant()
    await weft.rules.create(ALICE, hot(**{"for": "5m"}))
    await weft.hear(0, {"temperature": 90.0}, received=3_600)
    await weft.engine.tick(START + 3_902 * S)
    await weft.engine.flush()
    (alarm,) = await weft.raised()
    assert alarm.raised_at == START + 300 * S

    await weft.hear(60, {"temperature": 20.0}, received=4_000)
    (alarm,) = await weft.raised()
    assert (alarm.raised_at, alarm.cleared_at) == (START + 300 * S, START + 300 * S)


async def test_time_alone_ends_a_window_in_the_time_of_the_samples() -> None:
    """An hour behind, before and after a restart: the clear is an hour behind too."""
    for restarts in (False, True):
        weft = Plant()
        await weft.rules.create(ALICE, hot(when="count(temperature, 1m) > 0"))
        await weft.hear(0, {"temperature": 90.0}, received=3_600)
        if restarts:
            await weft.engine.checkpoint()
            weft = await weft.restart()
        await weft.engine.tick(START + 3_662 * S)
        await weft.engine.flush()
        (alarm,) = await weft.raised()
        assert (alarm.raised_at, alarm.cleared_at) == (START, START + 60 * S)


async def test_what_is_computed_of_a_sample_in_time_is_in_time() -> None:
    """Newer samples of its device stood in the journal before it; a correction is late."""
    rule = await Plant(device(type_name=None)).rules.create(
        ALICE,
        {"name": "load", "selector": {"devices": ["pump-7"]}, "when": "max(power, 1h) > 9.0"},
    )
    for session, raised in ((DERIVED, 1), (RECOMPUTED, 0), ("", 0)):
        asked: list[Request] = []
        line = Line()
        runtime = Runtime(around(device(type_name=None)), asked.append)
        runtime.set_rule(rule, at=0)
        runtime.apply(line.say(0, {"volts": 1.0}, type_name=""), after=0)
        runtime.apply(line.say(2, {"volts": 2.0}, type_name=""), after=1)
        computed = line.say(1, {"power": 10.0}, received=3, type_name="")
        computed.envelopes[0].session = session
        runtime.apply(computed, after=2)
        assert len(asked) == raised
