"""The generator of `benchmarks/coap.py`, as a process of its own: told by stdin, tells by stdout.

Each client has a socket and some requests under way; the next one leaves when one is answered.
Datagrams are written once and sent with another message id and reading, so that the generator
costs as little as may be. `flood` sends without listening, from ever other addresses.
"""

import asyncio
import itertools
import json
import socket
import sys
import time
from typing import Any, cast

import uvloop

from weft.wire.coap.codes import CON, Code
from weft.wire.coap.decode import decode
from weft.wire.coap.encode import encode
from weft.wire.coap.message import Message
from weft.wire.coap.options import Option

PATH = ("api", "v1", "devices", "me", "telemetry")
MARK = b"000000"  # in the payload, where the reading's digits go
PAYLOAD = b'{"temperature":21.' + MARK + b',"vibration":0.25,"rotations":1480.5}'
ACKNOWLEDGED = 2 << 4  # type ACK, in the first byte
LOST_S = 5.0


def request_of(path: tuple[str, ...], token: str, echo: bytes = b"") -> bytes:
    """Write a confirmable POST of three values; its token is four bytes long."""
    options = [(int(Option.URI_PATH), part.encode()) for part in path]
    options.append((int(Option.CONTENT_FORMAT), b"\x32"))
    if token:
        options.append((int(Option.URI_QUERY), f"token={token}".encode()))
    if echo:
        options.append((int(Option.ECHO), echo))
    return encode(Message(CON, Code.POST, 0, b"wait", tuple(options), PAYLOAD))


class Client(asyncio.DatagramProtocol):
    """One device that sends as fast as it is answered."""

    def __init__(self, given: dict[str, Any], number: int, until: float) -> None:
        self._until = until
        self._window = given["window"]
        self._path = tuple(given["path"])
        self._token = given["tokens"][number] if given["tokens"] else ""
        self._key = given["keys"][number] if given["keys"] else None
        self._ids = itertools.count(1)
        self._template = b""
        self._place = 0
        self.answered = 0
        self.refused = 0
        self.done = asyncio.get_running_loop().create_future()
        self._tls: Any = None
        self._kept: Any = None
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: with a handshake, or with one request that is challenged."""
        self._transport = cast("asyncio.DatagramTransport", transport)
        self._prepare(b"")
        if self._key is not None:
            self._shake_first()
        else:
            self._send()

    def _prepare(self, echo: bytes) -> None:
        self._template = request_of(self._path, self._token, echo)
        self._place = self._template.index(MARK)

    def _shake_first(self) -> None:
        # Imported where it is needed: plain runs do without OpenSSL.
        from OpenSSL import SSL  # noqa: PLC0415

        from weft.transports.dtls.preshared import client_context  # noqa: PLC0415

        name, key, suites = self._key
        context, self._kept = client_context(name, key.encode(), suites.encode())
        self._tls = SSL.Connection(context, None)
        self._tls.set_connect_state()
        self._tls.set_ciphertext_mtu(1_280)
        self._shake()

    def _shake(self) -> None:
        from OpenSSL import SSL  # noqa: PLC0415

        try:
            self._tls.do_handshake()
            done = True
        except SSL.WantReadError:
            done = False
        self._flush()
        if done:
            self._key = None
            for _ in range(self._window):
                self._send()

    def _flush(self) -> None:
        from OpenSSL import SSL  # noqa: PLC0415

        try:
            self._transport.sendto(self._tls.bio_read(65_536))
        except SSL.WantReadError:
            return

    def _send(self) -> None:
        number = next(self._ids)
        place, template = self._place, self._template
        datagram = b"".join(
            (
                template[:2],
                (number & 0xFFFF).to_bytes(2, "big"),
                template[4:place],
                b"%06d" % (number % 1_000_000),
                template[place + 6 :],
            )
        )
        if self._tls is None:
            self._transport.sendto(datagram)
        else:
            self._tls.send(datagram)
            self._transport.sendto(self._tls.bio_read(2_048))

    def datagram_received(self, data: bytes, _address: Any) -> None:
        """Count an answer and send the next request."""
        if self._key is not None:
            self._tls.bio_write(data)
            self._shake()
            return
        if self._tls is not None:
            self._tls.bio_write(data)
            data = self._tls.recv(2_048)
        if data[1] == 0:
            return  # an empty acknowledgement: the answer comes by itself
        if data[1] != Code.CHANGED:
            self._refused(data)
            return
        if not data[0] & ACKNOWLEDGED:  # a separate answer: it wants to be acknowledged
            self._transport.sendto(b"\x60\0" + data[2:4])
        self.answered += 1
        if time.perf_counter() < self._until:
            self._send()
        elif not self.done.done():
            self.done.set_result(None)

    def _refused(self, data: bytes) -> None:
        message = decode(data)
        echo = dict(message.options).get(Option.ECHO)
        if message.code == Code.UNAUTHORIZED and echo is not None:
            self._prepare(echo)
            self._send()
            self._prepare(b"")
            for _ in range(self._window - 1):
                self._send()
            return
        self.refused += 1
        if not self.done.done():
            self.done.set_exception(RuntimeError(f"answered {message.code}: {message.payload!r}"))


async def drive(given: dict[str, Any]) -> dict[str, Any]:
    """Let all clients send until the time is over."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    until = began + given["seconds"]
    clients = []
    for number in range(given["clients"]):
        _, client = await loop.create_datagram_endpoint(
            lambda number=number: Client(given, number, until),
            remote_addr=("127.0.0.1", given["port"]),
        )
        clients.append(client)
    await asyncio.sleep(given["seconds"])
    await asyncio.wait([client.done for client in clients], timeout=LOST_S)
    for client in clients:
        if client.done.done():
            client.done.result()
    answered = sum(client.answered for client in clients)
    return {"requests": answered, "rate": answered / (time.perf_counter() - began)}


def flood(given: dict[str, Any]) -> dict[str, Any]:
    """Send datagrams with distinct message ids from many addresses, and listen to nothing."""
    template = request_of(tuple(given["path"]), given["tokens"][0])
    sent = 0
    for host in range(given["addresses"]):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
            source.bind((f"127.{1 + host // 250 % 250}.{1 + host % 250}.{1 + host // 62_500}", 0))
            source.connect(("127.0.0.1", given["port"]))
            for number in range(given["each"]):
                source.send(template[:2] + (number & 0xFFFF).to_bytes(2, "big") + template[4:])
                sent += 1
                if not sent % given["burst"]:
                    time.sleep(given["pause_s"])
    return {"sent": sent}


def main() -> None:
    """Do as stdin says."""
    given = json.load(sys.stdin)
    done = flood(given) if given["flood"] else uvloop.run(drive(given))
    print(json.dumps(done))


if __name__ == "__main__":
    main()
