"""Who observes what: registrations, their sequence numbers, and when to ask for an ACK.

A registration ends when the client says so, resets a notification, lets a confirmable one
go unanswered, or is forgotten (RFC 7641 3.6, 4.5). Both counts are capped (CO-6).
"""

from weft.wire.coap.codes import is_success
from weft.wire.coap.limits import Limits
from weft.wire.coap.peers import Peer
from weft.wire.coap.requests import Request, request_key
from weft.wire.coap.responses import Response

_SEQUENCE = 1 << 24


class Observation:
    """One registration. What it observes is `request`; notify it through the endpoint."""

    __slots__ = (
        "confirmed_at",
        "in_flight",
        "is_ended",
        "last_id",
        "next",
        "peer",
        "request",
        "sequence",
        "since_confirmed",
        "token",
    )

    def __init__(self, request: Request, now: float) -> None:
        self.request = request
        self.peer: Peer = request.exchange.peer
        self.token = request.message.token
        self.sequence = 0
        self.since_confirmed = 0
        self.confirmed_at = now
        self.in_flight = False  # a confirmable notification awaits its ACK
        self.next: tuple[Response, bool] | None = None  # the latest that waits for it; confirmable
        self.last_id = -1  # message id of the last notification
        self.is_ended = False

    def take_sequence(self) -> int:
        """The next number: 24 bits, wrapping (RFC 7641 4.4)."""
        self.sequence = (self.sequence + 1) % _SEQUENCE
        return self.sequence


class Observations:
    """All registrations of all peers."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._of_peer: dict[Peer, dict[bytes, Observation]] = {}
        self._ended: list[Observation] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def find(self, peer: Peer, token: bytes) -> Observation | None:
        """The registration that a token names."""
        mine = self._of_peer.get(peer)
        return mine.get(token) if mine else None

    def register(self, request: Request, now: float) -> Observation | None:
        """Add, or renew, a registration; None if there are too many (RFC 7641 4.1)."""
        peer, token = request.exchange.peer, request.message.token
        known = self.find(peer, token)
        if known is not None:
            if request_key(known.request.message) == request_key(request.message):
                known.request = request
                if known.next is not None and not is_success(known.next[0].code):
                    known.next = None  # its end waits to be told: it has begun anew instead
                return known
            self.end(known)
        limits = self._limits
        if (
            peer.watching >= limits.peer_observations
            or self._count >= limits.observations
            or request.exchange.size_bytes > limits.observed_bytes
            or peer.is_gone
        ):
            return None
        observation = Observation(request, now)
        self._of_peer.setdefault(peer, {})[token] = observation
        peer.watching += 1
        self._count += 1
        return observation

    def end(self, observation: Observation) -> None:
        """It is over; `take_ended` tells."""
        if observation.is_ended:
            return
        observation.is_ended = True
        observation.next = None
        peer = observation.peer
        mine = self._of_peer[peer]
        del mine[observation.token]
        if not mine:
            del self._of_peer[peer]
        peer.watching -= 1
        self._count -= 1
        self._ended.append(observation)

    def end_by_message(self, peer: Peer, message_id: int) -> None:
        """The client has reset a notification: it does not know of it (RFC 7641 3.6)."""
        for observation in list(self._of_peer.get(peer, {}).values()):
            if observation.last_id == message_id:
                self.end(observation)

    def forget(self, peer: Peer) -> None:
        """End all of a peer."""
        for observation in list(self._of_peer.get(peer, {}).values()):
            self.end(observation)

    def take_ended(self) -> list[Observation]:
        """Those that have ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def wants_ack(self, observation: Observation, now: float) -> bool:
        """Whether the next notification must be confirmable (RFC 7641 4.5)."""
        return (
            observation.since_confirmed + 1 >= self._limits.confirm_every
            or now - observation.confirmed_at >= self._limits.confirm_after_s
        )
