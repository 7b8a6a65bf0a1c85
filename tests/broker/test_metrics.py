"""The broker's metrics."""

from prometheus_client import REGISTRY
from tests.broker.support import ALICE, BrokerSettings, Station


async def test_the_gauges_tell_live_from_stored_and_what_waits() -> None:
    """One subscriber is there, one is away with two messages waiting."""
    station = Station(BrokerSettings())
    await station.connect(ALICE, "here")
    away, link = await station.connect(ALICE, "away", expiry_s=60)
    await station.subscribe(away, "t", qos=1)
    station.broker.detach(away, link, will_wanted=False)
    station.publish("t", qos=1)
    station.publish("t", qos=1, retain=True)

    await station.broker.sweep(station.clock.now())

    assert REGISTRY.get_sample_value("weft_broker_sessions", {"state": "live"}) == 1
    assert REGISTRY.get_sample_value("weft_broker_sessions", {"state": "stored"}) == 1
    assert REGISTRY.get_sample_value("weft_broker_queued_messages") == 2
    assert REGISTRY.get_sample_value("weft_broker_retained_messages") == 1


async def test_what_a_subscriber_lost_is_counted_by_reason() -> None:
    """An operator sees a slow subscriber before its owner complains."""
    labels = {"reason": "queue_full"}
    before = REGISTRY.get_sample_value("weft_broker_dropped_messages_total", labels) or 0.0
    station = Station(BrokerSettings(queue_messages_max=2))
    session, link = await station.connect(expiry_s=60)
    await station.subscribe(session, "t", qos=1)
    station.broker.detach(session, link, will_wanted=False)

    for _ in range(5):
        station.publish("t", qos=1)

    assert REGISTRY.get_sample_value("weft_broker_dropped_messages_total", labels) == before + 3
