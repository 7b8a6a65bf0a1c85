"""The seams are met by the stations that stand behind them."""

from tests.api.support import World

from weft.api.seams import KnownConnectors, Ordered, Outgoing, Samples


async def test_real_classes_meet_the_seams(world: World) -> None:
    """As the type checker sees it; at run time they have the methods."""
    connectors: KnownConnectors = world.connectors
    outbox: Outgoing = world.outbox
    orders: Ordered = world.work_orders
    samples: Samples = world.samples
    assert all((connectors.list_connectors, outbox.redrive, orders.get, samples))
