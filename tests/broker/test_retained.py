"""Retained messages: the last word, its owner and its quota."""

import pytest
from tests.broker.support import ALICE, BOB, MAIN, OTHER, BrokerSettings, Station, principal

from weft.errors import QuotaExceeded
from weft.model.ids import DeviceId
from weft.model.message import Operation


async def retained_for(station: Station, filter_: str = "#", **options: int) -> list[bytes]:
    """What a newcomer is told on subscribing."""
    session, link = await station.connect(ALICE, "newcomer", clean_start=True)
    await station.subscribe(session, filter_, **options)
    assert all(one.retain for one in link.deliveries)
    return link.payloads


async def test_a_newcomer_gets_the_last_word_of_each_topic() -> None:
    """The dashboard opens and shows values at once [MQTT-3.3.1-6]."""
    station = Station()
    station.publish("a/1", b"old", retain=True)
    station.publish("a/1", b"new", retain=True)
    station.publish("a/2", b"two", retain=True)
    station.publish("a/3", b"not retained")

    assert sorted(await retained_for(station, "a/+")) == [b"new", b"two"]
    assert await retained_for(station, "a/2") == [b"two"]
    assert await retained_for(station, "b/#") == []


async def test_an_empty_payload_removes() -> None:
    """[MQTT-3.3.1-6]: and is itself not kept [MQTT-3.3.1-11]."""
    station = Station()
    station.publish("a", b"x", retain=True)
    station.publish("a", b"", retain=True)

    assert await retained_for(station) == []
    assert len(station.broker.retained) == 0


async def test_a_retained_message_expires() -> None:
    """It is neither shown nor kept after its time."""
    station = Station()
    station.publish("a", b"x", retain=True, expiry_s=10)
    station.clock.turn(10)

    assert await retained_for(station) == []
    await station.broker.sweep(station.clock.now())
    assert len(station.broker.retained) == 0


async def test_retain_handling_is_kept() -> None:
    """0 always, 1 only for a new subscription, 2 never [MQTT-3.3.1-9 to -11]."""
    station = Station()
    station.publish("a", b"x", retain=True)
    session, link = await station.connect()

    await station.subscribe(session, "a", retain_handling=2)
    assert link.taken() == []
    await station.subscribe(session, "a", retain_handling=1)
    assert link.taken() == []
    await station.subscribe(session, "a", retain_handling=0)
    assert len(link.taken()) == 1
    await station.broker.unsubscribe(session, ["a"])
    await station.subscribe(session, "a", retain_handling=1)
    assert len(link.taken()) == 1


async def test_a_shared_subscription_gets_no_retained_messages() -> None:
    """(MQTT 5, 4.8.2): the group has seen them long ago."""
    station = Station()
    station.publish("a", b"x", retain=True)
    session, link = await station.connect()

    await station.subscribe(session, "$share/g/a")

    assert link.deliveries == []


async def test_retained_messages_come_with_qos_and_identifier() -> None:
    """At the lower of both QoS, like any message."""
    station = Station()
    station.publish("a", b"x", retain=True, qos=2)
    session, link = await station.connect()

    await station.subscribe(session, "a", qos=1, identifier=7)

    (one,) = link.deliveries
    assert (one.qos, one.subscription_ids, one.retain) == (1, (7,), True)


async def test_tn1_another_tenants_retained_messages_are_not_there() -> None:
    """TN-1: the same topic in two tenants are two topics."""
    station = Station()
    station.publish("a", b"theirs", retain=True, who=principal("bob", OTHER))

    assert await retained_for(station) == []


async def test_a_rejected_message_is_not_retained() -> None:
    """It is in the rejection inbox and nowhere else."""
    station = Station()
    station.publish("a", b"bad", retain=True, operation=Operation.REJECTED)

    assert await retained_for(station) == []


async def test_mq7_the_quota_in_messages_is_kept() -> None:
    """MQ-7: the gate asks before it admits; the publisher gets 0x97."""
    station = Station(BrokerSettings(retained_messages_max=2))
    retained = station.broker.retained
    for topic in ("a", "b"):
        retained.require_room(MAIN, topic, b"x")
        station.publish(topic, b"x", retain=True)

    with pytest.raises(QuotaExceeded) as caught:
        retained.require_room(MAIN, "c", b"x")

    assert "retained_messages_max" in caught.value.remedy
    retained.require_room(MAIN, "a", b"replaced")
    retained.require_room(MAIN, "c", b"")
    retained.require_room(OTHER, "c", b"x")
    station.publish("b", b"", retain=True)
    retained.require_room(MAIN, "c", b"x")


