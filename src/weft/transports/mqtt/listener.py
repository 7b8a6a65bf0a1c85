"""The MQTT listener: sockets in, connections watched, all of it ended in order."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ssl import SSLContext

from weft.errors import ConfigurationError
from weft.security.attempts import Attempt
from weft.security.authentication import NOBODY
from weft.transports.addresses import require_loopback, split_address
from weft.transports.mqtt.connection import MqttConnection
from weft.transports.mqtt.guests import Guests
from weft.transports.mqtt.settings import Given
from weft.transports.tls import TlsDoor

BACKLOG = 4096  # a fleet that reconnects after our restart comes all at once
TCP_IDLE_S = 120  # then the kernel asks whether the peer is there: v3.1.1 may do without PINGREQ
# What the kernel holds unsent of one connection; more waits in the session, where it is
# counted, and a slow reader is told from one that reads nothing.
UNSENT_BYTES = 128 * 1024


class MqttListener(Guests):
    """Serves MQTT on one address, in the clear on loopback only, else over TLS."""

    def __init__(self, given: Given, listen: str, tls: SSLContext | None = None) -> None:
        super().__init__(given)
        self._host, self._port = split_address(listen)
        self._tls = tls
        self.port = 0
        if tls is None:
            require_loopback(listen, "transports.mqtt", "listen_tls")

    @property
    def is_tls(self) -> bool:
        """Whether it speaks TLS."""
        return self._tls is not None

    @property
    def address(self) -> str:
        """Where it answers, as host:port."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self.port or self._port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve inside the context; at its end, connections are told and drained."""
        door = self._tls_door()
        make = self._connection if door is None else door.protocol
        async with self.watched():
            server = await self._listen(make)
            try:
                yield
            finally:
                server.close()
                if door is not None:
                    door.close()

    async def _listen(self, make: Callable[[], asyncio.BaseProtocol]) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        try:
            server = await loop.create_server(make, self._host, self._port, backlog=BACKLOG)
        except OSError as error:
            raise ConfigurationError(
                f"MQTT cannot listen on {self._host}:{self._port}: {error.strerror or error}.",
                remedy="Stop what uses this address, or choose another one, as with "
                "--set transports.mqtt.listen=127.0.0.1:1884.",
            ) from error
        listening = server.sockets[0]
        set_socket_options(listening)
        self.port = listening.getsockname()[1]
        return server

    def _tls_door(self) -> TlsDoor | None:
        if self._tls is None:
            return None
        return TlsDoor(self._tls, self._connection, self._given.settings.tls, self._tls_refused)

    def _tls_refused(self, peer: str, reason: str) -> None:
        """Let the owner learn why a device does not get as far as CONNECT."""
        given = self._given
        given.authenticator.attempts.add(
            Attempt(
                at=given.clock.now(),
                tenant=NOBODY,
                peer=peer,
                claimed="(before CONNECT)",
                accepted=False,
                reason=reason,
            )
        )

    def _connection(self) -> MqttConnection:
        return MqttConnection(self._given, self)


def set_socket_options(listening: socket.socket) -> None:
    """Set what every accepted socket inherits."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", TCP_IDLE_S), ("TCP_NOTSENT_LOWAT", UNSENT_BYTES)):
        option = getattr(socket, name, None)
        if option is not None:  # not on every system
            listening.setsockopt(socket.IPPROTO_TCP, option, value)
