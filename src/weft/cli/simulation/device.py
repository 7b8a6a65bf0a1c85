"""A simulated device's connection: MQTT 5 over a real socket, reconnecting when it is lost."""

import asyncio
import ssl
from typing import Any, cast

import msgspec

from weft.errors import Unavailable
from weft.wire.mqtt.client import ClientConnection
from weft.wire.mqtt.packets import Connack, Connect, Disconnect, Puback, Publish
from weft.wire.mqtt.reasons import Reason

ANSWER_S = 10.0
KEEP_ALIVE_S = 60


class DeviceConnection(asyncio.Protocol):
    """One connection; messages are QoS 1 and each is awaited."""

    def __init__(self, device_id: str, token: str) -> None:
        loop = asyncio.get_running_loop()
        self.connected: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._machine = ClientConnection()
        self._device_id = device_id
        self._token = token
        self._waiting: dict[int, asyncio.Future[Reason]] = {}
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce the device."""
        self._transport = cast("asyncio.Transport", transport)
        connect = Connect(
            self._device_id,
            keep_alive_s=KEEP_ALIVE_S,
            username=self._device_id,
            password=self._token.encode(),
        )
        self._transport.write(self._machine.connect(connect))

    def data_received(self, data: bytes) -> None:
        """Take answers."""
        for packet in self._machine.receive_data(data):
            match packet:
                case Connack():
                    self._on_connack(packet)
                case Puback():
                    waiting = self._waiting.pop(packet.packet_id, None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(packet.reason)
                case Disconnect():
                    self._transport.close()
        if self._machine.has_output:
            self._transport.write(self._machine.take_output())

    def _on_connack(self, packet: Connack) -> None:
        if self.connected.done():
            return
        if packet.reason == Reason.SUCCESS:
            self.connected.set_result(None)
            return
        why = packet.properties.reason_string or packet.reason.name.lower().replace("_", " ")
        self.connected.set_exception(Unavailable(f"{self._device_id} was refused: {why}"))

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell everyone who waits."""
        lost = Unavailable(f"{self._device_id} lost its connection.")
        futures: list[asyncio.Future[Any]] = [self.connected, *self._waiting.values()]
        for waiting in futures:
            if not waiting.done():
                waiting.set_exception(lost)
                waiting.exception()  # seen: the caller may have gone
        if not self.closed.done():
            self.closed.set_result(None)

    async def publish(self, topic: str, document: Any) -> Reason:
        """Send a document and return how the server took it."""
        packet = Publish(topic, msgspec.json.encode(document), qos=1)
        packet_id, data = self._machine.publish(packet)
        waiting: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()
        self._waiting[packet_id] = waiting
        self._transport.write(data)
        async with asyncio.timeout(ANSWER_S):
            return await waiting

    def close(self) -> None:
        """Say good-bye."""
        if not self._transport.is_closing():
            self._transport.write(self._machine.disconnect())
            self._transport.close()


async def connect_device(
    host: str, port: int, credential: tuple[str, str], tls: ssl.SSLContext | None = None
) -> DeviceConnection:
    """Connect a device, or raise `Unavailable` with the server's reason."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(ANSWER_S):
            _, connection = await loop.create_connection(
                lambda: DeviceConnection(*credential), host, port, ssl=tls
            )
            await connection.connected
    except OSError as error:
        raise Unavailable(f"Nothing answers at {host}:{port}: {error}.") from error
    return connection
