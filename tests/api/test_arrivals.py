"""Arrivals on the live stream."""

from typing import Any

from tests.api.operations.test_quarantine import arrive
from tests.api.support import World
from tests.api.test_live import watching

from weft.api.arrivals import tell_arrivals


async def test_an_arrival_is_told_live_and_so_is_its_end(world: World) -> None:
    """A dashboard shows that somebody waits at the door."""
    tell_arrivals(world.live, world.devices, world.quarantine.claim_name)
    told: list[dict[str, Any]] = []
    async with watching(world, world.admin(), "/live?kinds=quarantine") as reader:
        await arrive(world)
        told.append(await reader.event())
        await world.call("POST", "/quarantine/7/approve", token=world.admin())
        told.append(await reader.event())
    assert [one["data"]["change"] for one in told] == ["arrived", "active"]
    assert told[0]["data"]["record"]["claim"] == "pumps"
