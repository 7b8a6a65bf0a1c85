"""Sessions: queue, window and QoS 2, live, away and over restarts."""

import asyncio
import itertools
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.broker.support import BrokerSettings, FakeLink, Station, subscribed

from weft.broker import Delivery
from weft.broker.sessions import BURST_BYTES


async def test_qos_0_goes_out_at_once_and_leaves_nothing_behind() -> None:
    """The common case: no packet id, no state."""
    station = Station()
    session, link = await subscribed(station)

    station.publish("t/a", b"1")

    assert [(one.qos, one.packet_id) for one in link.deliveries] == [(0, 0)]
    assert not session.inflight


async def test_the_window_of_the_peer_is_kept() -> None:
    """A peer that takes two at a time gets the third after it has answered [MQTT-3.3.4-9]."""
    station = Station()
    session, link = await subscribed(station, receive_maximum=2)
    for i in range(4):
        station.publish("t/a", b"%d" % i, qos=1)
    assert link.payloads == [b"0", b"1"]

    assert station.broker.acknowledged(session, link.deliveries[0].packet_id)

    assert link.payloads == [b"0", b"1", b"2"]
    assert len(session.inflight) == 2


async def test_acknowledging_frees_half_a_window_before_more_is_sent() -> None:
    """A busy subscriber is handed lists; a packet a write would cost it and us."""
    station = Station()
    session, link = await subscribed(station, receive_maximum=10)
    station.apply(*(station.envelope("t/a", b"%d" % i, qos=1) for i in range(30)))
    first = link.taken()

    for one in first[:4]:
        station.broker.acknowledged(session, one.packet_id)
    assert link.batches == []
    station.broker.acknowledged(session, first[4].packet_id)

    assert [len(batch) for batch in link.batches] == [5]


async def test_answers_to_unknown_packet_ids_are_told_apart() -> None:
    """The transport answers 'packet identifier not found'; nothing changes."""
    station = Station()
    session, link = await subscribed(station)
    station.publish("t/a", b"one", qos=1)
    station.publish("t/a", b"two", qos=2)
    one, two = (delivery.packet_id for delivery in link.deliveries)

    assert not station.broker.acknowledged(session, 999)
    assert not station.broker.acknowledged(session, two)
    assert not station.broker.received(session, one)
    assert not station.broker.completed(session, two)
    assert not station.broker.discarded(session, 999)
    assert len(session.inflight) == 2


async def test_qos_2_takes_its_four_steps() -> None:
    """PUBLISH, PUBREC, PUBREL, PUBCOMP: then the packet id is free again."""
    station = Station()
    session, link = await subscribed(station)
    station.publish("t/a", b"once", qos=2)
    packet_id = link.deliveries[0].packet_id

    assert station.broker.received(session, packet_id)
    assert link.released == [packet_id]
    assert station.broker.completed(session, packet_id)

    assert not session.inflight


async def test_a_refused_message_is_done() -> None:
    """PUBREC with a reason of 0x80 or more, or a packet too large for the peer."""
    station = Station()
    session, link = await subscribed(station, receive_maximum=1)
    station.publish("t/a", b"big", qos=2)
    station.publish("t/a", b"small", qos=2)

    assert station.broker.discarded(session, link.deliveries[0].packet_id)

    assert link.payloads == [b"big", b"small"]


async def test_a_durable_qos_2_message_waits_for_its_packet_id_to_be_on_disk() -> None:
    """Else a crash would send it again under another id, and the peer had it twice."""
    station = Station()
    session, link = await subscribed(station, expiry_s=60)
    station.publish("t/a", b"once", qos=2)
    assert link.deliveries == []

    await station.broker.checkpoint()
    assert link.payloads == [b"once"]
    station.broker.received(session, link.deliveries[0].packet_id)
    assert link.released == []
    await station.broker.checkpoint()

    assert link.released == [link.deliveries[0].packet_id]


