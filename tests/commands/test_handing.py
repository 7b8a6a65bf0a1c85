"""Handing over: only its own device has a command delivered, and is owed what it lacks."""

from tests.commands.support import ACME, ALICE, PUMP, Station, key

from weft.commands.settings import CommandSettings
from weft.model.command import CommandState
from weft.model.ids import DeviceId
from weft.model.principal import Principal, PrincipalKind
from weft.registry.devices import DevicePatch, NewDevice

SENT, DELIVERED = CommandState.SENT, CommandState.DELIVERED


async def test_only_the_devices_own_session_delivers() -> None:
    """A dashboard that subscribed to the topic as well has not carried anything out."""
    station = Station()
    pump = await station.pump()
    other = await station.device("pump-8")
    sent = await station.commands.send(ALICE, PUMP, "restart")
    station.commands.acknowledged(other, sent.topic)
    station.commands.acknowledged(ALICE, sent.topic)
    assert (await station.commands.get(*key(sent))).state is SENT
    station.commands.acknowledged(pump, sent.topic)
    assert (await station.commands.get(*key(sent))).state is DELIVERED


async def test_a_gateway_delivers_to_the_devices_that_it_speaks_for() -> None:
    station = Station()
    gateway = await station.device("gateway-1")
    await station.devices.create(ALICE, NewDevice(device_id="meter-1", gateway="gateway-1"))
    sent = await station.commands.send(ALICE, DeviceId("meter-1"), "restart")
    station.commands.acknowledged(gateway, sent.topic)
    assert (await station.commands.get(*key(sent))).state is DELIVERED


async def test_what_a_devices_session_refuses_is_rejected_without_waiting_for_time() -> None:
    """A pump answers PUBACK 0x97: its sender need not wait for the expiry to learn of it."""
    station = Station()
    pump = await station.pump()
    other = await station.device("pump-8")
    sent = await station.commands.send(ALICE, PUMP, "restart")
    station.commands.refused(other, sent.topic)
    await station.commands.publish_waiting()
    assert (await station.commands.get(*key(sent))).state is SENT
    station.commands.refused(pump, sent.topic)
    await station.commands.publish_waiting()
    ended = await station.commands.get(*key(sent))
    assert (ended.state, ended.ended_by) == ("rejected", "weft")
    await station.restart()
    assert (await station.commands.get(*key(sent))).state is CommandState.REJECTED


async def test_what_its_carrier_will_not_take_is_rejected_with_the_reason() -> None:
    """A network server refuses a port that does not exist: again would change nothing."""
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    for request_id in (sent.request_id, "nobody's"):
        station.commands.undeliverable(ACME, PUMP, request_id, "There is no port 224.")
    await station.commands.publish_waiting()
    ended = await station.commands.get(*key(sent))
    assert (ended.state, ended.error) == ("rejected", "There is no port 224.")


async def test_a_device_is_owed_what_was_sent_and_it_has_not_got() -> None:
    """And a gateway what is owed to its devices; a namesake of another time nothing."""
    station = Station()
    pump = await station.pump()
    sent = [await station.commands.send(ALICE, PUMP, "restart") for _ in range(3)]
    station.commands.fetched(ACME, PUMP, sent[0].request_id)
    station.answer(sent[1], {})
    assert [one.route.name for one in station.commands.owed_to(pump)] == [sent[2].request_id]
    gateway = await station.device("gateway-1")
    await station.devices.patch(ALICE, PUMP, DevicePatch(gateway="gateway-1"))
    assert len(station.commands.owed_to(gateway)) == 1
    other = Principal(ACME, PrincipalKind.DEVICE, PUMP, "another uid")
    assert station.commands.owed_to(other) == []


PAUSE_S = CommandSettings().hand_out_again_s


def due(station: Station) -> list[str]:
    return [one.request_id for one in station.commands.due_for(ACME, PUMP)]


async def test_what_was_handed_out_and_not_answered_is_handed_out_again_after_a_pause() -> None:
    """The answer to the poll was lost: the pump asks again and is told again, as the same."""
    station = Station()
    pump = await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    assert due(station) == [sent.request_id]
    assert station.commands.due_in_s(ACME, PUMP) is None
    station.commands.handed_out(pump, PUMP, sent.request_id)
    first = await station.commands.get(*key(sent))
    assert (first.state, first.hand_outs, first.handed_out_at) == ("delivered", 1, first.sent_at)
    station.clock.turn(PAUSE_S - 1)
    assert due(station) == [], "a device that asks sooner does not get it twice"
    assert station.commands.due_in_s(ACME, PUMP) == 1
    station.clock.turn(1)
    assert due(station) == [sent.request_id]
    station.commands.handed_out(pump, PUMP, sent.request_id)
    again = await station.commands.get(*key(sent))
    assert (again.state, again.hand_outs) == ("delivered", 2)
    assert again.handed_out_at == station.clock.now()
    assert again.delivered_at == first.delivered_at, "the first time is when it was delivered"
    assert due(station) == []


async def test_a_hand_out_is_on_disk_with_its_moment() -> None:
    """Weft starts again within the pause: the pump is not told twice for that."""
    station = Station()
    pump = await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    station.commands.handed_out(pump, PUMP, sent.request_id)
    await station.commands.checkpoint()
    await station.restart()
    assert due(station) == []
    station.clock.turn(PAUSE_S)
    assert due(station) == [sent.request_id]


async def test_what_has_ended_is_not_handed_out_again() -> None:
    """Answered, taken back, over: each ends the repeats."""
    station = Station()
    pump = await station.pump()
    sent = [await station.commands.send(ALICE, PUMP, "restart", ttl_s=40) for _ in range(3)]
    for one in sent:
        station.commands.handed_out(pump, PUMP, one.request_id)
    station.answer(sent[0], {})
    await station.commands.cancel(ALICE, PUMP, sent[1].request_id)
    station.clock.turn(PAUSE_S)
    assert due(station) == [sent[2].request_id]
    station.clock.turn(20)
    assert due(station) == []
    station.commands.handed_out(pump, PUMP, sent[0].request_id)
    assert (await station.commands.get(*key(sent[0]))).hand_outs == 1


async def test_what_a_session_has_acknowledged_is_not_handed_to_a_poll() -> None:
    station = Station()
    pump = await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    station.commands.acknowledged(pump, sent.topic)
    station.clock.turn(PAUSE_S)
    assert due(station) == []


async def test_only_the_devices_own_asking_is_a_hand_out() -> None:
    station = Station()
    await station.pump()
    other = await station.device("pump-8")
    sent = await station.commands.send(ALICE, PUMP, "restart")
    for principal in (other, ALICE):
        station.commands.handed_out(principal, PUMP, sent.request_id)
    assert (await station.commands.get(*key(sent))).hand_outs == 0


async def test_a_device_that_polled_and_changes_to_mqtt_is_still_owed_what_it_did_not_answer() -> (
    None
):
    station = Station()
    pump = await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    station.commands.handed_out(pump, PUMP, sent.request_id)
    assert station.commands.owed_to(pump) == []
    station.clock.turn(PAUSE_S)
    assert [one.route.name for one in station.commands.owed_to(pump)] == [sent.request_id]
