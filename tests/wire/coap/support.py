"""What the tests of CoAP share: an endpoint at a turned clock, requests, and a way to read."""

import json
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

from weft.wire.coap.codes import CON, Code
from weft.wire.coap.decode import decode
from weft.wire.coap.encode import encode
from weft.wire.coap.limits import Limits
from weft.wire.coap.message import Message
from weft.wire.coap.options import Option
from weft.wire.coap.requests import Request
from weft.wire.coap.responses import Response
from weft.wire.coap.server import ServerEndpoint

ALICE = ("192.0.2.1", 40001)
BOB = ("192.0.2.2", 40002)
SECRET = b"0123456789abcdef0123456789abcdef"
VECTORS = Path(__file__).parents[2] / "vectors" / "coap"
DONE = Response(Code.CHANGED)


def load_vectors(name: str) -> list[dict[str, Any]]:
    """The rows of one file of named datagrams."""
    rows: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_text())
    return rows


def path_options(path: str) -> tuple[tuple[int, bytes], ...]:
    return tuple((int(Option.URI_PATH), part.encode()) for part in path.split("/") if part)


def request_message(
    path: str = "t",
    code: int = Code.POST,
    message_id: int = 1,
    *options: tuple[int, bytes],
    payload: bytes = b"",
    token: bytes = b"\x01",
    kind: int = CON,
) -> Message:
    every = tuple(sorted((*path_options(path), *options), key=lambda one: one[0]))
    return Message(kind, code, message_id, token, every, payload)


class Bench:
    """An endpoint, its clock, and everything that came out of it."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        is_proven: bool = True,
        network_of: Callable[[Any], Hashable] | None = None,
    ) -> None:
        self.now = 1000.0
        self.endpoint = ServerEndpoint(
            limits or Limits(),
            secret=SECRET,
            random=lambda: 0.5,
            now=self.now,
            network_of=network_of,
        )
        self.is_proven = is_proven

    def receive(self, message: Message | bytes, address: Any = ALICE) -> Request | None:
        data = message if isinstance(message, bytes) else encode(message)
        return self.endpoint.receive_datagram(data, address, self.now, is_proven=self.is_proven)

    def require(self, message: Message | bytes, address: Any = ALICE) -> Request:
        request = self.receive(message, address)
        assert request is not None, self.endpoint.take_output()
        return request

    def respond(self, request: Request, response: Response = DONE) -> Message:
        """Answer, and the one datagram that this sends."""
        self.endpoint.respond(request, response, self.now)
        return self.sent()

    def ask(self, message: Message, response: Response = DONE, address: Any = ALICE) -> Message:
        """A request and the answer, which may come from the endpoint itself."""
        request = self.receive(message, address)
        if request is not None:
            self.endpoint.respond(request, response, self.now)
        return self.sent()

    def sent(self) -> Message:
        (only,) = self.endpoint.take_output()
        return decode(only[1])

    def all_sent(self) -> list[Message]:
        return [decode(data) for _, data in self.endpoint.take_output()]

    def pass_time(self, seconds: float) -> list[Message]:
        self.now += seconds
        self.endpoint.tick(self.now)
        return self.all_sent()


def option(message: Message, number: int) -> bytes | None:
    """The first value of an option."""
    return next((value for known, value in message.options if known == number), None)
