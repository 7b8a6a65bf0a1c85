"""A simulated device's connection: MQTT 5 over a real socket, reconnecting when it is lost."""

import asyncio
import ssl
from typing import Any, cast

import msgspec

from weft.errors import Unavailable
from weft.wire.mqtt.client import ClientConnection
from weft.wire.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Filter,
    Puback,
    Publish,
    Suback,
)
from weft.wire.mqtt.reasons import Reason

ANSWER_S = 10.0
KEEP_ALIVE_S = 60
INBOX_MAX = 1_000  # messages to a device that it has not looked at yet
PING_S = KEEP_ALIVE_S / 2  # a device that has nothing to say for so long says so


class DeviceConnection(asyncio.Protocol):
    """One connection; messages are QoS 1 and each is awaited."""

    def __init__(self, device_id: str, token: str) -> None:
        loop = asyncio.get_running_loop()
        self.connected: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._machine = ClientConnection(acknowledges=False)
        self._device_id = device_id
        self._token = token
        self.inbox: asyncio.Queue[Publish] = asyncio.Queue(INBOX_MAX)
        self._waiting: dict[int, asyncio.Future[Reason]] = {}
        self._written_at = loop.time()
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
                    self._answered(packet.packet_id, packet.reason)
                case Suback():
                    self._answered(packet.packet_id, max(packet.reasons))
                case Publish():
                    self._on_publish(packet)
                case Disconnect():
                    self._transport.close()
        if self._machine.has_output:
            self._transport.write(self._machine.take_output())
        if self._machine.error is not None:  # what it says is no MQTT: nothing else can be read
            self._transport.close()

    def _answered(self, packet_id: int, reason: Reason) -> None:
        waiting = self._waiting.pop(packet_id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(reason)

    def _on_publish(self, packet: Publish) -> None:
        """Keep a message to the device; one too many is not acknowledged, so it comes again."""
        if self.inbox.full():
            return
        self.inbox.put_nowait(packet)
        if packet.qos == 1:
            self._write(self._machine.puback(packet.packet_id))

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
        """Send a document and return how the server took it; `Unavailable` if it has gone."""
        if not self.is_open:
            raise Unavailable(f"{self._device_id} is not connected.")
        packet = Publish(topic, msgspec.json.encode(document), qos=1)
        return await self._ask(*self._machine.publish(packet))

    async def subscribe(self, *filters: str) -> Reason:
        """Ask for messages to the device; return the worst of the answers."""
        if not self.is_open:
            raise Unavailable(f"{self._device_id} is not connected.")
        wanted = [Filter(topic, qos=1, no_local=True) for topic in filters]
        return await self._ask(*self._machine.subscribe(wanted))

    async def _ask(self, packet_id: int, data: bytes) -> Reason:
        waiting: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()
        self._waiting[packet_id] = waiting
        self._write(data)
        async with asyncio.timeout(ANSWER_S):
            return await waiting

    def keep_alive(self) -> None:
        """Tell the server that we are here, if it has heard nothing for a while."""
        if self.is_open and asyncio.get_running_loop().time() - self._written_at >= PING_S:
            self._write(self._machine.ping())

    @property
    def is_open(self) -> bool:
        """Whether the server let us in and has not gone."""
        let_in = self.connected.done() and not self.connected.cancelled()
        return let_in and self.connected.exception() is None and not self._transport.is_closing()

    def _write(self, data: bytes) -> None:
        self._transport.write(data)
        self._written_at = asyncio.get_running_loop().time()

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
    connection = DeviceConnection(*credential)
    transport: asyncio.Transport | None = None
    try:
        async with asyncio.timeout(ANSWER_S):
            transport, _ = await loop.create_connection(lambda: connection, host, port, ssl=tls)
            await connection.connected
    except TimeoutError:
        raise Unavailable(f"{host}:{port} did not answer within {ANSWER_S:g} s.") from None
    except OSError as error:
        raise Unavailable(f"Nothing answers at {host}:{port}: {error}.") from error
    finally:
        if transport is not None and not connection.is_open:
            transport.close()
    return connection
