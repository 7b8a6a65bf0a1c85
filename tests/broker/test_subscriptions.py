"""Who gets a message: overlaps, options, shared groups."""

from tests.broker.support import ALICE, BOB, FakeLink, Station

from weft.broker import Reason, Session, SubscriptionRequest
from weft.broker.subscriptions import NOBODY, make_plan


async def member(station: Station, client_id: str, **opening: int) -> tuple[Session, FakeLink]:
    session, link = await station.connect(ALICE, client_id, **opening)
    assert await station.subscribe(session, "$share/workers/jobs/#", qos=1) == [1]
    return session, link


async def test_overlapping_subscriptions_give_one_copy_at_the_highest_qos() -> None:
    """With the identifiers of both, so that the client knows which handlers to call."""
    station = Station()
    session, link = await station.connect()
    await station.subscribe(session, "plant/#", qos=0, identifier=1)
    await station.subscribe(session, "plant/+/state", qos=2, identifier=2)
    await station.subscribe(session, "plant/7/state", qos=1)

    station.publish("plant/7/state", b"on", qos=2)

    (one,) = link.deliveries
    assert (one.qos, sorted(one.subscription_ids)) == (2, [1, 2])


async def test_a_message_is_delivered_at_the_lower_of_both_qos() -> None:
    """[MQTT-3.8.4-8]."""
    station = Station()
    session, link = await station.connect()
    await station.subscribe(session, "t", qos=1)

    for qos in (0, 1, 2):
        station.publish("t", qos=qos)

    assert [one.qos for one in link.deliveries] == [0, 1, 1]


async def test_no_local_spares_a_client_its_own_messages() -> None:
    """A bridge does not hear its own echo [MQTT-3.8.3-3]; others do."""
    station = Station()
    session, link = await station.connect()
    other, other_link = await station.connect(BOB, "other")
    await station.subscribe(session, "t", no_local=True)
    await station.subscribe(other, "t")

    station.publish("t", b"mine", session=session.client_key)
    station.publish("t", b"theirs", session=other.client_key)

    assert link.payloads == [b"theirs"]
    assert other_link.payloads == [b"mine", b"theirs"]


async def test_an_overlap_without_no_local_still_brings_ones_own() -> None:
    """Only that subscription counts then, with its own QoS and identifier."""
    station = Station()
    session, link = await station.connect()
    await station.subscribe(session, "t", qos=2, no_local=True, identifier=1)
    await station.subscribe(session, "#", qos=1, identifier=2)

    station.publish("t", b"mine", qos=2, session=session.client_key)

    (one,) = link.deliveries
    assert (one.qos, one.subscription_ids) == (1, (2,))


async def test_retain_as_published_keeps_the_flag() -> None:
    """A bridge wants to know; any other subscriber sees a live message [MQTT-3.3.1-12, -13]."""
    station = Station()
    bridge, bridge_link = await station.connect(ALICE, "bridge")
    plain, plain_link = await station.connect(ALICE, "plain")
    await station.subscribe(bridge, "t", retain_as_published=True)
    await station.subscribe(plain, "t")

    station.publish("t", b"state", retain=True)

    assert [one.retain for one in bridge_link.deliveries] == [True]
    assert [one.retain for one in plain_link.deliveries] == [False]


async def test_a_shared_subscription_serves_its_members_in_turn() -> None:
    """Three workers and six jobs make two each."""
    station = Station()
    links = [(await member(station, name))[1] for name in ("a", "b", "c")]

    for i in range(6):
        station.publish("jobs/x", b"%d" % i, qos=1)

    assert [len(link.deliveries) for link in links] == [2, 2, 2]


async def test_a_shared_message_goes_to_a_live_member_before_a_stored_one() -> None:
    """A worker that is away does not hold up the work."""
    station = Station()
    away, away_link = await member(station, "away", expiry_s=60)
    _, live_link = await member(station, "live")
    station.broker.detach(away, away_link, will_wanted=False)

    for _ in range(4):
        station.publish("jobs/x", qos=1)

    assert len(live_link.deliveries) == 4
    assert not away.queue


async def test_a_shared_message_waits_in_a_stored_session_when_nobody_is_there() -> None:
    """All workers are away; the work is there when the first one is back."""
    station = Station()
    away, link = await member(station, "away", expiry_s=60)
    station.broker.detach(away, link, will_wanted=False)
    station.publish("jobs/x", b"job", qos=1)

    _, link = await station.connect(ALICE, "away", expiry_s=60)

    assert link.payloads == [b"job"]


