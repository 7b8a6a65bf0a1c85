"""Threads for far sides: few, in turns, and never those of a sign-in."""

import asyncio
import threading

import pytest

from weft.errors import ConnectorError
from weft.security.threads import Threads


async def test_what_is_done_in_a_thread_comes_back() -> None:
    """With what it returns, or what it raises."""
    threads = Threads()
    assert await threads.run("main", max, 1, 2, wait_s=10.0) == 2
    with pytest.raises(ZeroDivisionError):
        await threads.run("main", divmod, 1, 0, wait_s=10.0)


async def test_a_turn_ends_with_its_thread_and_not_with_who_waited() -> None:
    """Two servers say nothing: a third is not begun though both callers have gone."""
    threads, go_on, begun = Threads(4, each=2), threading.Event(), threading.Semaphore(0)

    def hang() -> bool:
        begun.release()
        return go_on.wait(60.0)

    gone = [asyncio.create_task(threads.run("main", hang, wait_s=10.0)) for _ in range(2)]
    for _ in gone:
        await asyncio.to_thread(begun.acquire)
    for one in gone:
        one.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    assert all(one.cancelled() for one in gone)
    try:
        with pytest.raises(ConnectorError, match=r"No thread was free within 0\.01 s"):
            await threads.run("main", max, 1, 2, wait_s=0.01)
        assert await threads.run("other", max, 1, 2, wait_s=10.0) == 2
    finally:
        go_on.set()
    assert await threads.run("main", max, 1, 2, wait_s=10.0) == 2


async def test_more_than_the_process_has_by_default_hang_and_somebody_else_is_served() -> None:
    """The threads that passwords are hashed in are others."""
    threads, go_on = Threads(8), threading.Event()
    hanging = [
        asyncio.create_task(threads.run(f"t{number}", go_on.wait, 60.0, wait_s=60.0))
        for number in range(60)
    ]
    await asyncio.sleep(0)
    try:
        assert await asyncio.to_thread(max, 1, 2) == 2
        assert threading.active_count() < 60
    finally:
        go_on.set()
    assert all(await asyncio.gather(*hanging))
