"""A network that loses, doubles, delays and reorders, between clients and one endpoint.

Time is turned from event to event. What handlers saw is written down, so that a test can
say what must hold whatever the network did.
"""

import heapq
from random import Random
from typing import Any

from tests.wire.coap.support import SECRET

from weft.wire.coap.client import Answer, Ask, ClientEndpoint, Event
from weft.wire.coap.codes import Code
from weft.wire.coap.limits import Limits
from weft.wire.coap.requests import Request
from weft.wire.coap.responses import Response
from weft.wire.coap.server import ServerEndpoint


class Network:
    """One server, some clients, and what lies between."""

    def __init__(self, seed: int, *, loss: float, limits: Limits | None = None) -> None:
        self.random = Random(seed)
        self.loss = loss
        self.now = 0.0
        self.server = ServerEndpoint(limits or Limits(), secret=SECRET, random=self.random.random)
        self.clients: dict[Any, ClientEndpoint] = {}
        self.events: dict[tuple[Any, int], list[Event]] = {}
        self.handled: list[Request] = []
        self.seen: dict[tuple[Any, int], int] = {}  # handler calls by address and message id
        self.body = b""  # what GET answers
        self._queue: list[tuple[float, int, Any]] = []
        self._count = 0

    def client(self, address: Any) -> ClientEndpoint:
        client = self.clients[address] = ClientEndpoint(
            random=self.random.random, answer_wait_s=120.0
        )
        return client

    def ask(self, address: Any, ask: Ask) -> int:
        call_id = self.clients[address].request(ask, self.now)
        self.events[address, call_id] = []
        self._flush()
        return call_id

    def later(self, delay_s: float, what: Any) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.now + delay_s, self._count, what))

    def run(self, until_s: float) -> None:
        """Turn the clock until nothing is to be done."""
        while True:
            times = [self._queue[0][0]] if self._queue else []
            dues = [self.server.next_timeout()]
            dues += [client.next_timeout() for client in self.clients.values()]
            times += [due for due in dues if due is not None]
            if not times or min(times) > until_s:
                self.now = until_s
                return
            self.now = max(self.now, min(times))
            while self._queue and self._queue[0][0] <= self.now:
                heapq.heappop(self._queue)[2]()
            self.server.tick(self.now)
            for address, client in self.clients.items():
                self._told(address, client.tick(self.now))
            self._flush()

    def answers(self) -> dict[tuple[Any, int], Answer]:
        return {
            key: events[-1]
            for key, events in self.events.items()
            if events and isinstance(events[-1], Answer)
        }

    def _flush(self) -> None:
        for address, data in self.server.take_output():
            self._carry(lambda a=address, d=data: self._to_client(a, d))
        for address, client in self.clients.items():
            for data in client.take_output():
                self._carry(lambda a=address, d=data: self._to_server(a, d))

    def _carry(self, deliver: Any) -> None:
        for _ in range(self.random.choice((1, 1, 1, 2))):
            if self.random.random() >= self.loss:
                self.later(self.random.choice((0.01, 0.05, 0.3, 1.5)), deliver)

    def _to_client(self, address: Any, data: bytes) -> None:
        self._told(address, self.clients[address].receive_datagram(data, self.now))

    def _told(self, address: Any, events: list[Event]) -> None:
        for event in events:
            self.events[address, event.call_id].append(event)

    def _to_server(self, address: Any, data: bytes) -> None:
        request = self.server.receive_datagram(data, address, self.now)
        if request is None:
            return
        self.handled.append(request)
        key = (address, request.message.message_id)
        self.seen[key] = self.seen.get(key, 0) + 1
        self.later(self.random.choice((0.0, 0.0, 0.2, 2.0)), lambda: self._answer(request))

    def _answer(self, request: Request) -> None:
        if request.code == Code.GET:
            response = Response(Code.CONTENT, self.body, 42)
        elif request.code == Code.FETCH:
            response = Response(Code.CONTENT, request.payload[::-1], 42)
        else:
            response = Response(Code.CHANGED)
        self.server.respond(request, response, self.now)
