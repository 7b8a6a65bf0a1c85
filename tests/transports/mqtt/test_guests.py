"""Guests: held through the listener in `test_listener.py`; here, what a second door shares."""

from tests.transports.mqtt.support import Peer, station, until
from tests.transports.tls_support import FakeSocket

from weft.transports.mqtt.connection import MqttConnection
from weft.transports.mqtt.guests import Guests
from weft.transports.mqtt.settings import MqttSettings


async def test_each_door_counts_its_own() -> None:
    """One door that is full of strangers does not close the other."""
    async with station(MqttSettings(strangers_per_address=1)) as made:
        other = Guests(made.listener._given)
        async with other.watched():
            stranger = await Peer.dial(made.listener.port)
            await until(lambda: len(made.listener) == 1)
            assert not len(other)
            assert other.came(made.connection)
            other.gone(made.connection)
            stranger.hang_up()


async def test_rl_2_strangers_of_an_ipv6_network_are_counted_together() -> None:
    """Whoever has one address of a /64 has all of them, and a port is no part of an address."""
    async with station(MqttSettings(strangers_per_address=2)) as made:
        guests = Guests(made.listener._given)

        def stranger(host: str) -> FakeSocket:
            socket = FakeSocket((host, 4_000, 0, 0))
            MqttConnection(made.listener._given, guests).connection_made(socket)
            return socket

        async with guests.watched():
            hosts = ["2001:db8::1", "2001:db8:0:0:1:2:3:4", "2001:db8::3", "2001:db8:0:1::1"]
            came = [stranger(host) for host in hosts]
            assert [socket.is_closing() for socket in came] == [False, False, True, False]
            guests._live.clear()
