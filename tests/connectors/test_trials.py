"""Trials: their time begins with their turn, and few wait for one."""

import asyncio

import pytest
from tests.connectors.support import MAIN, OTHER

from weft.connectors.trials import EACH, WAITING, Trials
from weft.errors import ConnectorError, RateLimited


async def hang() -> str:
    await asyncio.Event().wait()
    return "never"


async def quick() -> str:
    return "fine"


async def test_who_waits_for_a_turn_loses_none_of_its_time() -> None:
    """Two hang to their end before it: it is asked and answered all the same."""
    trials = Trials(0.05)
    hanging = [asyncio.create_task(trials.run(MAIN, hang)) for _ in range(EACH)]
    await asyncio.sleep(0)
    assert await trials.run(MAIN, quick) == "fine"
    for ended in await asyncio.gather(*hanging, return_exceptions=True):
        assert isinstance(ended, ConnectorError)
        assert ended.detail == "No end within 0.05 s."


async def test_beyond_a_few_that_wait_a_tenant_is_told_to_come_back() -> None:
    """Another tenant is not, and once they have ended it may again."""
    trials = Trials(60.0)
    asked = [asyncio.create_task(trials.run(MAIN, hang)) for _ in range(EACH + WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(RateLimited) as refused:
        await trials.run(MAIN, quick)
    assert refused.value.retry_after_s == 60.0
    assert await trials.run(OTHER, quick) == "fine"
    for one in asked:
        one.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    assert await trials.run(MAIN, quick) == "fine"