async def test_a_shared_message_goes_around_a_member_that_does_not_keep_up() -> None:
    """The busy worker gets no more while another one is idle."""
    station = Station()
    busy, busy_link = await member(station, "busy", receive_maximum=1)
    _, idle_link = await member(station, "idle")
    busy_link.writable = False
    station.publish("jobs/x", b"0", qos=1)
    station.publish("jobs/x", b"1", qos=1)

    for _ in range(4):
        station.publish("jobs/x", qos=1)

    assert len(busy.queue) == 1
    assert len(idle_link.deliveries) == 5


async def test_what_a_member_leaves_behind_goes_to_another_one() -> None:
    """A worker dies with two jobs in hand: another one does them (MQTT 5, 4.8.2)."""
    station = Station()
    dying, dying_link = await member(station, "dying", receive_maximum=1)
    for payload in (b"in hand", b"waiting"):
        station.publish("jobs/x", payload, qos=1)
    _, link = await member(station, "healthy")

    station.broker.detach(dying, dying_link, will_wanted=False)
    station.publish("jobs/x", b"next", qos=1)

    assert dying_link.payloads == [b"in hand"]
    assert link.payloads == [b"in hand", b"waiting", b"next"]


async def test_what_was_sent_at_qos_2_goes_to_nobody_else() -> None:
    """The dead worker may have done it (MQTT 5, 4.8.2); after a restart we still know."""
    station = Station()
    request = SubscriptionRequest("$share/workers/jobs/#", qos=2)
    dying, link = await station.connect(ALICE, "dying", expiry_s=60, receive_maximum=1)
    await station.broker.subscribe(dying, [request])
    station.publish("jobs/x", b"perhaps done", qos=2)
    station.publish("jobs/x", b"waiting", qos=2)
    station.broker.detach(dying, link, will_wanted=False)
    await station.broker.checkpoint()
    await station.restart()
    healthy, link = await station.connect(BOB, "healthy")
    await station.broker.subscribe(healthy, [request])

    station.clock.turn(60)
    await station.broker.sweep(station.clock.now())

    assert link.payloads == [b"waiting"]


async def test_groups_and_plain_subscriptions_do_not_disturb_each_other() -> None:
    """Two groups and one onlooker: each group gets it once, the onlooker too."""
    station = Station()
    session, link = await station.connect(ALICE, "x")
    await station.subscribe(session, "$share/a/t", "$share/b/t", "t")

    station.publish("t")

    assert len(link.deliveries) == 3


async def test_az3_a_shared_message_is_never_handed_to_a_member_without_the_right() -> None:
    """AZ-3: a group is no way around a right (the queue-subscribe bypass of others)."""
    station = Station()
    barred, barred_link = await station.connect(BOB, "barred")
    await station.subscribe(barred, "$share/workers/jobs/#", qos=1)
    _, link = await member(station, "a")
    station.policy.deny(BOB, "topic.receive", "jobs/x")

    for _ in range(4):
        station.publish("jobs/x", qos=1)

    assert barred_link.deliveries == []
    assert len(link.deliveries) == 4


async def test_a_member_that_leaves_its_group_gets_no_more() -> None:
    """And the last one leaves no group behind."""
    station = Station()
    session, link = await member(station, "a")

    filters = ["$share/workers/jobs/#"]
    assert await station.broker.unsubscribe(session, filters) == [0]
    assert await station.broker.unsubscribe(session, filters) == [Reason.NO_SUBSCRIPTION_EXISTED]
    station.publish("jobs/x", qos=1)

    assert link.deliveries == []


async def test_no_local_is_not_for_shared_subscriptions() -> None:
    """[MQTT-3.8.3-4]: in a group nobody could say whose echo it is."""
    station = Station()
    session, _ = await station.connect()
    request = SubscriptionRequest("$share/g/t", no_local=True)

    assert await station.broker.subscribe(session, [request]) == [Reason.TOPIC_FILTER_INVALID]


def test_a_topic_without_subscribers_has_the_one_empty_plan() -> None:
    """So that the common case is one comparison."""
    assert make_plan((), "t") is NOBODY
