"""What operators see in numbers: deliveries by outcome, and queues."""

from prometheus_client import REGISTRY
from tests.connectors.support import FakeConnector, Plant, entry

from weft.errors import ConnectorError


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_deliveries_are_counted_by_how_they_ended() -> None:
    """One retried, then delivered; one given up."""
    name = "metrics-erp"
    errors = [ConnectorError("down"), None, ConnectorError("no", permanent=True)]
    plant = Plant(FakeConnector(name, next=errors))
    for number in (1, 2):
        await plant.put(entry(number, connector=name))
    await plant.outbox.deliver_due()
    assert value("weft_connectors_queue", connector=name) == 2
    plant.clock.turn(100)
    await plant.outbox.deliver_due()
    await plant.outbox.deliver_due()
    counted = {
        outcome: value("weft_connectors_deliveries_total", connector=name, outcome=outcome)
        for outcome in ("delivered", "retried", "dead")
    }
    assert counted == {"delivered": 1, "retried": 1, "dead": 1}
    assert value("weft_connectors_queue", connector=name) == 0


async def test_polls_are_counted_by_how_they_ended() -> None:
    """A system that does not answer is seen on the graph."""
    name = "metrics-polled"
    plant = Plant(FakeConnector(name))
    await plant.put(entry(connector=name))
    await plant.outbox.deliver_due()
    plant.erp.next = [ConnectorError("down")]
    await plant.poller.poll()
    await plant.poller.poll()
    for outcome in ("failed", "answered"):
        assert value("weft_connectors_polls_total", connector=name, outcome=outcome) == 1
