"""Loops: counted by who wrote for whom, and by how often; asked twice, nothing changes."""

from typing import Any

import pytest
from tests.rules.support import ALICE, MAIN, START, Plant, S, hot
from tests.rules.test_subjects import rule_of

from weft.backends.memory.records import MemoryRecords
from weft.model.alarm import Evidence
from weft.model.ids import DeviceId
from weft.rules.loops import HOPS_MAX, KEPT_MAX, RATE_MAX, Loops
from weft.rules.requests import Raise


def firing(name: str, second: float, **values: Any) -> Raise:
    at = START + round(second * S)
    return Raise(
        rule=rule_of(hot(name=name)),
        device_id=DeviceId("fan"),
        position=round(second * 1000),
        episode=str(round(second * 1000)),
        began_at=at,
        at=at,
        evidence=(Evidence(1, at, {f"reported.{key}": value for key, value in values.items()}),),
        values={},
    )


def test_the_ninth_write_in_a_row_is_refused() -> None:
    """Each reads what the one before has written."""
    loops = Loops()
    told = [
        loops.judge(firing("ab"[turn % 2], turn / 10, on=turn), [("fan", "on")])
        for turn in range(HOPS_MAX + 1)
    ]

    assert told[:HOPS_MAX] == [""] * HOPS_MAX
    assert told[HOPS_MAX].startswith("loop: 8 rules")


def test_a_person_in_between_begins_the_count_anew() -> None:
    """What was written long ago, or by nobody, has no hops."""
    loops = Loops()
    for turn in range(HOPS_MAX * 3):
        assert loops.judge(firing("a", turn * 61.0, on=turn), [("fan", "on")]) == ""
    for turn in range(HOPS_MAX * 3):
        assert loops.judge(firing("b", turn / 10, other=turn), [("fan", "third")]) == ""


def test_a_rule_writes_so_often_a_minute_and_no_more() -> None:
    """A loop through the world outside leaves no hops, but it is fast."""
    loops = Loops()
    told = [loops.judge(firing("a", turn / 10), [("fan", "on")]) for turn in range(RATE_MAX + 1)]

    assert told[:RATE_MAX] == [""] * RATE_MAX
    assert "60 times within a minute" in told[-1]
    assert loops.judge(firing("a", 120), [("fan", "on")]) == ""


def test_asking_again_for_the_same_alarm_changes_nothing() -> None:
    """A transaction that failed is tried again."""
    loops = Loops()
    one = firing("a", 1)
    for _ in range(RATE_MAX * 2):
        assert loops.judge(one, [("fan", "on")]) == ""


def test_what_is_remembered_is_bounded() -> None:
    """The oldest goes first."""
    loops = Loops()
    many = [("fan", str(number)) for number in range(KEPT_MAX + 10)]
    loops.judge(firing("a", 1), many)

    assert len(loops._written) == KEPT_MAX


async def again(records: MemoryRecords) -> Loops:
    """Start anew with what is on disk."""
    loops = Loops()
    await records.read(loops.load)
    return loops


async def judged(records: MemoryRecords, request: Raise) -> str:
    """Judge in a process that was just started, and is killed behind the transaction."""
    loops, writes = await again(records), [("fan", "on")]
    reason = loops.judge(request, writes)
    if not reason:
        await records.write(lambda writer: loops.keep(writer, request, writes))
    return reason


async def test_a_loop_is_cut_though_weft_is_killed_at_each_turn() -> None:
    """Two rules write for each other, and every write ends with a crash."""
    records = MemoryRecords()
    told = [
        await judged(records, firing("ab"[turn % 2], turn / 10, on=turn))
        for turn in range(HOPS_MAX + 1)
    ]
    assert told[:HOPS_MAX] == [""] * HOPS_MAX
    assert told[HOPS_MAX].startswith("loop: 8 rules")


async def test_the_rate_outlives_a_restart_and_repeats_count_once() -> None:
    """What is asked again after a crash was counted already; the sixty-first is one too many."""
    records = MemoryRecords()
    asked = [firing("a", turn / 10) for turn in range(RATE_MAX)]
    for request in (*asked, *asked):
        assert await judged(records, request) == ""
    assert "60 times within a minute" in await judged(records, firing("a", 30))
    assert await judged(records, firing("a", 120)) == ""


@pytest.mark.parametrize("kept", [True, False])
async def test_a_rule_that_writes_too_often_is_paused_though_weft_is_killed(*, kept: bool) -> None:
    """RU-3: forty writes, a kill, twenty more in the minute; what is asked again counts once."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(actions=[{"desire": {"properties": {"speed": 9}}}]))
    for turn in range(RATE_MAX + 1):
        if turn == 40:
            if kept:
                await plant.engine.checkpoint()
            plant = await plant.restart()
        await plant.hear(turn / 2, {"temperature": 90.0})
        await plant.hear(turn / 2 + 0.2, {"temperature": 20.0})
    rule = await plant.rules.get(MAIN, "overheating")
    assert "has written 60 times within a minute" in rule.paused
    assert len(await plant.outbox()) == RATE_MAX
