"""Tasks that outlive expected faults, and no others."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from weft.errors import StorageError
from weft.supervision import keep_running, run_every, run_in_groups


class Bug(Exception):
    """What nobody expected."""


class Work:
    """Fails as it is told, call by call, and is cancelled after the last."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    async def __call__(self) -> None:
        self.calls += 1
        if not self.outcomes:
            raise asyncio.CancelledError
        if (outcome := self.outcomes.pop(0)) is not None:
            raise outcome


async def until_cancelled(run: Callable[[], Awaitable[None]]) -> None:
    """Run something that only ends by being cancelled."""
    with pytest.raises(asyncio.CancelledError):
        await run()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Sleeping costs nothing and is written down."""
    durations: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        durations.append(seconds)
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return durations


async def test_work_goes_on_after_a_fault_that_was_expected(slept: list[float]) -> None:
    """Whoever watches is told the fault, and how long the pause is."""
    fault = StorageError("disk full")
    told: list[tuple[Exception, float]] = []
    work = Work(fault, None)
    await until_cancelled(
        lambda: keep_running(
            work, expected=(StorageError,), failed=lambda error, wait: told.append((error, wait))
        )
    )
    assert work.calls == 3
    assert told == [(fault, slept[0])]


async def test_pauses_grow_while_it_keeps_failing_and_not_beyond_the_longest(
    slept: list[float],
) -> None:
    """A far side that is down is not hammered, and is not forgotten."""
    work = Work(*[StorageError("x")] * 8)
    await until_cancelled(
        lambda: keep_running(
            work, expected=(StorageError,), failed=lambda *_: None, pause_s=1, pause_max_s=10
        )
    )
    for pause, longest in zip(slept, [1, 2, 4, 8, 10, 10, 10, 10], strict=True):
        assert longest / 2 <= pause <= longest


async def test_a_success_makes_the_next_pause_short_again(slept: list[float]) -> None:
    """One fault a day is not the tenth in a row."""
    fault = StorageError("x")
    work = Work(fault, fault, fault, None, fault)
    await until_cancelled(
        lambda: keep_running(work, expected=(StorageError,), failed=lambda *_: None)
    )
    assert slept[-1] <= 1.0


async def test_a_bug_is_not_tried_again(slept: list[float]) -> None:
    """It ends the group, and with it the process, so that it is seen."""
    work = Work(Bug())
    with pytest.raises(Bug):
        await keep_running(work, expected=(StorageError,), failed=lambda *_: None)
    assert work.calls == 1
    assert not slept


async def test_a_chore_is_done_at_its_interval_whatever_came_of_the_last(
    slept: list[float],
) -> None:
    """A failure waits for the next turn and is told; the first turn waits too."""
    told: list[Exception] = []
    fault = StorageError("x")
    work = Work(None, fault, None)
    await until_cancelled(
        lambda: run_every(5.0, work, expected=(StorageError,), failed=told.append)
    )
    assert slept == [5.0] * 4
    assert told == [fault]


async def test_a_bug_in_a_chore_ends_it() -> None:
    """As anywhere."""
    with pytest.raises(Bug):
        await run_every(0, Work(Bug()), expected=(StorageError,), failed=lambda _: None)


async def test_groups_do_all_of_the_work_and_never_more_of_it_together_than_allowed() -> None:
    """A thousand waiting messages share commits, and do not flood the journal."""
    running: set[int] = set()
    most, done = 0, []

    async def work(item: int) -> None:
        nonlocal most
        running.add(item)
        most = max(most, len(running))
        await asyncio.sleep(0)
        running.discard(item)
        done.append(item)

    await run_in_groups(work, range(7), at_once=3)
    assert (most, sorted(done)) == (3, list(range(7)))
