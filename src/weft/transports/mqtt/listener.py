"""The MQTT listener: sockets in, connections watched, all of it ended in order."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from ssl import SSLContext

from weft.errors import ConfigurationError
from weft.observability.log import get_logger
from weft.security.attempts import Attempt
from weft.security.authentication import NOBODY
from weft.transports.addresses import require_loopback, split_address
from weft.transports.mqtt.connection import MqttConnection, Work
from weft.transports.mqtt.settings import Given
from weft.transports.tls import TlsDoor

log = get_logger(__name__)

BACKLOG = 4096  # a fleet that reconnects after our restart comes all at once
DRAIN_S = 5.0
CHECK_S = 1.0
CHECKED_AT_ONCE = 1_000
TCP_IDLE_S = 120  # then the kernel asks whether the peer is there: v3.1.1 may do without PINGREQ
# What the kernel holds unsent of one connection; more waits in the session, where it is
# counted, and a slow reader is told from one that reads nothing.
UNSENT_BYTES = 128 * 1024


class MqttListener:
    """Serves MQTT on one address, in the clear on loopback only, else over TLS."""

    def __init__(self, given: Given, listen: str, tls: SSLContext | None = None) -> None:
        self._given = given
        self._host, self._port = split_address(listen)
        self._tls = tls
        self._live: set[MqttConnection] = set()
        self._strangers: Counter[str] = Counter()
        self._unknown: dict[MqttConnection, str] = {}
        self._empty = asyncio.Event()
        self._tasks: asyncio.TaskGroup
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

    def __len__(self) -> int:
        return len(self._live)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve inside the context; at its end, connections are told and drained."""
        door = self._tls_door()
        make = self._connection if door is None else door.protocol
        async with asyncio.TaskGroup() as self._tasks:
            server = await self._listen(make)
            checks = self._tasks.create_task(self._check_all())
            try:
                yield
            finally:
                server.close()
                if door is not None:
                    door.close()
                await self._drain()
                checks.cancel()

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

    # --- what connections say ---

    def start(self, work: Work) -> None:
        """Run something for a connection; its failure is ours and stops the listener."""
        self._tasks.create_task(work)

    def came(self, connection: MqttConnection) -> bool:
        """Let a stranger in, unless too many from its address have not said who they are."""
        self._live.add(connection)
        address = connection.address.rpartition(":")[0]
        self._strangers[address] += 1
        self._unknown[connection] = address
        surplus = self._strangers[address] - self._given.settings.strangers_per_address
        if surplus == 1:  # a flood does not fill the log as well
            log.warning("mqtt_too_many_strangers", address=address)
        return surplus <= 0

    def known(self, connection: MqttConnection) -> None:
        """A stranger has said who it is."""
        address = self._unknown.pop(connection, None)
        if address is not None:
            self._strangers[address] -= 1
            if not self._strangers[address]:
                del self._strangers[address]

    def gone(self, connection: MqttConnection) -> None:
        """A connection has ended."""
        self.known(connection)
        self._live.discard(connection)
        if not self._live:
            self._empty.set()

    async def _check_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(CHECK_S)
            for number, connection in enumerate(list(self._live)):
                self._check(connection, loop.time())
                if number % CHECKED_AT_ONCE == CHECKED_AT_ONCE - 1:
                    await asyncio.sleep(0)

    @staticmethod
    def _check(connection: MqttConnection, now: float) -> None:
        try:
            connection.check(now)
        except Exception:  # a bug of ours ends the connection that met it, not the listener
            log.exception("mqtt_check_broke", peer=connection.address)
            connection.abort()

    async def _drain(self) -> None:
        for connection in list(self._live):
            connection.shut_down()
        self._empty.clear()
        if self._live:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), DRAIN_S)
        for connection in list(self._live):
            connection.abort()


def set_socket_options(listening: socket.socket) -> None:
    """Set what every accepted socket inherits."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", TCP_IDLE_S), ("TCP_NOTSENT_LOWAT", UNSENT_BYTES)):
        option = getattr(socket, name, None)
        if option is not None:  # not on every system
            listening.setsockopt(socket.IPPROTO_TCP, option, value)
