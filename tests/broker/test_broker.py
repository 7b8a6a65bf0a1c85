"""The broker as its callers see it."""

from contextlib import suppress
from typing import Any

import pytest
from tests.broker.support import (
    ALICE,
    BOB,
    MAIN,
    NEVER_S,
    OTHER,
    Reason,
    Station,
    principal,
)

from weft.broker import Will
from weft.errors import Forbidden
from weft.model.message import Committed, Envelope, Operation


async def test_a_message_reaches_who_subscribed_and_nobody_else() -> None:
    """Two dashboards; one watches the pumps, the other one the fans."""
    station = Station()
    pumps, pumps_link = await station.connect(ALICE, "pumps")
    fans, fans_link = await station.connect(BOB, "fans")
    await station.subscribe(pumps, "plant/pumps/+", qos=1)
    await station.subscribe(fans, "plant/fans/#", qos=1)

    station.publish("plant/pumps/7", b"on", qos=1)

    assert pumps_link.payloads == [b"on"]
    assert fans_link.payloads == []


async def test_a_batch_is_handed_to_a_link_as_one_list() -> None:
    """A hundred readings are one write, not a hundred."""
    station = Station()
    session, link = await station.connect()
    await station.subscribe(session, "#", qos=1)

    station.apply(*(station.envelope("t", b"%d" % i, qos=i % 2) for i in range(100)))

    assert [len(batch) for batch in link.batches] == [100]
    assert link.payloads == [b"%d" % i for i in range(100)]


async def test_plain_qos_0_subscribers_share_one_delivery() -> None:
    """So that a transport can encode it once for all of them."""
    station = Station()
    links = []
    for name in ("a", "b"):
        session, link = await station.connect(ALICE, name)
        await station.subscribe(session, "t", qos=2)
        links.append(link)

    station.publish("t", qos=0)

    assert links[0].deliveries[0] is links[1].deliveries[0]


async def test_a_rejected_message_is_delivered_to_nobody() -> None:
    """It is kept for the inbox; subscribers never see it."""
    station = Station()
    session, link = await station.connect()
    await station.subscribe(session, "#")

    station.publish("t", operation=Operation.REJECTED)
    station.publish("t", operation=Operation.TELEMETRY)

    assert len(link.deliveries) == 1


# --- sessions and take-over ---------------------------------------------------------------


async def test_mq2_a_session_is_taken_over_by_the_same_principal() -> None:
    """MQ-2: the device came back by another cell; the old link is told 0x8E."""
    station = Station()
    first, old_link = await station.connect(expiry_s=60)
    await station.subscribe(first, "t", qos=1)

    attached, link = await station.attach(expiry_s=60)
    station.broker.resume(attached.session)
    station.broker.detach(first, old_link, will_wanted=True)
    station.publish("t", b"x", qos=1)

    assert old_link.closed is Reason.SESSION_TAKEN_OVER
    assert attached.present
    assert attached.session is first
    assert (old_link.payloads, link.payloads) == ([], [b"x"])


async def test_mq2_another_principal_takes_over_nothing() -> None:
    """MQ-2: a stolen client id alone opens an empty session of the thief's own."""
    station = Station()
    session, link = await station.connect(ALICE, "pump-7", expiry_s=60)
    await station.subscribe(session, "t", qos=1)

    attached, thief = await station.attach(BOB, "pump-7", expiry_s=60)
    station.broker.resume(attached.session)
    station.publish("t", b"x", qos=1)

    assert link.closed is None
    assert not attached.present
    assert (link.payloads, thief.payloads) == ([b"x"], [])


async def test_mq2_a_flapping_client_ends_with_one_session_and_one_link() -> None:
    """MQ-2: two devices with one identity throw each other out a hundred times."""
    station = Station()
    links = [(await station.connect(expiry_s=60))[1] for _ in range(100)]

    assert [link.closed for link in links[:-1]] == [Reason.SESSION_TAKEN_OVER] * 99
    assert links[-1].closed is None
    assert station.broker.count_sessions(MAIN) == (1, 0)


async def test_a_link_that_was_taken_over_does_not_start_the_flow_of_its_successor() -> None:
    """The old link drains its last bytes while the new one waits for its CONNACK."""
    station = Station()
    session, old_link = await station.connect(expiry_s=60)
    await station.subscribe(session, "t", qos=1)
    _, link = await station.attach(expiry_s=60)
    station.publish("t", b"x", qos=1)

    station.broker.resume(session, old_link)
    assert link.deliveries == []
    station.broker.resume(session, link)

    assert link.payloads == [b"x"]


async def test_a_clean_start_forgets() -> None:
    """[MQTT-3.1.2-4]: no subscriptions, no queue, session present 0."""
    station = Station()
    session, link = await station.connect(expiry_s=60)
    await station.subscribe(session, "t", qos=1)
    station.broker.detach(session, link, will_wanted=False)
    station.publish("t", qos=1)

    attached, link = await station.attach(expiry_s=60, clean_start=True)
    station.broker.resume(attached.session)
    station.publish("t", qos=1)

    assert not attached.present
    assert session.ended
    assert link.deliveries == []


