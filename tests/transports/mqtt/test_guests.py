"""Guests: held through the listener in `test_listener.py`; here, what a second door shares."""

from tests.transports.mqtt.support import Peer, station, until

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
