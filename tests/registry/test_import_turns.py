"""Turns: each tenant's in order, one at a time, and no tenant waits for another's file."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.registry.support import MAIN, OTHER

from weft.model.ids import TenantId
from weft.registry.import_turns import Turns, TurnsFull


async def test_tenants_take_turns_and_a_tenants_own_wait_in_order() -> None:
    """A file of many pieces lets the other tenant in after each."""
    turns = Turns(10)
    for import_id in ("a1", "a2"):
        turns.put(MAIN, import_id)
    turns.put(OTHER, "b1")
    seen = []
    for ended in (False, False, False, True, True, True):
        tenant, import_id = await turns.take()
        seen.append(import_id)
        turns.give_back(tenant, ended=ended)
    assert seen == ["a1", "b1", "a1", "b1", "a1", "a2"]
    assert len(turns) == 0


async def test_one_import_of_a_tenant_is_under_way_at_a_time() -> None:
    """A second worker finds the other tenant's, and then nothing until a turn ends."""
    turns = Turns(10)
    for tenant, import_id in ((MAIN, "a1"), (MAIN, "a2"), (OTHER, "b1")):
        turns.put(tenant, import_id)
    assert [await turns.take(), await turns.take()] == [(MAIN, "a1"), (OTHER, "b1")]
    async with asyncio.TaskGroup() as tasks:
        third = tasks.create_task(turns.take())
        await asyncio.sleep(0)
        assert not third.done()
        turns.give_back(MAIN, ended=True)
        assert await third == (MAIN, "a2")


async def test_who_waits_is_told_its_place() -> None:
    """Among its tenant's own: what others import is nobody's business."""
    turns = Turns(10)
    turns.put(OTHER, "b1")
    for import_id in ("a1", "a2", "a3"):
        turns.put(MAIN, import_id)
    assert [turns.place_of(MAIN, one) for one in ("a1", "a2", "a3", "b1")] == [0, 1, 2, None]
    await turns.take()
    tenant, _ = await turns.take()
    turns.give_back(tenant, ended=True)
    assert [turns.place_of(MAIN, one) for one in ("a1", "a2", "a3")] == [None, 0, 1]


async def test_all_queues_together_have_a_size() -> None:
    """One more is refused, whosever it is."""
    turns = Turns(2)
    turns.put(MAIN, "a1")
    turns.put(OTHER, "b1")
    with pytest.raises(TurnsFull):
        turns.put(OTHER, "b2")
    tenant, _ = await turns.take()
    turns.give_back(tenant, ended=True)
    turns.put(OTHER, "b2")


@given(sizes=st.dictionaries(st.sampled_from("abcd"), st.integers(1, 6), min_size=1))
def test_no_tenant_gets_a_second_turn_before_each_that_waits_had_one(sizes: dict[str, int]) -> None:
    """Whatever the sizes: while several have work, their turns differ by one at most."""

    async def story() -> None:
        turns, left = Turns(10), dict(sizes)
        for name in sizes:
            turns.put(TenantId(name), name)
        had: Counter[str] = Counter()
        while left:
            tenant, name = await turns.take()
            had[name] += 1
            left[name] -= 1
            turns.give_back(tenant, ended=left[name] == 0)
            if left[name] == 0:
                del left[name]
            waiting = [had[one] for one in left]
            assert not waiting or max(waiting) - min(waiting) <= 1
        assert had == sizes

    asyncio.run(story())
