"""Rules that remember, whole: windows over messages, restarts, late samples, edits, trials."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rules.support import ALICE, MAIN, START, Line, Plant, S, around, device, hot

from weft.model.alarm import Alarm
from weft.model.device import Lifecycle
from weft.model.message import Committed, Operation
from weft.rules.ledger import Firing
from weft.rules.replay import try_rule

MEAN = hot(when="mean(temperature, 1m) > 80", clear="mean(temperature, 1m) < 75")


async def stream(line: Line) -> AsyncIterator[Committed]:
    for batch in line.batches:
        yield batch


def told(one: Alarm | Firing) -> tuple[int, int, int | None, str]:
    return one.episode, one.raised_at, one.cleared_at, one.message


async def test_one_hot_sample_is_not_a_hot_minute() -> None:
    """A spike passes; a minute of heat raises once, with the mean in the evidence."""
    plant = Plant()
    await plant.rules.create(ALICE, MEAN)
    for second, degrees in enumerate([70.0, 70.0, 95.0, 70.0]):
        await plant.hear(second, {"temperature": degrees})
    assert not await plant.raised()
    for second in range(10, 40, 2):
        await plant.hear(second, {"temperature": 95.0})
    (alarm,) = await plant.raised()
    assert alarm.evidence[0].values["mean(temperature, 1m)"] > 80
    assert alarm.cleared_at is None
    await plant.hear(300, {"temperature": 60.0})
    (alarm,) = await plant.raised()
    assert alarm.cleared_at == START + 300 * S


async def test_an_empty_window_is_seen_without_a_message() -> None:
    """The device falls silent; a minute later there is no sample left, and the clock says so."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(when="count(temperature, 1m) < 1"))
    await plant.hear(0, {"temperature": 70.0})
    assert not await plant.raised()
    await plant.engine.tick(START + 62 * S)
    await plant.engine.flush()
    (alarm,) = await plant.raised()
    assert alarm.raised_at == START + 60 * S
    assert alarm.episode == 1  # the newest message of the device
    await plant.hear(100, {"temperature": 70.0})
    await plant.engine.tick(START + 200 * S)
    await plant.engine.flush()
    first, second = sorted(await plant.raised(), key=lambda one: one.raised_at)
    assert first.cleared_at == START + 100 * S
    assert second.raised_at == START + 160 * S
    assert first.alarm_id != second.alarm_id


async def test_a_late_sample_changes_the_window_and_raises_nothing() -> None:
    """The gateway held back a hot sample; the next one in time finds the mean raised."""
    plant = Plant()
    await plant.rules.create(ALICE, MEAN)
    await plant.hear(10, {"temperature": 70.0})
    await plant.hear(5, {"temperature": 200.0}, received=11)
    assert not await plant.raised()
    await plant.hear(12, {"temperature": 70.0})
    (alarm,) = await plant.raised()
    assert alarm.raised_at == START + 12 * S


