"""Notifications: sent to each observer at the pace that it can take, the latest value last.

While a confirmable one is in flight nothing more is sent, and only the latest waits; if it must
be sent again, it carries the latest (RFC 7641 4.5.2). Silence and resets end the observation.
"""

from collections.abc import Callable

from msgspec.structs import replace

from weft.wire.coap.codes import CON, NON, RST, Code, is_success
from weft.wire.coap.layout import Layout
from weft.wire.coap.limits import Limits
from weft.wire.coap.message import Message
from weft.wire.coap.observe import Observation, Observations
from weft.wire.coap.options import Option, encode_uint
from weft.wire.coap.outgoing import Outbound, Outgoing
from weft.wire.coap.peers import Address, Peer
from weft.wire.coap.requests import Request
from weft.wire.coap.responses import Response

_OBSERVE = int(Option.OBSERVE)
_SAFE = frozenset({Code.GET, Code.FETCH})


class Notifier:
    """The observers of one endpoint."""

    def __init__(
        self,
        limits: Limits,
        outbound: Outbound,
        layout: Layout,
        send: Callable[[Address, bytes], None],
    ) -> None:
        self._outbound = outbound
        self._layout = layout
        self._send = send
        self._confirmed: list[Observation] = []
        self.observations = Observations(limits)

    def register(self, request: Request, now: float) -> Observation | None:
        """Whoever asked to observe; None if that is not granted."""
        peer = request.exchange.peer
        if request.observe != 0 or request.code not in _SAFE or not peer.is_proven:
            return None
        return self.observations.register(request, now)

    def deregister(self, request: Request) -> None:
        """The client wants no more notifications (RFC 7641 3.6)."""
        known = self.observations.find(request.exchange.peer, request.message.token)
        if known is not None:
            self.observations.end(known)

    def first_sequence(self, request: Request, code: int) -> int | None:
        """The Observe value of the answer to a registration; an error ends it (RFC 7641 4.1)."""
        known = self.observations.find(request.exchange.peer, request.message.token)
        if known is None or known.request is not request:
            return None
        if is_success(code):
            return known.take_sequence()
        self.observations.end(known)
        return None

    def notify(
        self, observation: Observation, response: Response, now: float, *, confirm: bool
    ) -> bool:
        """Send the latest; False if it waits behind one in flight, or the observation is over."""
        if observation.is_ended:
            return False
        if observation.in_flight:
            confirm = confirm or (observation.next is not None and observation.next[1])
            observation.next = (response, confirm)
            return False
        done = is_success(response.code)
        confirm = confirm or not done or self.observations.wants_ack(observation, now)
        kind = NON if self._outbound.is_full or not confirm else CON
        data = self._write(observation, response, kind, now)
        self._send(observation.peer.address, data)
        observation.since_confirmed += 1
        if kind == CON:
            observation.since_confirmed = 0
            observation.in_flight = True
            of = observation if done else None  # an error is delivered although all is over
            self._outbound.add(Outgoing(observation.peer, observation.last_id, data, of), now)
        if not done:
            self.observations.end(observation)
        return True

    def on_answer(self, peer: Peer, message: Message, now: float) -> None:
        """ACK or RST of a peer, for a notification or a late answer."""
        outgoing = self._outbound.settle(peer, message.message_id)
        if message.type == RST:
            self.observations.end_by_message(peer, message.message_id)
        elif outgoing is not None and (observation := outgoing.observation) is not None:
            observation.in_flight = False
            observation.confirmed_at = now
            waiting, observation.next = observation.next, None
            if waiting is not None:
                self.notify(observation, waiting[0], now, confirm=waiting[1])
            elif not observation.is_ended:
                self._confirmed.append(observation)

    def take_confirmed(self) -> list[Observation]:
        """Those whose client has acknowledged all that was sent."""
        confirmed, self._confirmed = self._confirmed, []
        return confirmed

    def tick(self, now: float) -> None:
        """Send again what is due, and end the observations of who does not answer."""
        again, lost = self._outbound.take_due(now)
        for outgoing in again:
            observation = outgoing.observation
            if observation is not None and observation.next is not None:
                self._renew(outgoing, observation, observation.next[0], now)
            self._send(outgoing.peer.address, outgoing.data)
        for outgoing in lost:
            if outgoing.observation is not None:
                self.observations.end(outgoing.observation)  # RFC 7641 4.5

    def _renew(
        self, outgoing: Outgoing, observation: Observation, response: Response, now: float
    ) -> None:
        observation.next = None
        data = self._write(observation, response, CON, now)
        self._outbound.rename(outgoing, observation.last_id, data)
        if not is_success(response.code):
            outgoing.observation = None
            self.observations.end(observation)

    def _write(self, observation: Observation, response: Response, kind: int, now: float) -> bytes:
        request = observation.request
        done = is_success(response.code)
        asked = request.block2 if done else None
        if asked is not None and asked.number:
            asked = replace(asked, number=0)
        options, payload = self._layout.slice(request, response, asked, now)
        if done:
            options.append((_OBSERVE, encode_uint(observation.take_sequence())))
        observation.last_id = observation.peer.take_message_id()
        content = (response.code, options, payload)
        return self._layout.write(request.message, kind, observation.last_id, content)
