"""SUBSCRIBE and UNSUBSCRIBE: each filter is decided on."""

from tests.broker.support import (
    ALICE,
    Reason,
    Station,
)


async def test_az3_every_filter_of_a_subscribe_is_decided_on() -> None:
    """AZ-3: not only the first one, as in a broker that others had to patch."""
    station = Station()
    session, link = await station.connect()
    station.policy.deny(ALICE, "topic.subscribe", "secret/#")
    station.policy.deny(ALICE, "topic.subscribe", "also/secret")

    results = await station.subscribe(
        session, "open", "secret/#", "$share/g/also/secret", "a/#/b", qos=1
    )
    station.publish("secret/x")

    assert results == [
        Reason.GRANTED_QOS_1,
        Reason.NOT_AUTHORIZED,
        Reason.NOT_AUTHORIZED,
        Reason.TOPIC_FILTER_INVALID,
    ]
    assert link.deliveries == []


async def test_mq5_a_session_has_at_most_100_subscriptions() -> None:
    """MQ-5: the 101st is refused; one that is there may be renewed."""
    station = Station()
    session, _ = await station.connect()
    await station.subscribe(session, *(f"t/{i}" for i in range(99)))

    assert await station.subscribe(session, "t/99", "t/100", "t/0", qos=1) == [
        Reason.GRANTED_QOS_1,
        Reason.QUOTA_EXCEEDED,
        Reason.GRANTED_QOS_1,
    ]


async def test_an_unsubscribed_filter_brings_nothing_more() -> None:
    """[MQTT-3.10.4-2], and what was not subscribed is said not to have been."""
    station = Station()
    session, link = await station.connect(expiry_s=60)
    await station.subscribe(session, "t", qos=1)

    results = await station.broker.unsubscribe(session, ["t", "never"])
    station.publish("t", qos=1)

    assert results == [0, Reason.NO_SUBSCRIPTION_EXISTED]
    assert link.deliveries == []
