"""A device that keeps its promises: what is not acknowledged is sent again, in order, with DUP.

It is the peer that a broker may count on: a persistent session, packet ids that are not used
again before their end, no message twice but the unacknowledged ones after a reconnect. It
keeps the book of what it sent and what the server has taken over.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import cast

from weft.wire.mqtt.client import ClientConnection
from weft.wire.mqtt.kinds import V5, V311
from weft.wire.mqtt.packets import (
    Acknowledgement,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Properties,
    Puback,
    Publish,
    Pubrec,
)

SESSION_S = 3_600
RETRY_S = 0.02
SILENCE_S = 30.0  # a server that accepts a connection and then says nothing is broken


@dataclass
class Book:
    """What a device sent and what is known of it. Serials grow and are never used twice."""

    sent: list[int] = field(default_factory=list)
    acknowledged: set[int] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    resent: int = 0
    lost_sessions: int = 0

    @property
    def newest(self) -> int:
        """The serial sent last; 0 before the first."""
        return self.sent[-1] if self.sent else 0

    @property
    def newest_acknowledged(self) -> int:
        """The highest serial that the server has taken over; 0 when there is none."""
        return max(self.acknowledged, default=0)


class Device:
    """One client and its session, over as many connections as it takes."""

    def __init__(
        self, device_id: str, token: str, *, port: int, five: bool = False, stamped: bool = False
    ) -> None:
        self.device_id = device_id
        self.book = Book()
        self.machine = ClientConnection()
        self.connects = 0
        self.ended = 0  # reason of the server's last DISCONNECT
        self.refused_connect = 0
        self._token = token
        self._port = port
        self._version = V5 if five else V311
        self._stamped = stamped
        self._last_ts = 0
        self._serials: dict[int, int] = {}  # packet id to serial
        self._link: _Link | None = None
        self._changed = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether it is connected and the server has greeted it."""
        return self._link is not None and self._link.greeted

    @property
    def open(self) -> int:
        """How many messages are not acknowledged to the end."""
        return len(self.machine.open_ids)

    @property
    def kind(self) -> str:
        """What it is, in words for a report."""
        version = "5.0" if self._version == V5 else "3.1.1"
        return f"MQTT {version}, {'with' if self._stamped else 'without'} ts"

    def publish(self, serial: int, level: float, qos: int) -> None:
        """Send a reading; `serial` names it for ever."""
        values = {"serial": serial, "level": level}
        document: object = values
        if self._stamped:
            self._last_ts = max(self._last_ts + 1, time.time_ns() // 1_000_000)
            document = {"ts": self._last_ts, "values": values}
        self.send(serial, json.dumps(document).encode(), qos)

    def send(self, serial: int, payload: bytes, qos: int) -> None:
        """Send telemetry as it is; `serial` is how the book calls it."""
        assert self._link is not None
        topic = f"devices/{self.device_id}/telemetry"
        packet_id, data = self.machine.publish(Publish(topic, payload, qos=qos))
        self._serials[packet_id] = serial
        self.book.sent.append(serial)
        self._link.write(data)

    # --- connections ---

    async def keep_connected(self) -> None:
        """Connect, and connect again whenever the connection is gone, until cancelled."""
        while True:
            await self.connect_once()
            await asyncio.sleep(RETRY_S)

    async def connect_once(self) -> None:
        """Connect and stay until the connection ends, whoever ends it."""
        loop = asyncio.get_running_loop()
        link = _Link(self)
        try:
            transport, _ = await loop.create_connection(lambda: link, "127.0.0.1", self._port)
        except OSError:
            return
        try:
            self._link = link
            await link.closed
        finally:
            transport.abort()
            if self._link is link:
                self._link = None

    def close(self) -> None:
        """Drop the connection without a word, as a failing network does."""
        if self._link is not None:
            self._link.abort()

    def hello(self) -> bytes:
        """CONNECT of this session's next connection."""
        self.connects += 1
        five = self._version == V5
        properties = Properties(session_expiry_s=SESSION_S) if five else Properties()
        return self.machine.connect(
            Connect(
                self.device_id,
                self._version,
                clean_start=False,
                keep_alive_s=60,
                username=self.device_id,
                password=self._token.encode(),
                properties=properties,
            )
        )

    def take(self, packets: list[Packet], link: "_Link") -> None:
        """Enter what the server said into the book."""
        for packet in packets:
            match packet:
                case Connack():
                    self._greeted(packet, link)
                case Puback() | Pubrec():
                    self._acknowledged(packet)
                case Disconnect():
                    self.ended = int(packet.reason)
        if self.machine.error is not None:
            self.book.refused.append(f"protocol error: {self.machine.error.detail}")
            link.abort()

    def _greeted(self, packet: Connack, link: "_Link") -> None:
        if packet.reason:
            self.refused_connect = int(packet.reason)
            link.abort()
            return
        if not packet.session_present and self.book.acknowledged:
            self.book.lost_sessions += 1
        link.greeted = True
        again = self.machine.resend()
        self.book.resent += self.open
        link.write(again)

    def _acknowledged(self, packet: Acknowledgement) -> None:
        serial = self._serials.get(packet.packet_id)
        if serial is None:
            return
        if packet.reason >= 0x80:
            self.book.refused.append(f"serial {serial}: reason {int(packet.reason):#x}")
        else:
            self.book.acknowledged.add(serial)


class _Link(asyncio.Protocol):
    """One connection of a device."""

    def __init__(self, device: Device) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.greeted = False
        self._device = device
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._device.hello())
        self._watch = asyncio.get_running_loop().call_later(SILENCE_S, self._silent)

    def data_received(self, data: bytes) -> None:
        machine = self._device.machine
        self._device.take(list(machine.receive_data(data)), self)
        if machine.has_output:
            self.write(machine.take_output())

    def connection_lost(self, _error: Exception | None) -> None:
        self.greeted = False
        if self._watch is not None:
            self._watch.cancel()
        if not self.closed.done():
            self.closed.set_result(None)

    def write(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _silent(self) -> None:
        if not self.greeted:
            self._device.book.refused.append(f"no CONNACK within {SILENCE_S:g} s")
            self.abort()
