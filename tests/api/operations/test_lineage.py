"""The chain from sample to work order over the API."""

from tests.api.operations.test_alarms import raised
from tests.api.support import OTHER, World


async def test_the_chain_is_shown_from_either_side(world: World) -> None:
    """By alarm, device and rule; another tenant finds no chain."""
    token = await raised(world)
    for path in ("alarm/a-1", "device/pump-7", "rule/too-hot", "sample/5"):
        graph = await world.call("GET", f"/lineage/{path}", token=token)
        assert "alarm:a-1" in {node["id"] for node in graph.json["nodes"]}, path
    other = await world.call("GET", "/lineage/alarm/a-1", token=world.admin(OTHER))
    assert other.status == 404
    assert (await world.call("GET", "/lineage/gossip/x", token=token)).status == 404