async def test_an_edit_keeps_what_is_remembered_by_the_same_call() -> None:
    """The threshold was raised; the window was not started anew. Another window was."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(when="count(temperature, 1h) > 8"))
    for second in range(5):
        await plant.hear(second, {"temperature": 70.0})
    await plant.rules.update(ALICE, "overheating", hot(when="count(temperature, 60m) > 5"))
    await plant.hear(6, {"temperature": 70.0})
    assert len(await plant.raised()) == 1
    await plant.rules.update(ALICE, "overheating", hot(when="count(temperature, 2h) > 5"))
    await plant.hear(7, {"temperature": 70.0})
    (alarm,) = await plant.raised()
    assert alarm.cleared_at == START + 7 * S


async def test_a_rule_remembers_nothing_of_before_it_was_saved() -> None:
    """Also when the journal is read again after a crash, with the rule there from the start."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(name="other", when="count(temperature, 1h) > 100"))
    for second in range(5):
        await plant.hear(second, {"temperature": 70.0})
    await plant.rules.create(ALICE, hot(when="count(temperature, 2h) > 3"))
    await plant.hear(6, {"temperature": 70.0})
    assert not await plant.raised()
    again = await plant.restart()
    assert not await again.raised()
    for second in range(7, 10):
        await again.hear(second, {"temperature": 70.0})
    assert len(await again.raised()) == 1


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([60.0, 78.0, 90.0, 110.0]),
            st.sampled_from([1, 1, 5, 40, 100]),
            st.sampled_from([0, 0, 0, 3, 30]),
        ),
        max_size=25,
    ),
    when=st.sampled_from(
        [
            "mean(temperature, 1m) > 80",
            "max(temperature, 3 samples) > 100 && count(temperature, 1m) >= 2",
            "count(temperature, 30s) < 1",
            "mean(max(temperature, 20s), 1m) > 85",
        ]
    ),
    stops=st.sets(st.integers(0, 24), max_size=3),
    waits=st.sampled_from(["0s", "10s"]),
)
async def test_live_restarted_and_tried_find_the_same(
    steps: list[tuple[float, int, int]], when: str, stops: set[int], waits: str
) -> None:
    """Kills at any message, state from the last checkpoint: the same episodes, to the moment."""
    document: dict[str, Any] = hot(when=when, **{"for": waits})
    plant = Plant()
    await plant.rules.create(ALICE, document)
    received = 0
    for number, (degrees, pause, age) in enumerate(steps):
        received += pause
        await plant.hear(received - age, {"temperature": degrees}, received=received)
        if number % 7 == 3:
            await plant.engine.checkpoint()
        if number in stops:
            plant = await plant.restart()
    await plant.engine.tick(START + (received + 300) * S)
    await plant.engine.flush()
    trial = await try_rule(
        document,
        stream(plant.line),
        tenant=MAIN,
        around=around(),
        until=START + (received + 299) * S,
    )
    alarms = sorted(await plant.raised(), key=lambda one: one.raised_at)
    assert [told(one) for one in trial.firings] == [told(one) for one in alarms]


async def test_a_device_that_falls_silent_is_told_by_the_clock() -> None:
    """Temperature has not come for ten minutes, though the pressure has."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(when="silent(temperature, 10m)"))
    await plant.hear(0, {"temperature": 70.0})
    await plant.hear(500, {"pressure": 1.0})
    await plant.engine.tick(START + 601 * S)
    await plant.engine.flush()
    (alarm,) = await plant.raised()
    assert (alarm.raised_at, alarm.episode) == (START + 600 * S, 2)
    again = await plant.restart()
    assert len(await again.raised()) == 1
    await again.hear(700, {"temperature": 70.0})
    (alarm,) = await again.raised()
    assert alarm.cleared_at == START + 700 * S


async def test_a_device_that_never_spoke_is_told_as_well() -> None:
    """Ten minutes after the rule was saved, or after the device was made; twice is once."""
    plant = Plant()
    rule = await plant.rules.create(ALICE, hot(when="silent(temperature, 10m)"))
    await plant.engine.tick(rule.updated_at + 600 * S)
    assert not await plant.raised()
    await plant.engine.tick(rule.updated_at + 700 * S)
    await plant.engine.flush()
    (alarm,) = await plant.raised()
    assert (alarm.raised_at, alarm.episode) == (rule.updated_at + 600 * S, 0)
    again = await plant.restart()
    await again.engine.tick(rule.updated_at + 900 * S)
    await again.engine.flush()
    assert len(await again.raised()) == 1
    made = device("pump-8")
    again.around.devices.devices[MAIN, "pump-8"] = made  # type: ignore[attr-defined]  # a fake's
    again.engine.device_changed(None, made, at=rule.updated_at + 1_000 * S)
    await again.engine.tick(rule.updated_at + 1_700 * S)
    await again.engine.flush()
    assert sorted(str(one.device_id) for one in await again.raised()) == ["pump-7", "pump-8"]


async def test_a_rule_that_was_deleted_says_nothing_of_the_silent() -> None:
    """Its timer stood; the rule does not."""
    plant = Plant()
    rule = await plant.rules.create(ALICE, hot(when="silent(temperature, 10m)"))
    await plant.rules.delete(ALICE, "overheating")
    await plant.engine.tick(rule.updated_at + 7_000 * S)
    await plant.engine.flush()
    assert not await plant.raised()


async def test_a_second_rule_learns_what_the_first_knows() -> None:
    """Silent for an hour already; the new rule need not wait for another."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(name="first", when="silent(temperature, 10m)"))
    rule = await plant.rules.create(ALICE, hot(name="other", when="pressure > 5"))
    await plant.engine.tick(rule.updated_at + 4_000 * S)
    await plant.rules.create(ALICE, hot(when="silent(temperature, 10m) || false"))
    await plant.engine.tick(rule.updated_at + 4_001 * S)
    await plant.engine.flush()
    assert {str(one.rule_id) for one in await plant.raised()} == {"first", "overheating"}


