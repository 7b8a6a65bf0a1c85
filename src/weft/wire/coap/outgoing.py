"""Confirmable messages of ours: sent again, each time later, until the peer has them.

RFC 7252 4.2: the first wait is random between ACK_TIMEOUT and half as much more, so that a
fleet does not repeat in step; then it doubles; behind the last one we give up.
"""

import heapq
from collections.abc import Callable

from weft.wire.coap.limits import Limits
from weft.wire.coap.observe import Observation
from weft.wire.coap.peers import Peer


class Outgoing:
    """One of them."""

    __slots__ = ("attempts", "data", "is_done", "message_id", "observation", "peer", "wait_s")

    def __init__(
        self, peer: Peer, message_id: int, data: bytes, observation: Observation | None
    ) -> None:
        self.peer = peer
        self.message_id = message_id
        self.data = data
        self.observation = observation  # whose notification it is
        self.attempts = 0
        self.wait_s = 0.0
        self.is_done = False


class Outbound:
    """All that await their ACK."""

    def __init__(self, limits: Limits, random: Callable[[], float]) -> None:
        self._limits = limits
        self._random = random
        self._waiting: dict[tuple[Peer, int], Outgoing] = {}
        self._due: list[tuple[float, int, Outgoing]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether one more is too many."""
        return len(self._waiting) >= self._limits.outgoing

    def add(self, outgoing: Outgoing, now: float) -> None:
        """It has been sent for the first time."""
        limits = self._limits
        outgoing.wait_s = limits.ack_timeout_s * (
            1 + (limits.ack_random_factor - 1) * self._random()
        )
        self._waiting[outgoing.peer, outgoing.message_id] = outgoing
        self._schedule(outgoing, now)

    def settle(self, peer: Peer, message_id: int) -> Outgoing | None:
        """The peer has answered it with ACK or RST."""
        outgoing = self._waiting.pop((peer, message_id), None)
        if outgoing is not None:
            outgoing.is_done = True
        return outgoing

    def take_due(self, now: float) -> tuple[list[Outgoing], list[Outgoing]]:
        """Those to send again now, and those that were given up."""
        again: list[Outgoing] = []
        lost: list[Outgoing] = []
        while self._due and self._due[0][0] <= now:
            outgoing = heapq.heappop(self._due)[2]
            if outgoing.is_done:
                continue
            if outgoing.observation is not None and outgoing.observation.is_ended:
                self.settle(outgoing.peer, outgoing.message_id)  # nobody waits for it any more
                continue
            if outgoing.attempts >= self._limits.max_retransmit or outgoing.peer.is_gone:
                self.settle(outgoing.peer, outgoing.message_id)
                lost.append(outgoing)
                continue
            outgoing.attempts += 1
            outgoing.wait_s *= 2
            self._schedule(outgoing, now)
            again.append(outgoing)
        return again, lost

    def rename(self, outgoing: Outgoing, message_id: int, data: bytes) -> None:
        """The same try carries a later message (RFC 7641 4.5.2)."""
        del self._waiting[outgoing.peer, outgoing.message_id]
        outgoing.message_id, outgoing.data = message_id, data
        self._waiting[outgoing.peer, message_id] = outgoing

    def next_due(self) -> float | None:
        """When `take_due` has something to do."""
        while self._due and self._due[0][2].is_done:
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def _schedule(self, outgoing: Outgoing, now: float) -> None:
        self._count += 1
        heapq.heappush(self._due, (now + outgoing.wait_s, self._count, outgoing))
