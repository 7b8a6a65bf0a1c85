"""Peers: what we keep of an address, and whether it is really where its datagrams come from.

An address is proven by an Echo value that only its owner can have read (RFC 9175), or by
DTLS. Strangers have a table of their own, so that made-up addresses never push out a
device. Both tables are capped; who was silent longest is forgotten (CO-2, CO-5). What a peer
holds counts for its network as well, whose holder has as many addresses as they like.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from weakref import WeakValueDictionary

from weft.wire.coap.limits import Limits

Address = Hashable
NetworkOf = Callable[[Address], Hashable]
_SPARED = 8  # peers with observations that are passed over for one without


class Network:
    """What the peers of one network hold together; gone with the last that refers to it."""

    __slots__ = ("__weakref__", "pending", "reply_bytes", "share")

    def __init__(self, share: float) -> None:
        self.share = share  # of each limit for all
        self.pending = 0
        self.reply_bytes = 0


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
        "network",
        "next_id",
        "pending",
        "proven_at",
        "replied_at",
        "reply_bytes",
        "seen_at",
        "watching",
    )

    def __init__(
        self,
        address: Address,
        next_id: int,
        now: float,
        *,
        is_proven: bool,
        network: Network | None = None,
    ) -> None:
        """Without a network it has one to itself, and all of what one may hold."""
        self.address = address
        self.network = network or Network(1.0)
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
        self,
        limits: Limits,
        random: Callable[[], float],
        forgotten: Callable[[Peer], None],
        network_of: NetworkOf | None = None,
    ) -> None:
        self._limits = limits
        self._network_of = network_of
        self._networks: WeakValueDictionary[Hashable, Network] = WeakValueDictionary()
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
        next_id = int(self._random() * 0x10000)
        return Peer(address, next_id, now, is_proven=False, network=self._network(address))

    def _network(self, address: Address) -> Network | None:
        if self._network_of is None:
            return None
        key = self._network_of(address)
        found = self._networks.get(key)
        if found is None:
            found = self._networks[key] = Network(self._limits.network_share)
        return found

    def _evict(self) -> None:
        for _ in range(_SPARED):
            peer = next(iter(self._proven.values()))
            if not peer.watching:
                break
            self._proven.move_to_end(peer.address)
        self._forgotten(self._proven.popitem(last=False)[1])
