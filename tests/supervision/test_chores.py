"""Chores: each is tried again and again, and what one meets stops no other."""

import asyncio

import pytest

from weft.errors import StorageError
from weft.supervision.chores import PAUSE_MAX_S, PAUSE_S, Chore, Chores

EXPECTED = (StorageError,)


class Bug(Exception):
    """What nobody expected."""


class Work:
    """Fails as it is told, call by call, and goes well after the last."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    async def __call__(self) -> None:
        self.calls += 1
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome


class Watcher:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Exception, bool]] = []  # chore, what it met, is it a bug

    def __call__(self, chore: Chore, error: Exception) -> None:
        self.told.append((chore.name, error, chore.is_parked))


async def test_a_bug_parks_the_chore_that_met_it_and_no_other() -> None:
    """The journal cannot be trimmed; sessions end all the same, in the same turn and later."""
    bug, watcher = Bug("x"), Watcher()
    broken, sound = Work(bug), Work()
    chores = Chores(1.0, [("trim", broken), ("sweep", sound)], expected=EXPECTED, failed=watcher)
    await chores.take_turn()
    await chores.take_turn()
    assert (broken.calls, sound.calls) == (1, 2)
    assert watcher.told == [("trim", bug, True)]
    [chore] = chores.troubled
    assert (chore.name, chore.trouble, chore.is_parked) == ("trim", "Bug", True)


async def test_pauses_after_a_bug_grow_and_not_beyond_the_longest() -> None:
    """It is not tried every second for a week, and it is not forgotten."""
    watcher = Watcher()
    work = Work(*[Bug("x")] * 20)
    chore, now, pauses = Chore("trim", work), 0.0, []
    for _try in range(20):
        await chore.take_turn(now, EXPECTED, watcher)
        pauses.append(chore.retry_at - now)
        calls = work.calls
        await chore.take_turn(chore.retry_at - 0.1, EXPECTED, watcher)
        assert work.calls == calls  # not before its time
        now = chore.retry_at
    assert pauses[:3] == [PAUSE_S, 2 * PAUSE_S, 4 * PAUSE_S]
    assert pauses[-1] == PAUSE_MAX_S


async def test_the_same_bug_is_told_once_and_another_is_told_too() -> None:
    """A log that repeats a traceback every minute hides the next one."""
    watcher = Watcher()
    chore = Chore("trim", Work(Bug("7 rows"), Bug("8 rows"), KeyError("y")))
    for turn in range(3):
        await chore.take_turn(turn * PAUSE_MAX_S, EXPECTED, watcher)
    assert [str(error) for _name, error, _is_bug in watcher.told] == ["7 rows", "'y'"]


async def test_a_chore_that_works_again_is_well_and_its_next_bug_is_told_anew() -> None:
    """What provoked it has gone; the pause is short again."""
    watcher = Watcher()
    chore = Chore("trim", Work(Bug("x"), Bug("x"), None, Bug("x")))
    for turn in range(3):
        await chore.take_turn(turn * PAUSE_MAX_S, EXPECTED, watcher)
    assert (chore.trouble, chore.is_parked) == ("", False)
    await chore.take_turn(3 * PAUSE_MAX_S, EXPECTED, watcher)
    assert len(watcher.told) == 2
    assert chore.retry_at == 3 * PAUSE_MAX_S + PAUSE_S


async def test_a_fault_that_was_expected_waits_for_the_next_turn_only() -> None:
    """The disk is full: it is asked again at each turn, and told once until it has room."""
    watcher = Watcher()
    fault = StorageError("disk full")
    work = Work(fault, fault, None)
    chores = Chores(1.0, [("trim", work)], expected=EXPECTED, failed=watcher)
    await chores.take_turn()
    await chores.take_turn()
    assert work.calls == 2
    assert watcher.told == [("trim", fault, False)]
    assert not chores.troubled[0].is_parked
    await chores.take_turn()
    assert not chores.troubled


async def test_being_told_to_stop_is_no_failure() -> None:
    """The server ends: so do chores, in the middle of one."""
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    watcher = Watcher()
    chores = Chores(0.0, [("trim", work)], expected=EXPECTED, failed=watcher)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(chores.run())
        await begun.wait()
        task.cancel()
    assert task.cancelled()
    assert not watcher.told
    assert not chores.troubled


async def test_the_first_turn_comes_after_one_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is due at the start; then each interval brings one turn."""
    slept: list[float] = []
    work = Work()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await Chores(5.0, [("trim", work)], expected=EXPECTED, failed=Watcher()).run()
    assert slept == [5.0] * 4
    assert work.calls == 3