async def test_a_session_without_expiry_ends_with_its_link() -> None:
    """(MQTT 5, 3.1.2.11.2): also when it is taken over."""
    station = Station()
    session, _ = await station.connect(expiry_s=0)

    attached, link = await station.attach(expiry_s=60)

    assert session.ended
    assert not attached.present
    station.broker.detach(attached.session, link, will_wanted=False)
    assert station.broker.count_sessions(MAIN) == (0, 1)


async def test_a_session_that_expired_is_not_resumed() -> None:
    """Also when no sweep came between."""
    station = Station()
    session, link = await station.connect(expiry_s=60)
    station.broker.detach(session, link, will_wanted=False)
    station.clock.turn(60)

    attached, _ = await station.attach(expiry_s=60)

    assert not attached.present


async def test_a_disconnect_may_change_the_expiry() -> None:
    """(MQTT 5, 3.14.2.2.2): zero ends it now; from zero it cannot grow."""
    station = Station()
    session, link = await station.connect(ALICE, "a", expiry_s=60)
    station.broker.detach(session, link, will_wanted=False, expiry_s=0)
    short, link = await station.connect(ALICE, "b", expiry_s=0)
    station.broker.detach(short, link, will_wanted=False, expiry_s=60)

    assert station.broker.count_sessions(MAIN) == (0, 0)


async def test_mq8_the_expiry_is_clamped_and_the_client_is_told() -> None:
    """MQ-8: 'never' becomes a day, in CONNACK and in DISCONNECT."""
    station = Station()

    attached, link = await station.attach(expiry_s=NEVER_S)
    assert attached.expiry_s == 24 * 3600
    station.broker.detach(attached.session, link, will_wanted=False, expiry_s=NEVER_S)
    station.clock.turn(24 * 3600)
    await station.broker.sweep(station.clock.now())

    assert station.broker.count_sessions(MAIN) == (0, 0)


async def test_a_journal_is_told_of_ended_sessions_that_had_qos_2() -> None:
    """Their packet ids are forgotten there too; others never were there."""
    station = Station()
    one, one_link = await station.connect(ALICE, "one")
    two, two_link = await station.connect(ALICE, "two")
    one.inbound_qos_two = True
    station.broker.detach(one, one_link, will_wanted=False)
    station.broker.detach(two, two_link, will_wanted=False)

    await station.broker.checkpoint()

    assert station.forgotten == [one.key]


# --- rights that change -------------------------------------------------------------------


async def test_az3_each_delivery_is_decided_on() -> None:
    """AZ-3: `plant/#` was granted, but one topic below it is not for her."""
    station = Station()
    session, link = await station.connect()
    await station.subscribe(session, "plant/#")
    station.policy.deny(ALICE, "topic.receive", "plant/secret")

    station.publish("plant/secret")
    station.publish("plant/open", b"open")

    assert link.payloads == [b"open"]


async def test_az4_a_right_that_is_taken_away_stops_live_delivery() -> None:
    """AZ-4: subscribe, revoke, publish: no delivery; given back, it flows again."""
    station = Station()
    session, link = await station.connect()
    await station.subscribe(session, "t", qos=1)
    station.publish("t", b"before", qos=1)
    station.policy.deny(ALICE, "topic.receive", "t")
    station.publish("t", b"while", qos=1)
    station.policy.allow_all()
    station.publish("t", b"after", qos=1)

    assert link.payloads == [b"before", b"after"]


async def test_az4_a_right_that_is_taken_away_stops_queued_delivery() -> None:
    """AZ-4: reconnect with clean start 0: what was queued before stays undelivered."""
    station = Station()
    session, link = await station.connect(expiry_s=60)
    await station.subscribe(session, "t/#", qos=1)
    station.broker.detach(session, link, will_wanted=False)
    station.publish("t/secret", b"secret", qos=1)
    station.publish("t/open", b"open", qos=1)
    station.policy.deny(ALICE, "topic.receive", "t/secret")

    session, link = await station.connect(expiry_s=60)

    assert link.payloads == [b"open"]
    assert not session.queue


async def test_az4_a_right_that_is_taken_away_stops_what_would_be_sent_again() -> None:
    """AZ-4: sent once and not acknowledged; after the revocation it is not repeated."""
    station = Station()
    session, link = await station.connect(expiry_s=60)
    await station.subscribe(session, "t/#", qos=2)
    station.publish("t/secret", b"secret", qos=1)
    station.publish("t/open", b"open", qos=1)
    station.broker.detach(session, link, will_wanted=False)
    station.policy.deny(ALICE, "topic.receive", "t/secret")

    session, link = await station.connect(expiry_s=60)

    assert link.payloads == [b"open"]
    assert len(session.inflight) == 1


