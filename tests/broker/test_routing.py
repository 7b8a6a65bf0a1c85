"""Routing: subscribers are looked up once, in their own tenant, and never for too long."""

from tests.broker.support import (
    BOB,
    OTHER,
    BrokerSettings,
    Station,
    principal,
)


async def test_tn1_tenants_do_not_hear_each_other() -> None:
    """TN-1: `#` in one tenant matches nothing of another one."""
    station = Station()
    session, link = await station.connect(principal("alice", OTHER))
    await station.subscribe(session, "#")

    station.publish("t", who=BOB)

    assert link.deliveries == []


async def test_subscribers_of_a_route_are_looked_up_once() -> None:
    """The policy is asked once per topic and version, not per message."""
    station = Station()
    session, _ = await station.connect()
    await station.subscribe(session, "#")
    station.publish("t")
    asked = station.policy.asked

    for _ in range(50):
        station.publish("t")

    assert station.policy.asked == asked


async def test_the_routes_remembered_are_bounded() -> None:
    """A publisher that makes up topics does not fill the memory."""
    station = Station(BrokerSettings(routes_cached=10))
    for i in range(100):
        station.publish(f"t/{i}")

    assert len(station.broker._routing.plans) <= 11
