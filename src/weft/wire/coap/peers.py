"""Peers: what we keep of an address, and whether it is really where its datagrams come from.

An address is proven by an Echo value that only its owner can have read (RFC 9175), or by
DTLS. Strangers have a table of their own, so that made-up addresses never push out a
device. Both tables are capped; who was silent longest is forgotten (CO-2, CO-5).
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable

from weft.wire.coap.limits import Limits

Address = Hashable
_SPARED = 8  # peers with observations that are passed over for one without


class Exchange:
    """One message of a peer, from its arrival until it is forgotten; see `exchanges`."""

    __slots__ = ("arrived_at", "digest", "is_late", "message_id", "peer", "reply", "size_bytes")

    def __init__(
        self, peer: "Peer", message_id: int, digest: int, arrived_at: float, size_bytes: int
    ) -> None:
        self.peer = peer
        self.message_id = message_id
        self.digest = digest
        self.arrived_at = arrived_at
        self.size_bytes = size_bytes
        self.reply: bytes | None = None  # None: a handler has it; empty: nothing is repeated
        self.is_late = False  # an empty ACK went ahead


class Peer:
    """One address and all that hangs on it."""

    __slots__ = (
        "address",
        "exchanges",
        "is_gone",
        "is_proven",
        "next_id",
        "pending",
        "proven_at",
        "replied_at",
        "reply_bytes",
        "seen_at",
        "watching",
    )

    def __init__(self, address: Address, next_id: int, now: float, *, is_proven: bool) -> None:
        self.address = address
        self.is_proven = is_proven
        self.proven_at = now
        self.seen_at = now
        self.next_id = next_id
        self.exchanges: dict[int, Exchange] = {}  # by message id, oldest first
        self.pending = 0  # of them, those without a reply
        self.reply_bytes = 0
        self.replied_at = now
        self.watching = 0  # observations
        self.is_gone = False  # forgotten while a handler had one of its requests

    def take_message_id(self) -> int:
        """The next of our own; a random first one (RFC 7252 4.4)."""
        taken = self.next_id
        self.next_id = taken + 1 & 0xFFFF
        return taken


class Peers:
    """The two tables."""

    def __init__(
        self, limits: Limits, random: Callable[[], float], forgotten: Callable[[Peer], None]
    ) -> None:
        self._limits = limits
        self._random = random
        self._forgotten = forgotten
        self._proven: OrderedDict[Address, Peer] = OrderedDict()
        self._strangers: OrderedDict[Address, Peer] = OrderedDict()

    def __len__(self) -> int:
        return len(self._proven) + len(self._strangers)

    def find(self, address: Address, now: float) -> Peer | None:
        """A peer that we know; it counts as heard of."""
        peer = self._proven.get(address)
        if peer is not None:
            self._proven.move_to_end(address)
        elif self._strangers and (peer := self._strangers.get(address)) is not None:
            self._strangers.move_to_end(address)
        else:
            return None
        peer.seen_at = now
        return peer

    def prove(self, address: Address, now: float) -> Peer:
        """The address is where it says; what a stranger had is kept."""
        peer = self._proven.get(address)
        if peer is not None:
            return peer
        peer = self._strangers.pop(address, None) or self._make(address, now)
        peer.is_proven, peer.proven_at = True, now
        self._proven[address] = peer
        if len(self._proven) > self._limits.peers:
            self._evict()
        return peer

    def admit_stranger(self, address: Address, now: float) -> Peer:
        """Remember an address that may be made up."""
        peer = self._strangers[address] = self._make(address, now)
        if len(self._strangers) > self._limits.strangers:
            self._forgotten(self._strangers.popitem(last=False)[1])
        return peer

    def forget(self, address: Address) -> None:
        """Drop a peer with all that hangs on it."""
        peer = self._proven.pop(address, None) or self._strangers.pop(address, None)
        if peer is not None:
            self._forgotten(peer)

    def expire(self, now: float) -> None:
        """Forget who was silent for longer than an address stays proven, observers excepted."""
        for table in (self._proven, self._strangers):
            watching = []
            while table:
                peer = next(iter(table.values()))
                if peer.seen_at + self._limits.proof_lifetime_s > now:
                    break
                del table[peer.address]
                if peer.watching:
                    watching.append(peer)
                else:
                    self._forgotten(peer)
            for peer in watching:  # their silence is not told from a value that does not change
                peer.seen_at = now
                table[peer.address] = peer

    def _make(self, address: Address, now: float) -> Peer:
        return Peer(address, int(self._random() * 0x10000), now, is_proven=False)

    def _evict(self) -> None:
        for _ in range(_SPARED):
            peer = next(iter(self._proven.values()))
            if not peer.watching:
                break
            self._proven.move_to_end(peer.address)
        self._forgotten(self._proven.popitem(last=False)[1])
