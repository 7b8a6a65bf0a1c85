"""CoAP clients over real datagram sockets, in the clear and over DTLS, a message at a time."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, cast

import cbor2
from OpenSSL import SSL
from tests.interop.support import OPERATOR, RunningWeft, running_weft
from tests.transports.dtls.support import key_context

from weft.model.device import Device
from weft.registry.devices import NewDevice
from weft.security.credential_records import IssuedKey
from weft.transports.dtls.records import datagrams_of
from weft.wire.coap.codes import ACK, CON, Code
from weft.wire.coap.decode import decode
from weft.wire.coap.encode import encode
from weft.wire.coap.message import Message
from weft.wire.coap.options import Option, decode_uint, encode_uint

PATIENCE_S = 20.0
COAP = ("transports.coap.listen_dtls=127.0.0.1:0",)
ME = "api/v1/devices/me"


class Inbox(asyncio.DatagramProtocol):
    """A socket whose datagrams are waited for."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, _address: Any) -> None:
        self.arrived.put_nowait(data)

    def error_received(self, _error: Exception) -> None:
        """The other side has closed: what it would have said does not come."""


class Peer:
    """A client in the clear."""

    def __init__(self, inbox: Inbox, token: str = "") -> None:
        self.inbox = inbox
        self.token = token
        self._ids = itertools.count(100)

    @classmethod
    async def dial(cls, port: int, token: str = "") -> Self:
        """Open a socket to a port."""
        return cls(await _socket(port), token)

    def close(self) -> None:
        """Close the socket."""
        self.inbox.transport.close()

    async def write(self, data: bytes) -> None:
        """Send one CoAP message."""
        self.inbox.transport.sendto(data)

    async def read(self) -> bytes:
        """Return the next CoAP message."""
        return await self.inbox.arrived.get()

    async def send(
        self,
        code: int,
        path: str,
        payload: bytes = b"",
        options: Sequence[tuple[int, bytes]] = (),
        **more: Any,
    ) -> Message:
        """Send a request and return it."""
        number = more.get("message_id") or next(self._ids)
        query = [f"token={self.token}"] if self.token else []
        found = [(int(Option.URI_PATH), part.encode()) for part in path.split("/")]
        found += [(int(Option.URI_QUERY), part.encode()) for part in query]
        found += [(int(number), value) for number, value in options]
        found.sort(key=lambda option: option[0])
        token = more.get("token") or number.to_bytes(2, "big")
        message = Message(more.get("type", CON), code, number, token, tuple(found), payload)
        await self.write(encode(message))
        return message

    async def answer_to(self, request: Message) -> Message:
        """Return the answer to a request, acknowledging it where it comes separately."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self.next_message()
                if message.token == request.token and message.code:
                    return message

    async def next_message(self) -> Message:
        """Return whatever comes next; what is confirmable is acknowledged."""
        async with asyncio.timeout(PATIENCE_S):
            message = decode(await self.read())
        if message.type == CON:
            await self.write(encode(Message(ACK, 0, message.message_id)))
        return message

    async def ask(
        self,
        code: int,
        path: str,
        payload: bytes = b"",
        options: Sequence[tuple[int, bytes]] = (),
        **more: Any,
    ) -> Message:
        """Send a request, give back an Echo where one is asked for, and return the answer."""
        answer = await self.answer_to(await self.send(code, path, payload, options, **more))
        echo = dict(answer.options).get(Option.ECHO)
        if answer.code == Code.UNAUTHORIZED and echo is not None:
            more.pop("message_id", None)
            request = await self.send(code, path, payload, [*options, (Option.ECHO, echo)], **more)
            answer = await self.answer_to(request)
        return answer


class SecurePeer(Peer):
    """A client over DTLS."""

    connection: SSL.Connection

    @classmethod
    async def shake(cls, port: int, context: SSL.Context) -> Self:
        """Shake hands with a port; raises `SSL.Error` for an alert."""
        peer = cls(await _socket(port))
        peer.connection = connection = SSL.Connection(context, None)
        connection.set_connect_state()
        connection.set_ciphertext_mtu(1_280)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    connection.do_handshake()
                except SSL.WantReadError:
                    peer.flush()
                    connection.bio_write(await peer.inbox.arrived.get())
                else:
                    peer.flush()
                    return peer

    def flush(self) -> None:
        """Send what OpenSSL wants to be sent."""
        try:
            output = self.connection.bio_read(65_536)
        except SSL.WantReadError:
            return
        for datagram in datagrams_of(output, 1_280):
            self.inbox.transport.sendto(datagram)

    async def write(self, data: bytes) -> None:
        self.connection.send(data)
        self.flush()

    async def read(self) -> bytes:
        """Return the next message; raises `SSL.ZeroReturnError` at the other side's good-bye."""
        while True:
            try:
                return self.connection.recv(4_096)
            except SSL.WantReadError:
                self.connection.bio_write(await self.inbox.arrived.get())


async def _socket(port: int) -> Inbox:
    loop = asyncio.get_running_loop()
    _, inbox = await loop.create_datagram_endpoint(Inbox, remote_addr=("127.0.0.1", port))
    return inbox


class House(RunningWeft):
    """A Weft that serves CoAP."""

    @property
    def coap_port(self) -> int:
        return int(self.weft.endpoints.coap.rpartition(":")[2])

    @property
    def coaps_port(self) -> int:
        return int(self.weft.endpoints.coaps.rpartition(":")[2])

    async def device(self, name: str, type_name: str | None = None) -> Device:
        """A device without a credential."""
        new = NewDevice(device_id=name, type_name=type_name)
        return await self.weft.identity.devices.create(OPERATOR, new)

    async def key(self, device: Device) -> IssuedKey:
        """A pre-shared key for it."""
        return await self.weft.identity.preshared.issue(OPERATOR, device)

    async def plain(self, name: str) -> Peer:
        """A new device that speaks in the clear, with its token."""
        account = await self.add_device(name)
        return await Peer.dial(self.coap_port, account.token)

    async def secure(self, device: Device) -> SecurePeer:
        """A device that has shaken hands with a new key."""
        issued = await self.key(device)
        context = key_context(issued.credential.credential_id, issued.key)
        return await SecurePeer.shake(self.coaps_port, context)


@asynccontextmanager
async def running_house(folder: Path, *assignments: str) -> AsyncIterator[House]:
    """Serve CoAP, in the clear and over DTLS."""
    async with running_weft(folder, *COAP, *assignments) as running:
        yield House(running.weft)


def option_of(message: Message, number: int) -> int | None:
    """Return an option's number as a message has it."""
    for found, value in message.options:
        if found == number:
            return decode_uint(value)
    return None


def problem_in(message: Message) -> dict[int, Any]:
    """Return the problem details of an answer (RFC 9290)."""
    assert option_of(message, Option.CONTENT_FORMAT) == 257
    found: dict[int, Any] = cbor2.loads(message.payload)
    return found


def uint(number: int, value: int) -> tuple[int, bytes]:
    """An option that holds a number."""
    return number, encode_uint(value)
