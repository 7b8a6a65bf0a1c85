"""The server's end of CoAP for any number of peers, without socket, clock or handlers.

How a transport drives it (one endpoint per listening socket; all calls from one thread):

1.  `endpoint = ServerEndpoint(limits, secret=32 random bytes, random=random.random,
    now=now)`.
    `now` is a monotonic clock in seconds everywhere. An address is anything hashable; it comes
    back beside each datagram to send. For UDP it is the socket address; for DTLS it is an
    object of the association (a new one each time), with `is_proven=True`.
2.  For each datagram: `request = endpoint.receive_datagram(data, address, now)`. It never
    raises for what the peer sent. None: nothing for you (a copy, an acknowledgement, a block in
    the middle, a stranger, a breach). After a batch of them send everything that
    `endpoint.take_output()` has: pairs of address and bytes. `refused` counts breaches.
3.  Answer each `Request` exactly once, at once or later, in any order:
    `endpoint.respond(request, Response(...), now)`, then send `take_output()`. Bodies in blocks
    are put together before you see them; a payload of any size may be answered and is sent in
    blocks. Conditions (`if_match`, `if_none_match`), `accept`, `content_format` are yours to
    judge; an answer with an `etag` that the client holds becomes 2.03 inside.
4.  Observe: if `request.observe == 0` and the resource can be observed, call
    `observation = endpoint.observe(request, now)` before `respond`. None: too many, answer as
    if it was not asked. The same object comes again when the client renews. Later:
    `endpoint.notify(observation, Response(...), now, confirm=False)`; with `confirm` the client
    must acknowledge. While one is in flight only the latest waits behind it. An error
    code ends the observation. `endpoint.cancel(observation)` drops it without a word.
    Drain `endpoint.take_ended()` with the output: those ended by the client, by silence, by an
    error answer, or because the peer was forgotten; and `endpoint.take_confirmed()`: those whose
    client has acknowledged all that was sent so far.
5.  `endpoint.next_timeout()` is when `endpoint.tick(now)` has something to do, or None. Ask
    after each batch. Behind `tick`, send `take_output()` and drain `take_ended()`.
6.  `endpoint.forget(address)` when an association ends or a device is revoked: its
    observations end, its bodies and answers are dropped, its address is a stranger's again.

A stranger (CO-2) is a UDP address that has not answered an Echo challenge. With
`limits.challenge_first` nothing of it is served or kept: its requests get 4.01 with Echo,
which needs no memory. Without, its small requests are served and answered, but never with more
than three times the bytes that it sent; what would keep state (blocks, Observe) is challenged.

OSCORE (RFC 8613) has its seam in `protection`: with none, option 9 is an unknown critical one.
"""

from collections import deque
from collections.abc import Callable

from msgspec.structs import replace

from weft.wire.coap.block import Block
from weft.wire.coap.codes import ACK, CON, NON, RST, Code, is_success
from weft.wire.coap.decode import decode, is_confirmable
from weft.wire.coap.downloads import Downloads
from weft.wire.coap.echo import Echo
from weft.wire.coap.encode import empty_ack, encode, encode_parts, reset
from weft.wire.coap.exchanges import Exchanges
from weft.wire.coap.faults import FormatError, RequestError
from weft.wire.coap.limits import DEFAULT_LIMITS, Limits
from weft.wire.coap.message import Message, Options
from weft.wire.coap.observe import Observation, Observations
from weft.wire.coap.options import Option, encode_uint
from weft.wire.coap.outgoing import Outbound, Outgoing
from weft.wire.coap.peers import Address, Exchange, Peer, Peers
from weft.wire.coap.protection import Protection
from weft.wire.coap.requests import Request, read_request, request_key
from weft.wire.coap.responses import (
    OptionList,
    Response,
    as_held,
    etag_of,
    head_options,
    is_suppressed,
    slice_of,
)
from weft.wire.coap.uploads import Uploads

_SWEEP_S = 5.0  # how often what has outlived its time is looked for
# As plain numbers, for the hot path.
_OBSERVE = int(Option.OBSERVE)
_BLOCK2 = int(Option.BLOCK2)
_BLOCK1 = int(Option.BLOCK1)
_SIZE2 = int(Option.SIZE2)
_ECHO = int(Option.ECHO)
_NO_RESPONSE = int(Option.NO_RESPONSE)
_WHOLE = frozenset(bytes((exponent,)) for exponent in range(7)) | {b""}  # Block1 of one block
Body = tuple[int, OptionList, bytes]  # code, options and payload of an answer
# Options of a request that change how its answer is laid out.
_SHAPING = frozenset(
    {Option.ETAG, Option.OBSERVE, Option.BLOCK1, Option.BLOCK2, Option.NO_RESPONSE}
)
_SAFE = frozenset({Code.GET, Code.FETCH})


