"""Handing over: only its own device has a command delivered, and is owed what it lacks."""

from tests.commands.support import ACME, ALICE, PUMP, Station, key

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