async def test_a_device_that_was_suspended_is_silent_by_order() -> None:
    """Nobody is told; once it may speak again its silence counts as before."""
    plant = Plant()
    rule = await plant.rules.create(ALICE, hot(when="silent(temperature, 10m)"))
    stopped = msgspec.structs.replace(device(), lifecycle=Lifecycle.SUSPENDED)
    plant.around.devices.devices[MAIN, "pump-7"] = stopped  # type: ignore[attr-defined]  # a fake's
    plant.engine.device_changed(device(), stopped, at=rule.updated_at + S)
    await plant.engine.tick(rule.updated_at + 3_000 * S)
    await plant.engine.flush()
    assert not await plant.raised()
    plant.around.devices.devices[MAIN, "pump-7"] = device()  # type: ignore[attr-defined]  # a fake's
    plant.engine.device_changed(stopped, device(), at=rule.updated_at + 3_100 * S)
    await plant.engine.tick(rule.updated_at + 3_200 * S)
    await plant.engine.flush()
    assert len(await plant.raised()) == 1


@pytest.mark.parametrize(
    "when",
    [
        "percentile(temperature, 95, 10m) > 9.0 || max(temperature, 20 samples) > 12.0",
        "slope(temperature, 1h) > 0.0 && increase(rpm, 1h) < 100.0",
        "rising(temperature > 80) || changed(twin.reported.limit)",
        "temperature - previous(temperature) > 5.0 || held(temperature > 80, 30s)",
        "hysteresis(temperature, 176[degF], 75[Cel])",
        "during('Mon-Fri 06:00-22:00', 'Europe/Berlin', ['2026-12-25']) && running",
        "silent(gps, 10m) || stddev(temperature, 5m) > 3[K]",
    ],
)
async def test_every_function_lives_through_messages_reports_and_restarts(when: str) -> None:
    """Saved, fed, kept and taken back, with what was reported in between."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(when=when))
    for second in range(12):
        await plant.hear(second * 7, {"temperature": 60.0 + second * 3, "rpm": second})
        await plant.hear(second * 7 + 1, {"limit": second}, operation=Operation.REPORTED)
        if second == 5:
            await plant.engine.checkpoint()
            plant = await plant.restart()
    assert not plant.engine.health(MAIN, "overheating").failures


async def test_silence_that_was_asked_for_lately_is_told_after_a_restart_too() -> None:
    """Another rule has watched the pump before; the question is new, the pump says nothing."""
    plant = Plant()
    await plant.rules.create(ALICE, hot())
    await plant.hear(0, {"temperature": 20.0})
    await plant.engine.checkpoint()
    plant.clock.turn(3600)
    await plant.rules.create(ALICE, hot(name="quiet", when="silent(temperature, 10m)"))
    await plant.engine.checkpoint()
    again = await plant.restart()
    await again.engine.tick(START + (3600 + 700) * S)
    await again.engine.flush()
    assert [one.rule_id for one in await again.raised()] == ["quiet"]
