"""Exchanges: each message of a peer is answered once, and the answer can be repeated.

A client repeats a confirmable message until it hears of it; the second copy gets the
first one's answer, and no handler sees it (RFC 7252 4.5). A message with the same id and
other bytes is another message: a device that lost power and counts from the start again is
not answered with what it was told before. What is remembered is capped in entries and
bytes, for one peer, one network and for all; the oldest is forgotten (CO-5).
"""

from collections import OrderedDict

from weft.wire.coap.codes import Code
from weft.wire.coap.faults import RequestError
from weft.wire.coap.limits import Limits
from weft.wire.coap.peers import Exchange, Peer

# An exchange with its key and its reply's object: 247 bytes by tracemalloc, at 100 for each peer.
# A peer costs 650 beside it; their number has a cap of its own.
ENTRY_BYTES = 256


class Exchanges:
    """Those of all peers."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._holding: OrderedDict[Peer, None] = OrderedDict()  # longest without an answer first
        self.pending = 0
        self.pending_bytes = 0
        self.entries = 0
        self.held_bytes = 0

    def find(self, peer: Peer, message_id: int, digest: int, now: float) -> Exchange | None:
        """The first copy of a message that came again."""
        known = peer.exchanges.get(message_id)
        if known is None:
            return None
        if known.digest == digest and now - known.arrived_at < self._limits.exchange_lifetime_s:
            return known
        self._drop(known)
        return None

    def open(self, exchange: Exchange) -> None:
        """A handler will have it. Raises RequestError (5.03) if too many are without answer."""
        peer = exchange.peer
        limits = self._limits
        if (
            self.pending >= limits.pending
            or peer.network.pending >= limits.pending * peer.network.share
            or peer.pending >= limits.peer_pending
            or self.pending_bytes + exchange.size_bytes > limits.pending_bytes
        ):
            raise RequestError(
                Code.SERVICE_UNAVAILABLE,
                "too many requests wait for an answer",
                "RFC 7252 5.9.3.4",
                remedy="Wait for answers before sending more.",
            )
        peer.exchanges[exchange.message_id] = exchange
        peer.pending += 1
        peer.network.pending += 1
        self.pending += 1
        self.pending_bytes += exchange.size_bytes

    def grow(self, exchange: Exchange, size_bytes: int) -> None:
        """Its request is larger than its datagram: it is the last block of a body."""
        exchange.size_bytes += size_bytes
        self.pending_bytes += size_bytes

    def close(self, exchange: Exchange, reply: bytes, now: float) -> None:
        """It is answered; `reply` is what a copy of the message gets."""
        peer = exchange.peer
        exchange.reply = reply
        peer.pending -= 1
        peer.network.pending -= 1
        self.pending -= 1
        self.pending_bytes -= exchange.size_bytes
        if peer.exchanges.get(exchange.message_id) is not exchange:
            return  # the peer was forgotten, or has used the id for another message
        peer.replied_at = now
        size = len(reply) + ENTRY_BYTES
        peer.reply_bytes += size
        peer.network.reply_bytes += size
        self.held_bytes += size
        self.entries += 1
        holding = self._holding
        holding[peer] = None
        holding.move_to_end(peer)
        limits = self._limits
        most = limits.peer_replies if peer.is_proven else limits.stranger_replies
        shared = limits.reply_bytes * peer.network.share
        while (
            len(peer.exchanges) - peer.pending > most
            or peer.reply_bytes > limits.peer_reply_bytes
            or peer.network.reply_bytes > shared
        ) and self._drop_oldest(peer):
            continue
        while self.entries > limits.replies or self.held_bytes > limits.reply_bytes:
            self._drop_oldest(next(iter(holding)))
        self._drop_stale(peer, now)

    def forget(self, peer: Peer) -> None:
        """Drop all of a peer; who still has one of its requests may answer it."""
        for exchange in list(peer.exchanges.values()):
            self._drop(exchange)

    def expire(self, now: float) -> None:
        """Drop what no copy can come for any more (RFC 7252 4.8.2)."""
        while self._holding:
            peer = next(iter(self._holding))
            if peer.replied_at + self._limits.exchange_lifetime_s > now:
                return
            while self._drop_oldest(peer):
                continue

    def _drop_stale(self, peer: Peer, now: float) -> None:
        horizon = now - self._limits.exchange_lifetime_s
        while peer.exchanges:
            oldest = next(iter(peer.exchanges.values()))
            if oldest.arrived_at > horizon or oldest.reply is None:
                return
            self._drop(oldest)

    def _drop_oldest(self, peer: Peer) -> bool:
        for exchange in peer.exchanges.values():
            if exchange.reply is not None:
                self._drop(exchange)
                return True
        self._holding.pop(peer, None)
        return False

    def _drop(self, exchange: Exchange) -> None:
        peer = exchange.peer
        del peer.exchanges[exchange.message_id]
        if exchange.reply is None:
            return
        size = len(exchange.reply) + ENTRY_BYTES
        peer.reply_bytes -= size
        peer.network.reply_bytes -= size
        self.held_bytes -= size
        self.entries -= 1
        if not peer.reply_bytes:
            self._holding.pop(peer, None)