async def test_what_was_not_answered_is_sent_again_in_order_with_dup() -> None:
    """The radio link breaks with three messages in the air [MQTT-4.4.0-1], [MQTT-4.6.0-1]."""
    station = Station()
    session, link = await subscribed(station, expiry_s=60)
    for qos in (1, 2, 1):
        station.publish("t/a", b"%d" % qos, qos=qos)
    await station.broker.checkpoint()
    sent = sorted(link.deliveries, key=lambda one: one.packet_id)
    station.broker.detach(session, link, will_wanted=False)
    station.publish("t/a", b"later", qos=1)

    again, link = await station.connect(expiry_s=60)

    assert again is session
    assert [one.packet_id for one in link.deliveries[:3]] == [one.packet_id for one in sent]
    assert [one.dup for one in link.deliveries] == [True, True, True, False]
    assert link.payloads[-1] == b"later"


async def test_a_released_message_is_not_sent_again_but_released_again() -> None:
    """The peer had it; only the PUBREL may be lost."""
    station = Station()
    session, link = await subscribed(station, expiry_s=60)
    station.publish("t/a", b"once", qos=2)
    await station.broker.checkpoint()
    packet_id = link.deliveries[0].packet_id
    station.broker.received(session, packet_id)
    await station.broker.checkpoint()
    station.broker.detach(session, link, will_wanted=False)

    _, link = await station.connect(expiry_s=60)

    assert link.deliveries == []
    assert link.released == [packet_id]


async def test_resending_keeps_the_new_links_window() -> None:
    """It came back with a smaller receive maximum."""
    station = Station()
    session, link = await subscribed(station, expiry_s=60)
    for i in range(4):
        station.publish("t/a", b"%d" % i, qos=1)
    station.broker.detach(session, link, will_wanted=False)

    session, link = await station.connect(expiry_s=60, receive_maximum=1)

    for i in range(4):
        assert link.payloads == [b"%d" % n for n in range(i + 1)]
        station.broker.acknowledged(session, link.deliveries[-1].packet_id)


async def test_a_link_that_does_not_keep_up_is_spared() -> None:
    """Its messages wait in order, and flow on when it is told to."""
    station = Station()
    session, link = await subscribed(station)
    link.writable = False
    for i in range(3):
        station.publish("t/a", b"%d" % i, qos=i % 2)
    assert link.deliveries == []

    link.writable = True
    station.broker.resume(session)

    assert link.payloads == [b"0", b"1", b"2"]
    assert session.queue_bytes == 0


async def test_nothing_flows_before_resume() -> None:
    """No PUBLISH before the CONNACK."""
    station = Station()
    attached, link = await station.attach(expiry_s=60)
    await station.broker.subscribe(attached.session, [])
    await subscribed(station, expiry_s=60)
    attached, link = await station.attach(expiry_s=60)

    station.publish("t/a", b"0", qos=0)
    station.publish("t/a", b"1", qos=1)
    assert link.deliveries == []
    station.broker.resume(attached.session)

    assert link.payloads == [b"0", b"1"]


async def test_an_expired_message_is_not_delivered() -> None:
    """An offer valid for ten seconds, read after eleven [MQTT-3.3.2-5]."""
    station = Station()
    session, link = await subscribed(station, expiry_s=60)
    station.broker.detach(session, link, will_wanted=False)
    station.publish("t/a", b"short", qos=1, expiry_s=10)
    station.publish("t/a", b"long", qos=1, expiry_s=30)
    station.clock.turn(11)

    _, link = await station.connect(expiry_s=60)

    assert link.payloads == [b"long"]
    properties = link.deliveries[0].properties
    assert properties is not None
    assert properties.message_expiry_s == 19


