"""Strangers: who has not proven its address is challenged, and costs nothing that lasts (CO-2).

A request that carries a fresh Echo value proves its address. Any other of a stranger is answered
4.01 with a value to give back, made of nothing but the request (RFC 9175 2.3), unless strangers
are served and the request would keep no state.
"""

from collections.abc import Callable

from weft.wire.coap.codes import ACK, CON, NON, Code
from weft.wire.coap.echo import Challenged, Echo
from weft.wire.coap.encode import encode_parts
from weft.wire.coap.faults import RequestError
from weft.wire.coap.limits import Limits
from weft.wire.coap.message import Message, Options
from weft.wire.coap.options import Option
from weft.wire.coap.peers import Address, Peer, Peers

_OBSERVE = int(Option.OBSERVE)
_BLOCK1 = int(Option.BLOCK1)
_ECHO = int(Option.ECHO)
_WHOLE = frozenset(bytes((exponent,)) for exponent in range(7)) | {b""}  # Block1 of one block


class Admission:
    """The door of one endpoint."""

    def __init__(
        self, limits: Limits, secret: bytes, random: Callable[[], float], peers: Peers
    ) -> None:
        self._limits = limits
        self._random = random
        self._peers = peers
        self._echo = Echo(secret, limits.echo_window_s)
        self._challenged = Challenged()

    def admit(
        self, message: Message, digest: int, address: Address, peer: Peer | None, now: float
    ) -> Peer | None:
        """The peer whose request is served; None: `challenge` it."""
        limits = self._limits
        if peer is not None and peer.is_proven:
            if now - peer.proven_at >= limits.exchange_lifetime_s:
                return peer
            # A copy of what was challenged comes behind the proof: it is not done beside it.
            return None if self._challenged.has(address, digest) else peer
        keeps_state = False
        echo = b""
        for number, value in message.options:
            if (number == _BLOCK1 and value not in _WHOLE) or (number == _OBSERVE and not value):
                keeps_state = True
            elif number == _ECHO:  # the last of many: each costs two digests to check
                echo = value
        if echo and self._echo.is_fresh(echo, address, now):
            return self._peers.prove(address, now)
        if keeps_state or limits.challenge_first:
            self._challenged.add(address, digest)
            return None
        return peer or self._peers.admit_stranger(address, now)

    def challenge(self, message: Message, address: Address, size_bytes: int, now: float) -> bytes:
        """4.01 with Echo; without where that would amplify a request of next to nothing."""
        echo = ((_ECHO, self._echo.value(address, now)),)
        data = self._stateless(message, Code.UNAUTHORIZED, echo, b"")
        if len(data) > self._limits.amplification * size_bytes:
            data = self._stateless(message, Code.UNAUTHORIZED, (), b"")
        return data

    def refuse(self, message: Message, error: RequestError, peer: Peer | None) -> bytes:
        """An answer that needs no exchange: a copy of the request gets it again."""
        if message.type == NON and error.answer == Code.BAD_OPTION:
            return b""  # RFC 7252 5.4.1: rejected, and that in silence (4.3)
        told = error.detail.encode() if peer is not None and peer.is_proven else b""
        return self._stateless(message, error.answer, error.options, told)

    def _stateless(self, message: Message, code: int, options: Options, payload: bytes) -> bytes:
        if message.type == CON:
            head = ACK << 16 | message.message_id
        else:
            head = NON << 16 | int(self._random() * 0x10000)
        return encode_parts(head, code, message.token, options, payload)