async def test_az4_a_revoked_principal_is_cut_and_owed_nothing() -> None:
    """AZ-4, RV-1: links closed, sessions and queues gone, no will; others are untouched."""
    station = Station()
    live, link = await station.connect(ALICE, "live", will=Will("status", b"lost"))
    away, away_link = await station.connect(
        ALICE, "away", expiry_s=60, will=Will("status", b"lost", delay_s=30)
    )
    await station.subscribe(away, "t", qos=1)
    station.broker.detach(away, away_link, will_wanted=True)
    _, other = await station.connect(BOB, "other")

    assert station.broker.revoke(ALICE.uid) == 1
    station.broker.detach(live, link, will_wanted=True)
    station.publish("t", qos=1)
    station.clock.turn(60)
    await station.broker.sweep(station.clock.now())
    await station.broker.checkpoint()
    await station.restart()

    assert link.closed is Reason.ADMINISTRATIVE_ACTION
    assert other.closed is None
    assert station.wills == []
    assert not station.broker.is_connected(ALICE.uid)
    assert station.broker.list_sessions(MAIN) == []


# --- wills --------------------------------------------------------------------------------


async def test_a_will_is_published_when_the_link_is_lost_and_not_after_a_good_bye() -> None:
    """[MQTT-3.1.2-8], [MQTT-3.14.4-3]."""
    station = Station()
    for name, wanted in (("lost", True), ("good-bye", False)):
        session, link = await station.connect(ALICE, name, will=Will("status", name.encode()))
        station.broker.detach(session, link, will_wanted=wanted)

    await station.broker.sweep(station.clock.now())

    assert [will.payload for _, will in station.wills] == [b"lost"]


async def test_a_will_waits_for_its_delay_or_the_end_of_its_session() -> None:
    """[MQTT-3.1.3-9]: whichever comes first."""
    station = Station()
    for name, expiry_s, delay_s in (("delay", 100, 10), ("session", 5, 50)):
        will = Will("status", name.encode(), delay_s=delay_s)
        session, link = await station.connect(ALICE, name, expiry_s=expiry_s, will=will)
        station.broker.detach(session, link, will_wanted=True)

    found = []
    for _ in range(12):
        station.clock.turn(1)
        await station.broker.sweep(station.clock.now())
        found.append([will.payload for _, will in station.wills])

    assert found[3] == []
    assert found[4] == [b"session"]
    assert found[9] == [b"session", b"delay"]


async def test_a_will_is_not_published_when_the_session_is_resumed_in_time() -> None:
    """And is published at once when a clean start ends the session instead."""
    station = Station()
    will = Will("status", b"lost", delay_s=10)
    await station.connect(expiry_s=60, will=will)
    await station.connect(expiry_s=60, will=will)
    station.clock.turn(20)
    await station.broker.sweep(station.clock.now())
    assert station.wills == []

    await station.connect(expiry_s=60, clean_start=True)
    await station.broker.sweep(station.clock.now())

    assert len(station.wills) == 1


async def test_a_will_that_is_refused_harms_nobody() -> None:
    """The gate decides again when it is published (AZ-3)."""
    station = Station()
    station.will_error = Forbidden("no right")
    session, link = await station.connect(will=Will("status", b"lost"))
    station.broker.detach(session, link, will_wanted=True)

    await station.broker.sweep(station.clock.now())

    assert station.wills == []


async def test_operators_see_sessions_of_their_tenant_only() -> None:
    """Who is connected, what waits, what was lost."""
    station = Station()
    session, link = await station.connect(ALICE, "away", expiry_s=60)
    await station.subscribe(session, "t", "$share/g/u", qos=1)
    station.broker.detach(session, link, will_wanted=False)
    station.publish("t", b"1234", qos=1)
    await station.connect(BOB, "here")
    await station.connect(principal("eve", OTHER), "elsewhere")

    away, here = station.broker.list_sessions(MAIN)

    assert (away.principal, away.connected, away.queued_messages) == ("device:alice", False, 1)
    assert away.subscriptions == ("t", "$share/g/u")
    assert away.detached_at == station.clock.now()
    assert (here.client_id, here.connected, here.detached_at) == ("here", True, None)
    assert station.broker.count_sessions(MAIN) == (1, 1)
    assert station.broker.is_connected(BOB.uid)
    assert not station.broker.is_connected(ALICE.uid)


async def test_what_stands_before_a_message_that_breaks_us_is_delivered_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pipeline gives the batch again, message by message, to find the one that does it."""
    station = Station()
    session, link = await station.connect()
    await station.subscribe(session, "#")
    batch = [station.envelope(topic, b"x") for topic in ("a", "b", "c")]
    deliver = station.broker._deliver

    def broken(envelope: Envelope, *rest: Any) -> None:
        if envelope.route.topic == "b":
            raise ZeroDivisionError
        deliver(envelope, *rest)

    monkeypatch.setattr(station.broker, "_deliver", broken)
    with pytest.raises(ZeroDivisionError):
        station.apply(*batch)
    for number, envelope in enumerate(batch):
        with suppress(ZeroDivisionError):
            station.broker.apply(Committed(1 + number, [envelope], [None]))
    assert [one.topic for one in link.deliveries] == ["a", "c"]
    assert station.broker.backlog == 3
