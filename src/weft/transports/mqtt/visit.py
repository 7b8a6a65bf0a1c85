"""A visit: a connection that has no identity yet, and may ask for one and nothing else (PR-1).

ThingsBoard's devices provision themselves so: CONNECT with the user name `provision` and no
password, subscribe to `/provision/response`, publish a request to `/provision/request`. The
door is open only while a batch's claim is in force; each request has to show one. A visit
is short, counts as a stranger's connection, and nothing of it reaches the broker.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from weft.errors import RateLimited
from weft.model.principal import Principal, PrincipalKind
from weft.security.attempts import address_of
from weft.security.authentication import NOBODY
from weft.security.limits import LimitKind
from weft.security.throttle import network_of
from weft.transports.mqtt.settings import Given, Provisions
from weft.wire.mqtt.packets import (
    Connect,
    Disconnect,
    Packet,
    Publish,
    Subscribe,
    Unsubscribe,
)
from weft.wire.mqtt.reasons import Reason
from weft.wire.mqtt.server import ServerConnection

USER: Final = "provision"
REQUEST: Final = "/provision/request"
RESPONSE: Final = "/provision/response"
VISIT_S: Final = 60.0  # as long as ThingsBoard's own client waits
REQUESTS_MAX: Final = 10

End = Callable[[Reason, str], None]


def is_visit(connect: Connect, provisions: Provisions | None) -> bool:
    """Whether a CONNECT asks for nothing but an identity, and there are some to be had."""
    named = connect.username == USER and not connect.password and connect.will is None
    return named and provisions is not None and provisions.is_open()


class Visit:
    """What a visitor may do."""

    def __init__(
        self,
        given: Given,
        address: str,
        machine: ServerConnection,
        write: Callable[[bytes], None],
        end: End,
    ) -> None:
        assert given.provisions is not None
        self._provisions = given.provisions
        self._limiter = given.limiter
        self._address = address
        self._machine = machine
        self._write = write
        self._end = end
        network = network_of(address_of(address))
        self._visitor = Principal(NOBODY, PrincipalKind.DEVICE, USER, f"at:{network}")
        self._listens = False
        self._requests = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Let the visitor in, for a while; raise `RateLimited` for one who comes too often."""
        self._charge(LimitKind.CONNECTS)
        self._write(self._machine.accept())
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(VISIT_S, self._end, Reason.NOT_AUTHORIZED, "Time is over.")

    def leave(self) -> None:
        """Forget the visitor."""
        if self._timer is not None:
            self._timer.cancel()

    def _charge(self, kind: LimitKind) -> None:
        wait_s = self._limiter.take(NOBODY, self._visitor, kind)
        if wait_s > 0:
            raise RateLimited("Too many visitors.", retry_after_s=wait_s)

    async def take(self, packets: Sequence[Packet]) -> None:
        """Handle what one read brought; what is not for a visitor ends the visit."""
        for packet in packets:
            match packet:
                case Subscribe():
                    self._subscribe(packet)
                case Unsubscribe():
                    self._listens = self._listens and RESPONSE not in packet.filters
                    reasons = [Reason.SUCCESS] * len(packet.filters)
                    self._write(self._machine.unsuback(packet.packet_id, reasons))
                case Publish() if packet.topic == REQUEST and packet.qos < 2:
                    if not await self._answer(packet):
                        return
                case Disconnect():
                    self._end(Reason.NORMAL_DISCONNECTION, "")
                    return
                case _:
                    self._end(Reason.NOT_AUTHORIZED, f"Publish to {REQUEST}, at QoS 0 or 1.")
                    return

    def _subscribe(self, packet: Subscribe) -> None:
        reasons = [
            Reason(min(one.qos, 1)) if one.filter == RESPONSE else Reason.NOT_AUTHORIZED
            for one in packet.filters
        ]
        self._listens = self._listens or any(one.filter == RESPONSE for one in packet.filters)
        self._write(self._machine.suback(packet.packet_id, reasons))

    async def _answer(self, packet: Publish) -> bool:
        """Answer a request; return whether the visit goes on."""
        self._requests += 1
        try:
            self._charge(LimitKind.REQUESTS)
        except RateLimited:
            self._requests = REQUESTS_MAX + 1
        if self._requests > REQUESTS_MAX:
            self._end(Reason.QUOTA_EXCEEDED, "Too many requests.")
            return False
        answer = await self._provisions.answer(packet.payload, self._address)
        if packet.qos:
            self._write(self._machine.pubacks([packet.packet_id]))
        said = self._machine.publish(Publish(RESPONSE, answer)) if self._listens else None
        if said is not None:
            self._write(said)
        return True
