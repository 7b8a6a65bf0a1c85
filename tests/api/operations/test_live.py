"""The live operation is a route like any other; its stream is held in tests/api/test_live.py."""

from tests.api.support import World


async def test_watching_needs_a_right(world: World) -> None:
    """A device watches nothing."""
    assert (await world.call("GET", "/live", token=await world.device("pump-7"))).status == 403
