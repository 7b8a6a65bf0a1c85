"""Connections: what operators see of a session, and who hears of acknowledged commands."""

from tests.broker.support import ALICE, MAIN, Station

from weft.broker.connections import info_of
from weft.model.principal import Principal, PrincipalKind

TOPIC = "devices/alice/commands/r-1/restart"
PRIVATE = "devices/alice/dialects/toy/down/1"
USER = Principal(MAIN, PrincipalKind.USER, "ulla", "uid-ulla")


async def test_a_session_is_shown_with_what_it_holds() -> None:
    station = Station()
    session, _link = await station.connect(expiry_s=60)
    await station.subscribe(session, "a/#", qos=1)
    info = info_of(session)
    assert (info.client_id, info.principal, info.connected) == ("c", "device:alice", True)
    assert (info.subscriptions, info.inflight) == (("a/#",), 0)


async def test_a_command_that_a_device_acknowledged_is_told() -> None:
    """At QoS 1 with PUBACK, at QoS 2 with PUBCOMP; other topics and people are not told of."""
    station = Station()
    for number, qos in enumerate((1, 2)):
        session, link = await station.connect(client_id=f"c{number}")
        await station.subscribe(session, "devices/alice/#", qos=qos)
        station.publish(TOPIC, qos=qos)
        station.publish("devices/alice/other", qos=1)
        for delivery in link.taken():
            if delivery.qos == 2:
                station.broker.received(session, delivery.packet_id)
                station.broker.completed(session, delivery.packet_id)
            else:
                station.broker.acknowledged(session, delivery.packet_id)
        await station.broker.unsubscribe(session, ["devices/alice/#"])
    assert station.acknowledged == [(ALICE, TOPIC), (ALICE, TOPIC)]


async def test_a_command_that_a_device_refused_is_told() -> None:
    station = Station()
    session, link = await station.connect()
    await station.subscribe(session, "devices/alice/#", qos=1)
    station.publish(TOPIC, qos=1)
    (delivery,) = link.taken()
    station.broker.discarded(session, delivery.packet_id)
    assert (station.refused, station.acknowledged) == ([(ALICE, TOPIC)], [])


async def test_a_device_that_had_no_session_is_offered_what_it_is_owed() -> None:
    """Once, whatever it subscribes to besides, and not what waits for it already."""
    station = Station()
    station.owed = [station.envelope(TOPIC, qos=1)]
    session, link = await station.connect()
    await station.subscribe(session, "devices/alice/events/+", qos=1)
    assert link.taken() == []
    await station.subscribe(session, "devices/alice/#", "devices/alice/commands/+/+", qos=1)
    await station.subscribe(session, "devices/alice/#", qos=1)
    (delivery,) = link.taken()
    assert (delivery.topic, delivery.qos) == (TOPIC, 1)


async def test_what_is_taken_back_no_longer_waits() -> None:
    """Also on disk: a restart does not bring it back."""
    station = Station()
    session, link = await station.connect(expiry_s=3600)
    await station.subscribe(session, "devices/alice/#", qos=1)
    station.broker.detach(session, link, will_wanted=False)
    station.publish(TOPIC, qos=1)
    station.publish("devices/alice/other", b"kept", qos=1)
    await station.broker.checkpoint()
    station.broker.withdraw(ALICE.uid, TOPIC)
    await station.broker.checkpoint()
    await station.restart()
    _session, link = await station.connect(expiry_s=3600)
    assert link.payloads == [b"kept"]


async def test_what_a_dialect_sent_is_told_when_it_has_arrived() -> None:
    station = Station()
    session, link = await station.connect()
    await station.subscribe(session, PRIVATE, qos=1)
    station.publish(PRIVATE, qos=1)
    (delivery,) = link.taken()
    assert station.acknowledged == []
    station.broker.acknowledged(session, delivery.packet_id)
    assert station.acknowledged == [(ALICE, PRIVATE)]


async def test_a_filter_that_is_new_to_a_devices_session_is_told_once() -> None:
    """A session that comes back has it, and what was queued for it, already."""
    station = Station()
    session, _link = await station.connect(expiry_s=60)
    for _ in range(2):
        await station.subscribe(session, PRIVATE, qos=1)
    await station.restart()
    session, _link = await station.connect(expiry_s=60)
    await station.subscribe(session, PRIVATE, qos=1)
    other, _link = await station.connect(USER, client_id="u")
    await station.subscribe(other, PRIVATE, qos=1)
    assert station.subscribed == [(ALICE, PRIVATE)]


async def test_what_waits_for_a_device_is_known_until_it_has_it() -> None:
    station = Station()
    assert not station.broker.is_queued(MAIN, PRIVATE)
    session, link = await station.connect(expiry_s=60)
    await station.subscribe(session, PRIVATE, qos=1)
    station.broker.detach(session, link, will_wanted=False)
    station.publish(PRIVATE, qos=1)
    assert station.broker.is_queued(MAIN, PRIVATE)
    session, link = await station.connect(expiry_s=60)
    (delivery,) = link.taken()
    assert station.broker.is_queued(MAIN, PRIVATE)  # sent, and not acknowledged
    station.broker.acknowledged(session, delivery.packet_id)
    assert not station.broker.is_queued(MAIN, PRIVATE)


async def test_what_waits_for_a_person_is_not_waited_for_by_the_device() -> None:
    station = Station()
    session, link = await station.connect(USER, expiry_s=60)
    await station.subscribe(session, "devices/#", qos=1)
    station.broker.detach(session, link, will_wanted=False)
    station.publish(PRIVATE, qos=1)
    assert not station.broker.is_queued(MAIN, PRIVATE)


async def test_who_is_no_device_has_carried_out_nothing() -> None:
    station = Station()
    session, link = await station.connect(USER)
    await station.subscribe(session, "devices/#", qos=1)
    station.publish(TOPIC, qos=1)
    (delivery,) = link.taken()
    assert station.broker.acknowledged(session, delivery.packet_id)
    assert station.acknowledged == []