async def test_mq7_what_was_admitted_counts_before_it_is_applied() -> None:
    """MQ-7: a burst within one batch does not slip through the quota."""
    station = Station(BrokerSettings(retained_messages_max=10))
    retained = station.broker.retained
    for i in range(10):
        retained.require_room(MAIN, f"t/{i}", b"x")
    with pytest.raises(QuotaExceeded):
        retained.require_room(MAIN, "t/10", b"x")

    station.apply(*(station.envelope(f"t/{i}", retain=True) for i in range(5)))
    with pytest.raises(QuotaExceeded):
        retained.require_room(MAIN, "t/10", b"x")
    await station.broker.sweep(station.clock.now())  # the other five were never written

    for i in range(5, 10):
        retained.require_room(MAIN, f"t/{i}", b"x")
    with pytest.raises(QuotaExceeded):
        retained.require_room(MAIN, "t/10", b"x")


async def test_mq7_the_quota_in_bytes_is_kept() -> None:
    """MQ-7: what a replaced message took is free for the new one."""
    station = Station(BrokerSettings(retained_bytes_max=1000))
    station.publish("a", b"x" * 900, retain=True)

    with pytest.raises(QuotaExceeded):
        station.broker.retained.require_room(MAIN, "b", b"x" * 100)
    station.broker.retained.require_room(MAIN, "a", b"x" * 930)


async def test_mq7_a_retained_message_is_hidden_when_its_owner_lost_the_right() -> None:
    """MQ-7: revoke the owner and new subscribers get nothing; give it back and they do."""
    station = Station()
    station.publish("a", b"x", retain=True, who=BOB)
    station.policy.deny(BOB, "topic.publish", "a")
    assert await retained_for(station) == []

    station.policy.allow_all()

    assert await retained_for(station) == [b"x"]


async def test_mq7_a_deleted_owner_speaks_no_more() -> None:
    """MQ-7, ID-1: nor does a new device of the same name: the owner is a uid."""
    station = Station()
    station.publish("a", b"x", retain=True, who=BOB)

    station.policy.forget(BOB)

    assert await retained_for(station) == []


async def test_az4_a_retained_message_is_not_told_to_who_may_not_receive_it() -> None:
    """AZ-4: the filter was granted, this one topic is not."""
    station = Station()
    station.publish("a/secret", b"x", retain=True)
    station.publish("a/open", b"y", retain=True)
    station.policy.deny(ALICE, "topic.receive", "a/secret")

    assert await retained_for(station) == [b"y"]


async def test_retained_messages_survive_a_restart() -> None:
    """Some were in the checkpoint, some are behind it in the journal, one was removed."""
    station = Station()
    station.publish("a", b"kept", retain=True, expiry_s=100)
    station.publish("b", b"removed", retain=True)
    await station.broker.checkpoint()
    station.publish("b", b"", retain=True)
    station.publish("c", b"behind", retain=True)

    await station.restart()
    assert sorted(await retained_for(station)) == [b"behind", b"kept"]
    await station.broker.checkpoint()
    await station.restart()

    assert sorted(await retained_for(station)) == [b"behind", b"kept"]
    station.policy.forget(BOB)
    assert await retained_for(station) == []


async def test_mq_7_a_tenant_is_held_to_its_own_quota() -> None:
    """The settings have room for more than this tenant's quota has."""
    retained = Station().broker.retained
    retained.set_quota(MAIN, 1, 10_000)
    retained.require_room(MAIN, "a", b"1")
    with pytest.raises(QuotaExceeded):
        retained.require_room(MAIN, "b", b"1")
    retained.require_room(OTHER, "b", b"1")


async def test_id_1_a_namesake_is_not_told_what_a_deleted_device_was() -> None:
    """What Weft wanted of the old pump-7, and what that one said, ends with it; others' stays."""
    station = Station()
    for topic in ("devices/p/properties/desired", "devices/p/telemetry", "devices/p2/telemetry"):
        station.publish(topic, b"x", retain=True)
    await station.broker.forget_device(OTHER, DeviceId("p"))
    assert len(station.broker.retained) == 3
    await station.broker.forget_device(MAIN, DeviceId("p"))
    assert len(station.broker.retained) == 1