class SubscriberModel(RuleBasedStateMachine):
    """A subscriber with a durable session, as the specification wants both sides to behave.

    The peer keeps its QoS 2 packet ids over connections. Whatever happens (lost links,
    crashes of ours between checkpoints, slow links), in the end every QoS 2 message was taken
    exactly once, every QoS 1 message at least once, and both in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.station = Station(BrokerSettings(inflight_max=3))
        self.numbers = itertools.count()
        self.published: dict[tuple[str, int], list[bytes]] = {}
        self.taken: dict[tuple[str, int], list[bytes]] = {}
        self.peer_ids: set[int] = set()
        self.unread: list[Delivery] = []
        self.link: FakeLink | None = None
        self.session: Any = None

    def run_until(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def start(self) -> None:
        self.connect()
        self.run_until(self.station.subscribe(self.session, "t/#", qos=2))

    def connect(self) -> None:
        self.session, self.link = self.run_until(self.station.connect(expiry_s=3600))

    @rule(messages=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)), max_size=6))
    def publish(self, messages: list[tuple[str, int]]) -> None:
        envelopes = []
        for name, qos in messages:
            payload = b"%d" % next(self.numbers)
            self.published.setdefault((name, qos), []).append(payload)
            envelopes.append(self.station.envelope(f"t/{name}", payload, qos=qos))
        if envelopes:
            self.station.apply(*envelopes)

    @rule()
    def checkpoint(self) -> None:
        self.run_until(self.station.broker.checkpoint())

    @rule()
    def crash(self) -> None:
        self.link = None
        self.unread = []
        self.run_until(self.station.restart())

    @precondition(lambda self: self.link is not None)
    @rule()
    def lose_the_link(self) -> None:
        assert self.link is not None
        self.station.broker.detach(self.session, self.link, will_wanted=False)
        self.link = None
        self.unread = []

    @rule()
    def reconnect(self) -> None:
        self.unread = []
        self.connect()

    @precondition(lambda self: self.link is not None)
    @rule(writable=st.booleans())
    def slow_down(self, writable: bool) -> None:
        assert self.link is not None
        self.link.writable = writable
        if writable:
            self.station.broker.resume(self.session)

    @precondition(lambda self: self.link is not None)
    @rule(count=st.integers(1, 10))
    def read(self, count: int) -> None:
        """The peer takes some packets off the wire and answers them."""
        link = self.link
        assert link is not None
        self.unread.extend(link.taken())
        for _ in range(min(count, len(self.unread))):
            self.take(self.unread.pop(0))
        released, link.released = link.released, []
        for packet_id in released:
            self.peer_ids.discard(packet_id)
            self.station.broker.completed(self.session, packet_id)

    def take(self, one: Delivery) -> None:
        found = self.taken.setdefault((one.topic[2:], one.qos), [])
        if one.qos == 2:
            if one.packet_id not in self.peer_ids:
                self.peer_ids.add(one.packet_id)
                found.append(one.payload)
            self.station.broker.received(self.session, one.packet_id)
            return
        if one.payload not in found:
            found.append(one.payload)
        if one.qos == 1:
            self.station.broker.acknowledged(self.session, one.packet_id)

    @invariant()
    def nothing_came_twice_or_out_of_order(self) -> None:
        for (name, qos), found in self.taken.items():
            numbers = [int(payload) for payload in found]
            assert numbers == sorted(set(numbers)), (name, qos)

    @invariant()
    def the_window_is_kept(self) -> None:
        if self.session is not None and self.link is not None:
            assert self.session._outstanding <= 3
            assert self.session._outstanding <= len(self.session.inflight)

    def teardown(self) -> None:
        try:
            self.unread = []
            self.connect()
            for _ in range(400):
                self.checkpoint()
                self.read(50)
                if not self.session.queue and not self.session.inflight and not self.unread:
                    break
            for (name, qos), payloads in self.published.items():
                if qos:
                    assert self.taken.get((name, qos), []) == payloads
            assert self.session.queue_bytes == 0
        finally:
            self.loop.close()


TestSubscriberModel = SubscriberModel.TestCase
TestSubscriberModel.settings = settings(
    max_examples=150,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


async def test_large_messages_leave_few_at_a_time() -> None:
    """A reader is found to be slow before its whole queue stands in the socket's buffer."""
    station = Station()
    session, link = await station.connect()
    await station.subscribe(session, "#", qos=1)
    link.writable = False
    for _ in range(8):
        station.publish("firmware", b"x" * BURST_BYTES, qos=1)
    bursts: list[int] = []

    def send(deliveries: Any) -> None:
        bursts.append(len(deliveries))
        link.writable = len(bursts) < 3

    link.writable, link.send = True, send  # type: ignore[method-assign]  # counts
    station.broker.resume(session)
    assert bursts == [1, 1, 1]
    assert len(session.queue) == 5
