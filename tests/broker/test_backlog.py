"""The backlog: bounded, and what is lost first when it is full."""

import pytest
from tests.broker.support import BrokerSettings, Station, subscribed


async def test_qos_0_is_not_kept_for_who_is_away() -> None:
    """QoS 0 promises nothing to who is not there."""
    station = Station()
    session, link = await subscribed(station, expiry_s=60)
    link.writable = False
    station.publish("t/a", b"zero", qos=0)
    station.publish("t/a", b"one", qos=1)
    station.broker.detach(session, link, will_wanted=False)
    station.publish("t/a", b"zero again", qos=0)

    _, link = await station.connect(expiry_s=60)

    assert link.payloads == [b"one"]


async def test_mq8_a_full_queue_loses_qos_0_first_then_the_oldest() -> None:
    """MQ-8: a slow dashboard costs us a bounded amount, and the newest values survive."""
    station = Station(BrokerSettings(queue_messages_max=3))
    session, link = await subscribed(station)
    link.writable = False
    for payload, qos in ((b"a", 1), (b"zero", 0), (b"b", 1), (b"c", 1), (b"d", 1)):
        station.publish("t/a", payload, qos=qos)
    station.publish("t/a", b"zero", qos=0)

    link.writable = True
    station.broker.resume(session)

    assert link.payloads == [b"b", b"c", b"d"]
    assert session.dropped == 3


async def test_mq8_a_queue_is_bounded_in_bytes() -> None:
    """MQ-8: three firmware images are as bad as a million readings."""
    station = Station(BrokerSettings(queue_bytes_max=1000))
    session, link = await subscribed(station)
    link.writable = False
    station.publish("t/a", b"1" * 400, qos=1)
    station.publish("t/a", b"2" * 400, qos=1)
    station.publish("t/a", b"3" * 400, qos=1)
    station.publish("t/a", b"4" * 2000, qos=1)
    assert session.queue_bytes <= 1000

    link.writable = True
    station.broker.resume(session)

    assert [payload[:1] for payload in link.payloads] == [b"2", b"3"]


async def test_overflow_is_logged_once_a_session(capsys: pytest.CaptureFixture[str]) -> None:
    """A log line per lost message would be a second flood."""
    station = Station(BrokerSettings(queue_messages_max=1))
    _, link = await subscribed(station)
    link.writable = False
    for _ in range(50):
        station.publish("t/a", qos=1)

    assert capsys.readouterr().out.count("session_queue_full") == 1


async def test_packet_ids_come_round_and_skip_those_that_are_out() -> None:
    """After 65,535 comes 1, but not while 1 is unanswered."""
    station = Station()
    session, link = await subscribed(station)
    station.publish("t/a", b"held", qos=1)
    session.next_packet_id = 65_535

    station.publish("t/a", b"last", qos=1)
    station.publish("t/a", b"first", qos=1)

    assert [one.packet_id for one in link.deliveries] == [1, 65_535, 2]
