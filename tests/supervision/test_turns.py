"""Turns: places are handed out by name, and none is lost."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.supervision.turns import Turns


async def settle() -> None:
    """Let every task go on as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_tn_3_who_asks_once_waits_for_one_turn_of_who_asks_often() -> None:
    """TN-3: twenty pieces of one tenant are asked for, then one of another: it is not the last."""
    turns, order = Turns(1), list[str]()

    async def work(name: str) -> None:
        async with turns.turn(name):
            order.append(name)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(work("busy"))
        tasks.create_task(work("quiet"))
    assert order.index("quiet") <= 2
    assert order.count("busy") == 20


async def test_tn_3_no_name_has_all_of_the_places() -> None:
    """TN-3: eight receivers of one tenant hang; another's is told all the same."""
    turns = Turns(3)
    async with AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(turns.turn("busy"))
        third = asyncio.create_task(held.enter_async_context(turns.turn("busy")))
        await settle()
        assert not third.done()
        async with turns.turn("quiet"):
            pass
        third.cancel()
        with pytest.raises(asyncio.CancelledError):
            await third


async def test_tn_3_a_name_has_so_many_places_where_that_is_said() -> None:
    """TN-3: of eight places two are one tenant's at a time, whatever it names."""
    turns = Turns(8, each=2)
    async with AsyncExitStack() as held:
        for name in ("a", "a", "b", "b"):
            await held.enter_async_context(turns.turn(name))
        third = asyncio.create_task(held.enter_async_context(turns.turn("a")))
        await settle()
        assert not third.done()
        async with turns.turn("quiet"):
            pass
        third.cancel()
        with pytest.raises(asyncio.CancelledError):
            await third


async def test_who_gives_up_waiting_loses_nobody_a_place() -> None:
    """Cancelled in the line, and cancelled in the moment in which the place was handed over."""
    turns = Turns(1)
    for handed in (False, True):
        async with AsyncExitStack() as held:
            await held.enter_async_context(turns.turn("a"))
            waiting = asyncio.create_task(held.enter_async_context(turns.turn("b")))
            await settle()
            if handed:
                await held.aclose()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        async with turns.turn("c"):
            pass


@settings(max_examples=60, deadline=None)
@given(
    places=st.integers(1, 4),
    asked=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans())),
)
async def test_never_more_than_there_are_places_and_everybody_has_a_turn(
    places: int, asked: list[tuple[str, int, bool]]
) -> None:
    """Whoever comes, works long or short, or gives up."""
    turns, at_work, most, done = Turns(places), 0, 0, 0

    async def work(name: str, rounds: int) -> None:
        nonlocal at_work, most, done
        async with turns.turn(name):
            at_work += 1
            most = max(most, at_work)
            try:
                for _ in range(rounds):
                    await asyncio.sleep(0)
            finally:
                at_work -= 1
            done += 1

    async with asyncio.TaskGroup() as tasks:
        made = [
            (tasks.create_task(work(name, rounds)), gives_up) for name, rounds, gives_up in asked
        ]
        await asyncio.sleep(0)
        for task, gives_up in made:
            if gives_up:
                task.cancel()
    assert most <= places
    assert done >= sum(not gives_up for _name, _rounds, gives_up in asked)
    async with AsyncExitStack() as held:
        for number in range(places):  # all of them are there again
            async with asyncio.timeout(5):
                await held.enter_async_context(turns.turn(f"name-{number}"))
