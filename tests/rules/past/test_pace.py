"""Pace: others run between slices, and not between every two steps."""

import asyncio

from weft.rules.past.pace import Pace


async def test_others_run_when_a_slice_is_used_up() -> None:
    """A slice of nothing is used up at once."""
    ran: list[str] = []
    asyncio.get_running_loop().call_soon(ran.append, "other")
    await Pace(slice_ms=0, share=0.5).rest()
    assert ran == ["other"]


async def test_a_step_within_a_slice_goes_on_at_once() -> None:
    """A switch for each batch would cost more than the batch."""
    ran: list[str] = []
    asyncio.get_running_loop().call_soon(ran.append, "other")
    await Pace(slice_ms=60_000, share=0.5).rest()
    assert ran == []
