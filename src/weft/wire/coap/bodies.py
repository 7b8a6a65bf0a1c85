"""Bodies under way in blocks, in either direction, within a budget for each peer and for all.

A body that no block was asked of or sent for in a while is dropped, and its memory is back.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

from weft.wire.coap.peers import Network, Peer
from weft.wire.coap.requests import Key

T = TypeVar("T")
ENTRY_BYTES = 1024  # what an empty body costs, beside the options that are its key
_OPTION_BYTES = 128  # of one option in a key: its tuple, its number and its bytes object


class Body(Generic[T]):
    """One body of one peer."""

    __slots__ = ("content", "fixed_bytes", "key", "peer", "size_bytes", "touched_at")

    def __init__(self, peer: Peer, key: Key, content: T, now: float) -> None:
        self.peer = peer
        self.key = key
        self.content = content
        self.fixed_bytes = fixed_bytes_of(key)
        self.size_bytes = self.fixed_bytes
        self.touched_at = now


class Bodies(Generic[T]):
    """All bodies of one direction; the longest untouched is first."""

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._order: OrderedDict[Body[T], None] = OrderedDict()
        self._of_peer: dict[Peer, dict[Key, Body[T]]] = {}
        self._of_network: dict[Network, int] = {}
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._order)

    def find(self, peer: Peer, key: Key) -> Body[T] | None:
        """A body under way."""
        return self._of_peer.get(peer, {}).get(key)

    def of_peer(self, peer: Peer) -> list[Body[T]]:
        """All of a peer, the oldest first."""
        return list(self._of_peer.get(peer, {}).values())

    def held_by(self, network: Network) -> int:
        """The bytes of all peers of a network."""
        return self._of_network.get(network, 0)

    def _count(self, peer: Peer, size_bytes: int) -> None:
        self.held_bytes += size_bytes
        left = self._of_network.get(peer.network, 0) + size_bytes
        if left:
            self._of_network[peer.network] = left
        else:
            self._of_network.pop(peer.network, None)

    def add(self, peer: Peer, key: Key, content: T, now: float) -> Body[T]:
        """Begin a body; one that was under way for the same request ends."""
        if (before := self.find(peer, key)) is not None:
            self.drop(before)
        body = Body(peer, key, content, now)
        self._of_peer.setdefault(peer, {})[key] = body
        self._order[body] = None
        self._count(peer, body.size_bytes)
        return body

    def touch(self, body: Body[T], size_bytes: int, now: float) -> None:
        """A block came or went; the body now has so many bytes."""
        self._count(body.peer, size_bytes + body.fixed_bytes - body.size_bytes)
        body.size_bytes = size_bytes + body.fixed_bytes
        body.touched_at = now
        self._order.move_to_end(body)

    def drop(self, body: Body[T]) -> None:
        """It is complete, or of no use any more."""
        mine = self._of_peer[body.peer]
        del mine[body.key]
        if not mine:
            del self._of_peer[body.peer]
        del self._order[body]
        self._count(body.peer, -body.size_bytes)

    def forget(self, peer: Peer) -> None:
        """Drop all of a peer."""
        for body in self.of_peer(peer):
            self.drop(body)

    def drop_oldest(self) -> None:
        """Make room."""
        self.drop(next(iter(self._order)))

    def expire(self, now: float) -> None:
        """Drop what has waited too long for its next block."""
        while self._order:
            body = next(iter(self._order))
            if body.touched_at + self._wait_s > now:
                return
            self.drop(body)


def fixed_bytes_of(key: Key) -> int:
    """What a body costs before its first byte: a path may be long (CO-5)."""
    return ENTRY_BYTES + sum(_OPTION_BYTES + len(value) for _, value in key[1])
