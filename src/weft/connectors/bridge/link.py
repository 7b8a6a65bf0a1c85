"""The link: one connection of a bridge to its broker, over our own client's machine.

It connects through the guarded door, asks for what comes in, and hands over what arrives. A
message is acknowledged when its receiver says so and not before; what we send is ours until
the broker has acknowledged it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from msgspec import Struct

from weft.connectors.bridge.settings import Address
from weft.errors import ConnectorError
from weft.security.outbound import OutboundClient
from weft.wire.mqtt.client import ClientConnection
from weft.wire.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Filter,
    Packet,
    Puback,
    Publish,
    Suback,
)
from weft.wire.mqtt.reasons import Reason

READ_BYTES = 64 * 1024
T = TypeVar("T")


class Heard(Struct, frozen=True):
    """What was read at once: messages for us, and which of ours were acknowledged."""

    messages: Sequence[Publish]
    acknowledged: Sequence[Puback]


Hear = Callable[[Heard], Awaitable[None]]


class Link:
    """One connection. Make it with `open`; `listen` runs until it ends and raises why."""

    def __init__(
        self,
        machine: ClientConnection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        timeout_s: float,
    ) -> None:
        self.machine = machine
        self.session_present = False
        self._reader = reader
        self._writer = writer
        self._timeout_s = timeout_s
        self._early: list[Packet] = []

    @classmethod
    async def open(
        cls,
        outbound: OutboundClient,
        address: Address,
        machine: ClientConnection,
        connect: Connect,
        timeout_s: float,
    ) -> "Link":
        """Connect and be let in, or raise `ConnectorError`."""
        reader, writer = await outbound.open_stream(
            address.host, address.port, tls=address.tls, timeout_s=timeout_s
        )
        link = cls(machine, reader, writer, timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                await link.write(machine.connect(connect))
                answer = await link._answer(Connack)
            if answer.reason is not Reason.SUCCESS:
                raise ConnectorError(
                    f"The broker refused us: {_words(answer.reason)}.",
                    remedy="Check the bridge's user name, secret or certificate.",
                )
            link.session_present = answer.session_present
        except TimeoutError as error:
            link.abort()
            raise ConnectorError(f"{address.host} did not let us in in time.") from error
        except BaseException:
            link.abort()
            raise
        return link

    async def subscribe(self, filters: Sequence[str]) -> None:
        """Ask for what comes in, or raise `ConnectorError` where it is refused."""
        wanted = [Filter(one, qos=1, no_local=self.machine.version == 5) for one in filters]
        _, data = self.machine.subscribe(wanted)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self.write(data)
                answer = await self._answer(Suback)
        except TimeoutError as error:
            raise ConnectorError("The broker did not answer a subscription in time.") from error
        refused = [
            text for text, reason in zip(filters, answer.reasons, strict=False) if reason >= 0x80
        ]
        if refused:
            raise ConnectorError(
                f"The broker refused the subscription to {', '.join(refused)}.",
                remedy="Grant it there, or take it out of `into`.",
            )

    async def listen(self, hear: Hear) -> None:
        """Hand over what arrives until the connection ends; raise `ConnectorError` then."""
        early, self._early = self._early, []
        await _hand_over(early, hear)
        while True:
            await _hand_over(await self._read(), hear)

    async def write(self, data: bytes) -> None:
        """Send bytes of the machine."""
        if not data:
            return
        try:
            self._writer.write(data)
            async with asyncio.timeout(self._timeout_s):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise ConnectorError("The connection to the broker was lost.") from error

    async def close(self) -> None:
        """Say good-bye and close."""
        if not self._writer.is_closing():
            self._writer.write(self.machine.disconnect())
        self._writer.close()

    def abort(self) -> None:
        """Close without a word."""
        self._writer.close()

    async def _answer(self, kind: type[T]) -> T:
        """Return the first packet of a kind; what else comes is kept for `listen`."""
        while True:
            packets = await self._read()
            for place, packet in enumerate(packets):
                if isinstance(packet, kind):
                    self._early += packets[:place] + packets[place + 1 :]
                    return packet
            self._early += packets

    async def _read(self) -> list[Packet]:
        try:
            data = await self._reader.read(READ_BYTES)
        except OSError as error:
            raise ConnectorError("The connection to the broker was lost.") from error
        if not data:
            raise ConnectorError("The broker closed the connection.")
        packets = list(self.machine.receive_data(data))
        if self.machine.has_output:
            await self.write(self.machine.take_output())
        if self.machine.error is not None:
            raise ConnectorError(f"The broker broke the protocol: {self.machine.error}.")
        for packet in packets:
            if isinstance(packet, Disconnect):
                raise ConnectorError(f"The broker ends it: {_words(packet.reason)}.")
        return packets


async def _hand_over(packets: Sequence[Packet], hear: Hear) -> None:
    heard = Heard(
        [one for one in packets if isinstance(one, Publish)],
        [one for one in packets if isinstance(one, Puback)],
    )
    if heard.messages or heard.acknowledged:
        await hear(heard)


def _words(reason: Reason) -> str:
    return reason.name.lower().replace("_", " ")