class ServerEndpoint:
    """All peers of one socket. See the module for its use."""

    __slots__ = (
        "_confirmed",
        "_downloads",
        "_echo",
        "_exchanges",
        "_observations",
        "_outbound",
        "_output",
        "_peers",
        "_protection",
        "_random",
        "_sweep_at",
        "_uploads",
        "_waiting",
        "limits",
        "refused",
    )

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        *,
        secret: bytes,
        random: Callable[[], float],
        protection: Protection | None = None,
        now: float = 0.0,
    ) -> None:
        self.limits = limits
        self.refused = 0  # datagrams that broke the protocol
        self._random = random
        self._protection = protection
        self._echo = Echo(secret, limits.echo_window_s)
        self._peers = Peers(limits, random, self._forgotten)
        self._exchanges = Exchanges(limits)
        self._uploads = Uploads(limits)
        self._downloads = Downloads(limits)
        self._observations = Observations(limits)
        self._outbound = Outbound(limits, random)
        self._confirmed: list[Observation] = []
        self._output: list[tuple[Address, bytes]] = []
        self._waiting: deque[Exchange] = deque()  # confirmable, in the order of their ACKs
        self._sweep_at = now + _SWEEP_S

    @property
    def held_bytes(self) -> int:
        """What answers and bodies take, estimated; never more than the limits' sum."""
        return (
            self._exchanges.held_bytes
            + self._uploads.bodies.held_bytes
            + self._downloads.bodies.held_bytes
        )

    @property
    def counts(self) -> dict[str, int]:
        """How much is held of what, for metrics."""
        return {
            "peers": len(self._peers),
            "replies": self._exchanges.entries,
            "pending": self._exchanges.pending,
            "uploads": len(self._uploads.bodies),
            "downloads": len(self._downloads.bodies),
            "observations": len(self._observations),
            "outgoing": len(self._outbound),
        }

    def take_output(self) -> list[tuple[Address, bytes]]:
        """Datagrams to send, in order."""
        output, self._output = self._output, []
        return output

    def take_ended(self) -> list[Observation]:
        """Observations that have ended since the last call."""
        return self._observations.take_ended()

    # Receiving.

    def receive_datagram(
        self, data: bytes, address: Address, now: float, *, is_proven: bool = False
    ) -> Request | None:
        """One datagram; the request in it, if a handler is to have it."""
        try:
            message = decode(data)
        except FormatError:
            self.refused += 1
            if is_confirmable(data):  # RFC 7252 4.2
                self._output.append((address, reset(data[2] << 8 | data[3])))
            return None
        peer = self._peers.find(address, now)
        if is_proven and (peer is None or not peer.is_proven):
            peer = self._peers.prove(address, now)
        if 0 < message.code < 0x20 and message.type <= NON:
            return self._on_request(message, data, (address, peer), now)
        self._on_other(message, address, peer, now)
        return None

    def _on_other(self, message: Message, address: Address, peer: Peer | None, now: float) -> None:
        kind = message.type
        if kind == CON:  # a ping, or a response that nobody asked for (RFC 7252 4.2, 4.3)
            self._output.append((address, reset(message.message_id)))
        elif peer is not None and message.code == 0:
            outgoing = self._outbound.settle(peer, message.message_id)
            if kind == RST:
                self._observations.end_by_message(peer, message.message_id)
            elif outgoing is not None and outgoing.observation is not None:
                self._on_confirmed(outgoing.observation, now)

    def _on_request(
        self, message: Message, data: bytes, source: tuple[Address, Peer | None], now: float
    ) -> Request | None:
        address, peer = source
        digest = hash(data)
        if peer is not None:
            known = self._exchanges.find(peer, message.message_id, digest, now)
            if known is not None:
                self._repeat(known, message)
                return None
        try:
            if peer is None or not peer.is_proven:
                peer = self._admit(message, address, peer, now)
                if peer is None:
                    self._challenge(message, address, len(data), now)
                    return None
            exchange = Exchange(peer, message.message_id, digest, now, len(data))
            if message.options and self._protection is not None:
                message = self._protection.unprotect(message, address, now)
            request = read_request(message, exchange, self.limits.options)
            self._exchanges.open(exchange)
        except RequestError as error:
            self.refused += 1
            self._refuse(message, address, peer, error)
            return None
        if message.type == CON:
            self._expect(exchange)
        if request.values:
            return self._shaped(request, now)
        if len(message.payload) > self.limits.payload_bytes:
            self._fail(request, self._uploads.too_large(self.limits.payload_bytes), now)
            return None
        return request

    def _admit(
        self, message: Message, address: Address, peer: Peer | None, now: float
    ) -> Peer | None:
        """Whether a stranger is served: None if it has to prove its address first (CO-2)."""
        keeps_state = False
        for number, value in message.options:
            if number == _ECHO and self._echo.is_fresh(value, address, now):
                return self._peers.prove(address, now)
            if (number == _BLOCK1 and value not in _WHOLE) or (number == _OBSERVE and not value):
                keeps_state = True
        if keeps_state or self.limits.challenge_first:
            return None
        return peer or self._peers.admit_stranger(address, now)

    def _challenge(self, message: Message, address: Address, size_bytes: int, now: float) -> None:
        """4.01 with an Echo value, from nothing but the request (RFC 9175 2.3)."""
        echo = ((_ECHO, self._echo.value(address, now)),)
        data = self._stateless(message, Code.UNAUTHORIZED, echo, b"")
        if len(data) > self.limits.amplification * size_bytes:
            data = self._stateless(message, Code.UNAUTHORIZED, (), b"")
        self._output.append((address, data))

    def _refuse(
        self, message: Message, address: Address, peer: Peer | None, error: RequestError
    ) -> None:
        """An answer that needs no exchange: a copy of the request gets it again."""
        if message.type == NON and error.answer == Code.BAD_OPTION:
            return  # RFC 7252 5.4.1: rejected, and that in silence (4.3)
        told = error.detail.encode() if peer is not None and peer.is_proven else b""
        data = self._stateless(message, error.answer, error.options, told)
        self._output.append((address, data))

    def _stateless(self, message: Message, code: int, options: Options, payload: bytes) -> bytes:
        if message.type == CON:
            head = ACK << 16 | message.message_id
        else:
            head = NON << 16 | int(self._random() * 0x10000)
        return encode_parts(head, code, message.token, options, payload)

    def _repeat(self, exchange: Exchange, message: Message) -> None:
        """A copy has come: the first one's answer goes out again (RFC 7252 4.5)."""
        if exchange.reply:
            self._output.append((exchange.peer.address, exchange.reply))
        elif exchange.is_late and message.type == CON:
            self._output.append((exchange.peer.address, empty_ack(exchange.message_id)))

    def _expect(self, exchange: Exchange) -> None:
        waiting = self._waiting
        while waiting and waiting[0].reply is not None:
            waiting.popleft()
        waiting.append(exchange)

    def _shaped(self, request: Request, now: float) -> Request | None:
        """A request with options: blocks are put together, or answered from what is kept."""
        values, payload = request.values, request.payload
        try:
            if len(payload) > self.limits.payload_bytes:
                raise self._uploads.too_large(self.limits.payload_bytes)
            if values.get(_OBSERVE) == 1:
                self._deregister(request)
            whole: Request | None = request
            if (block1 := values.get(_BLOCK1)) is not None:
                whole = self._uploads.receive(request, block1, now)
                if whole is None:
                    self._finish(request, Code.CONTINUE, [self._uploads.answer(block1)], b"", now)
                    return None
            if (block2 := values.get(_BLOCK2)) is not None and block2.number and not payload:
                return self._next_block(request, now)
        except RequestError as error:
            self._fail(request, error, now)
            return None
        return whole

    def _next_block(self, request: Request, now: float) -> Request | None:
        key = request_key(request.message)
        kept = self._downloads.find(request.exchange.peer, key, now)
        if kept is not None:
            self.respond(request, kept, now)
            return None
        if request.code not in _SAFE:  # asking again would do it again (RFC 7959 2.9.2)
            raise RequestError(
                Code.REQUEST_ENTITY_INCOMPLETE, "the answer is not kept any more", "RFC 7959 2.9.2"
            )
        return request

    def _deregister(self, request: Request) -> None:
        known = self._observations.find(request.exchange.peer, request.message.token)
        if known is not None:
            self._observations.end(known)

    def _fail(self, request: Request, error: RequestError, now: float) -> None:
        self.refused += 1
        told = error.detail.encode() if request.exchange.peer.is_proven else b""
        self._finish(request, error.answer, list(error.options), told, now)

    # Answering.

    def respond(self, request: Request, response: Response, now: float) -> None:
        """The one answer to a request. Raises RuntimeError for a second one."""
        if request.exchange.reply is not None:
            raise RuntimeError(f"{request.path} was answered already")
        values = request.values
        if (values and not _SHAPING.isdisjoint(values)) or len(
            response.payload
        ) > self.limits.block_bytes:
            try:
                self._respond_shaped(request, response, now)
            except RequestError as error:
                self._fail(request, error, now)
            return
        self._finish(request, response.code, head_options(response), response.payload, now)

    def _respond_shaped(self, request: Request, response: Response, now: float) -> None:
        values = request.values
        if response.code == Code.CONTENT and response.etag and response.etag in request.etags:
            response = as_held(response)
        done = is_success(response.code)
        more: OptionList = []
        if _OBSERVE in values and (sequence := self._registered(request, done=done)) is not None:
            more.append((_OBSERVE, encode_uint(sequence)))
        if (block1 := values.get(_BLOCK1)) is not None:
            more.append(self._uploads.answer(block1))
        asked = values.get(_BLOCK2) if done else None
        options, payload = self._sliced(request, response, asked, now)
        self._finish(request, response.code, options + more, payload, now)

    def _registered(self, request: Request, *, done: bool) -> int | None:
        known = self._observations.find(request.exchange.peer, request.message.token)
        if known is None or known.request is not request:
            return None
        if done:
            return known.take_sequence()
        self._observations.end(known)  # RFC 7641 4.1
        return None

    def _sliced(
        self, request: Request, response: Response, asked: Block | None, now: float
    ) -> tuple[OptionList, bytes]:
        """The block of a body that goes out, and its options (RFC 7959 2.4)."""
        payload = response.payload
        if not payload or (asked is None and len(payload) <= self.limits.block_bytes):
            return head_options(response), payload
        block, piece = slice_of(payload, asked, self.limits.block_bytes)
        if not block.more and not block.number:
            return [*head_options(response), (_BLOCK2, block.encode())], piece
        if not response.etag:
            response = replace(response, etag=etag_of(response))
        peer = request.exchange.peer
        if block.more and peer.is_proven:
            key = request_key(request.message)
            if self._downloads.find(peer, key, now) is not response:
                self._downloads.keep(peer, key, response, now)
        options = head_options(response)
        options.append((_BLOCK2, block.encode()))
        options.append((_SIZE2, encode_uint(len(payload))))
        return options, piece

    def _finish(
        self, request: Request, code: int, options: OptionList, payload: bytes, now: float
    ) -> None:
        """Write the answer: with the ACK, behind it, or without one (RFC 7252 5.2)."""
        exchange, message = request.exchange, request.message
        peer = exchange.peer
        silent = request.values and is_suppressed(code, request.values.get(_NO_RESPONSE, 0))
        if message.type == NON:
            reply = b""
            if not silent:
                data = self._write(message, NON, peer.take_message_id(), (code, options, payload))
                self._send(exchange, message, data, now)
        elif not exchange.is_late:
            if silent:
                reply = empty_ack(exchange.message_id)
                self._output.append((peer.address, reply))
            else:
                reply = self._write(message, ACK, exchange.message_id, (code, options, payload))
                reply = self._send(exchange, message, reply, now)
        else:
            reply = empty_ack(exchange.message_id)
            if not silent:
                self._send_late(exchange, message, (code, options, payload), now)
        self._exchanges.close(exchange, reply, now)

    def _send(self, exchange: Exchange, message: Message, data: bytes, now: float) -> bytes:
        peer = exchange.peer
        if not peer.is_proven and len(data) > self.limits.amplification * exchange.size_bytes:
            self._challenge(message, peer.address, exchange.size_bytes, now)
            return self._output[-1][1]
        self._output.append((peer.address, data))
        return data

    def _send_late(self, exchange: Exchange, message: Message, body: Body, now: float) -> None:
        """A separate response, confirmable where repeating it amplifies nothing (5.2.2)."""
        peer = exchange.peer
        message_id = peer.take_message_id()
        if not peer.is_proven or self._outbound.is_full:
            data = self._write(message, NON, message_id, body)
            room = self.limits.amplification * exchange.size_bytes - 4  # the ACK was four
            if peer.is_proven or len(data) <= room:
                self._output.append((peer.address, data))
            return
        data = self._write(message, CON, message_id, body)
        self._output.append((peer.address, data))
        self._outbound.add(Outgoing(peer, message_id, data, None), now)

    def _write(self, request: Message, kind: int, message_id: int, body: Body) -> bytes:
        code, options, payload = body
        if self._protection is None:
            return encode_parts(kind << 16 | message_id, code, request.token, options, payload)
        inner = Message(kind, code, message_id, request.token, tuple(options), payload)
        return encode(self._protection.protect(request, inner))

    # Observing.

    def observe(self, request: Request, now: float) -> Observation | None:
        """Register whoever asked; None if there are too many (CO-6)."""
        peer = request.exchange.peer
        if request.observe != 0 or request.code not in _SAFE or not peer.is_proven:
            return None
        return self._observations.register(request, now)

    def notify(
        self, observation: Observation, response: Response, now: float, *, confirm: bool = False
    ) -> bool:
        """Tell an observer the latest; False if it waits behind one in flight, or is void."""
        if observation.is_ended:
            return False
        if observation.in_flight:
            confirm = confirm or (observation.next is not None and observation.next[1])
            observation.next = (response, confirm)
            return False
        done = is_success(response.code)
        confirm = confirm or not done or self._observations.wants_ack(observation, now)
        kind = NON if self._outbound.is_full or not confirm else CON
        data = self._notification(observation, response, kind, now)
        self._output.append((observation.peer.address, data))
        observation.since_confirmed += 1
        if kind == CON:
            observation.since_confirmed = 0
            outgoing = Outgoing(observation.peer, observation.last_id, data, observation)
            observation.in_flight = True
            self._outbound.add(outgoing, now)
        if not done:
            self._observations.end(observation)
        return True

    def cancel(self, observation: Observation) -> None:
        """Drop a registration; the client is not told (RFC 7641 lets it find out)."""
        self._observations.end(observation)

    def take_confirmed(self) -> list[Observation]:
        """Observations whose client has acknowledged all that was sent, since the last call."""
        confirmed, self._confirmed = self._confirmed, []
        return confirmed

    def _notification(
        self, observation: Observation, response: Response, kind: int, now: float
    ) -> bytes:
        request = observation.request
        done = is_success(response.code)
        asked = request.block2 if done else None
        if asked is not None and asked.number:
            asked = replace(asked, number=0)
        options, payload = self._sliced(request, response, asked, now)
        if done:
            options.append((_OBSERVE, encode_uint(observation.take_sequence())))
        observation.last_id = observation.peer.take_message_id()
        body = (response.code, options, payload)
        return self._write(request.message, kind, observation.last_id, body)

    def _on_confirmed(self, observation: Observation, now: float) -> None:
        observation.in_flight = False
        observation.confirmed_at = now
        waiting, observation.next = observation.next, None
        if waiting is None:
            self._confirmed.append(observation)
        else:
            self.notify(observation, waiting[0], now, confirm=waiting[1])

    # Time.

    def next_timeout(self) -> float | None:
        """When `tick` has something to do; None if nothing waits for the clock."""
        waiting = self._waiting
        while waiting and waiting[0].reply is not None:
            waiting.popleft()
        due = self._outbound.next_due()
        if len(self._peers) and (due is None or self._sweep_at < due):
            due = self._sweep_at
        if waiting:
            late_at = waiting[0].arrived_at + self.limits.ack_delay_s
            due = late_at if due is None else min(due, late_at)
        return due

    def tick(self, now: float) -> None:
        """Send what is due, give up what is lost, drop what has outlived its time."""
        waiting = self._waiting
        while waiting:
            exchange = waiting[0]
            if exchange.reply is None:
                if exchange.arrived_at + self.limits.ack_delay_s > now:
                    break
                exchange.is_late = True
                self._output.append((exchange.peer.address, empty_ack(exchange.message_id)))
            waiting.popleft()
        again, lost = self._outbound.take_due(now)
        for outgoing in again:
            self._send_again(outgoing, now)
        for outgoing in lost:
            if outgoing.observation is not None:
                self._observations.end(outgoing.observation)  # RFC 7641 4.5
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_S
            self._exchanges.expire(now)
            self._uploads.bodies.expire(now)
            self._downloads.bodies.expire(now)
            self._peers.expire(now)

    def _send_again(self, outgoing: Outgoing, now: float) -> None:
        observation = outgoing.observation
        if observation is not None and observation.next is not None:
            response, observation.next = observation.next[0], None  # RFC 7641 4.5.2
            data = self._notification(observation, response, CON, now)
            self._outbound.rename(outgoing, observation.last_id, data)
            if not is_success(response.code):
                self._observations.end(observation)
        self._output.append((outgoing.peer.address, outgoing.data))

    # Forgetting.

    def forget(self, address: Address) -> None:
        """An association ended, or a device was revoked: nothing of it is kept."""
        self._peers.forget(address)

    def _forgotten(self, peer: Peer) -> None:
        peer.is_gone = True
        self._exchanges.forget(peer)
        self._uploads.bodies.forget(peer)
        self._downloads.bodies.forget(peer)
        self._observations.forget(peer)
