"""Representations of which a peer has the first block and will ask for the next (Block2).

They are kept for a while, so that the blocks of one body are of one body although the value
changes meanwhile (RFC 7959 2.4), and so that no handler is asked for each block. Beyond the
budget nothing is kept: the handler is asked again, and the ETag tells the client.
"""

from weft.wire.coap.bodies import Bodies, fixed_bytes_of
from weft.wire.coap.limits import Limits
from weft.wire.coap.peers import Peer
from weft.wire.coap.requests import Key
from weft.wire.coap.responses import Response


class Downloads:
    """The representations of all peers."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.bodies: Bodies[Response] = Bodies(limits.download_wait_s)

    def keep(self, peer: Peer, key: Key, response: Response, now: float) -> None:
        """Keep a representation for its next blocks, the latest of one request."""
        size = len(response.payload)
        cost = size + fixed_bytes_of(key)
        if cost > self._limits.peer_download_bytes or peer.is_gone:
            return
        mine = [body for body in self.bodies.of_peer(peer) if body.key != key]
        held = sum(body.size_bytes for body in mine) + cost
        for body in mine:
            if held <= self._limits.peer_download_bytes:
                break
            held -= body.size_bytes
            self.bodies.drop(body)
        shared = self.bodies.held_by(peer.network) + cost
        if shared > self._limits.download_bytes * peer.network.share:
            return
        body = self.bodies.add(peer, key, response, now)
        self.bodies.touch(body, size, now)
        while self.bodies.held_bytes > self._limits.download_bytes:
            self.bodies.drop_oldest()

    def find(self, peer: Peer, key: Key, now: float) -> Response | None:
        """The representation that a later block is of."""
        body = self.bodies.find(peer, key)
        if body is None:
            return None
        self.bodies.touch(body, len(body.content.payload), now)
        return body.content
