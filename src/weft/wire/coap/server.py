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

from weft.wire.coap.admission import Admission
from weft.wire.coap.codes import ACK, CON, NON, Code, is_success
from weft.wire.coap.decode import decode, is_confirmable
from weft.wire.coap.encode import empty_ack, reset
from weft.wire.coap.exchanges import Exchanges
from weft.wire.coap.faults import FormatError, RequestError
from weft.wire.coap.layout import Content, Layout
from weft.wire.coap.limits import DEFAULT_LIMITS, Limits
from weft.wire.coap.message import Message
from weft.wire.coap.notifier import Notifier
from weft.wire.coap.observe import Observation
from weft.wire.coap.options import Option, encode_uint
from weft.wire.coap.outgoing import Outbound, Outgoing
from weft.wire.coap.peers import Address, Exchange, NetworkOf, Peer, Peers
from weft.wire.coap.protection import Protection
from weft.wire.coap.requests import Request, read_request, request_key
from weft.wire.coap.responses import OptionList, Response, as_held, head_options, is_suppressed
from weft.wire.coap.uploads import Uploads

_SWEEP_S = 5.0  # how often what has outlived its time is looked for
# As plain numbers, for the hot path.
_OBSERVE = int(Option.OBSERVE)
_BLOCK2 = int(Option.BLOCK2)
_BLOCK1 = int(Option.BLOCK1)
_NO_RESPONSE = int(Option.NO_RESPONSE)
# Options of a request that change how its answer is laid out.
_SHAPING = frozenset(
    {Option.ETAG, Option.OBSERVE, Option.BLOCK1, Option.BLOCK2, Option.NO_RESPONSE}
)


class ServerEndpoint:
    """All peers of one socket. See the module for its use."""

    __slots__ = (
        "_admission",
        "_exchanges",
        "_layout",
        "_notifier",
        "_outbound",
        "_output",
        "_peers",
        "_protection",
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
        network_of: NetworkOf | None = None,
    ) -> None:
        """`network_of` says of an address which others its holder has, as a /64 of IPv6."""
        self.limits = limits
        self.refused = 0  # datagrams that broke the protocol
        self._protection = protection
        self._peers = Peers(limits, random, self._forgotten, network_of)
        self._admission = Admission(limits, secret, random, self._peers)
        self._exchanges = Exchanges(limits)
        self._uploads = Uploads(limits)
        self._layout = Layout(limits, protection)
        self._outbound = Outbound(limits, random)
        self._notifier = Notifier(limits, self._outbound, self._layout, self._send_to)
        self._output: list[tuple[Address, bytes]] = []
        self._waiting: deque[Exchange] = deque()  # confirmable, in the order of their ACKs
        self._sweep_at = now + _SWEEP_S

    @property
    def held_bytes(self) -> int:
        """What answers and bodies take, estimated; never more than the limits' sum."""
        return (
            self._exchanges.held_bytes
            + self._uploads.bodies.held_bytes
            + self._layout.downloads.bodies.held_bytes
        )

    @property
    def counts(self) -> dict[str, int]:
        """How much is held of what, for metrics."""
        return {
            "peers": len(self._peers),
            "replies": self._exchanges.entries,
            "pending": self._exchanges.pending,
            "uploads": len(self._uploads.bodies),
            "downloads": len(self._layout.downloads.bodies),
            "observations": len(self._notifier.observations),
            "outgoing": len(self._outbound),
        }

    def take_output(self) -> list[tuple[Address, bytes]]:
        """Datagrams to send, in order."""
        output, self._output = self._output, []
        return output

    def _send_to(self, address: Address, data: bytes) -> None:
        self._output.append((address, data))

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
        if message.type == CON:  # a ping, or a response that nobody asked for (4.2, 4.3)
            self._output.append((address, reset(message.message_id)))
        elif peer is not None and message.code == 0:
            self._notifier.on_answer(peer, message, now)
        return None

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
            peer = self._admission.admit(message, digest, address, peer, now)
            if peer is None:
                data = self._admission.challenge(message, address, len(data), now)
                self._output.append((address, data))
                return None
            exchange = Exchange(peer, message.message_id, digest, now, len(data))
            if message.options and self._protection is not None:
                message = self._protection.unprotect(message, address, now)
            request = read_request(message, exchange, self.limits.options)
            self._exchanges.open(exchange)
        except RequestError as error:
            self.refused += 1
            if refusal := self._admission.refuse(message, error, peer):
                self._output.append((address, refusal))
            return None
        if message.type == CON:
            self._expect(exchange)
        if request.values:
            return self._shaped(request, now)
        if len(message.payload) > self.limits.payload_bytes:
            self._fail(request, self._uploads.too_large(self.limits.payload_bytes), now)
            return None
        return request

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
                self._notifier.deregister(request)
            whole: Request | None = request
            if (block1 := values.get(_BLOCK1)) is not None:
                whole = self._uploads.receive(request, block1, now)
                if whole is not None:
                    self._exchanges.grow(request.exchange, len(whole.payload) - len(payload))
                else:
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
        kept = self._layout.downloads.find(request.exchange.peer, key, now)
        if kept is not None:
            self.respond(request, kept, now)
            return None
        if request.code != Code.GET:  # asking again would do it again, or without its body
            raise RequestError(
                Code.REQUEST_ENTITY_INCOMPLETE, "the answer is not kept any more", "RFC 7959 2.9.2"
            )
        return request

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
        more: OptionList = []
        if _OBSERVE in values:
            sequence = self._notifier.first_sequence(request, response.code)
            if sequence is not None:
                more.append((_OBSERVE, encode_uint(sequence)))
        if (block1 := values.get(_BLOCK1)) is not None:
            more.append(self._uploads.answer(block1))
        asked = values.get(_BLOCK2) if is_success(response.code) else None
        options, payload = self._layout.slice(request, response, asked, now)
        self._finish(request, response.code, options + more, payload, now)

    def _finish(
        self, request: Request, code: int, options: OptionList, payload: bytes, now: float
    ) -> None:
        """Write the answer: with the ACK, behind it, or without one (RFC 7252 5.2)."""
        exchange, message, content = request.exchange, request.message, (code, options, payload)
        peer = exchange.peer
        silent = request.values and is_suppressed(code, request.values.get(_NO_RESPONSE, 0))
        if message.type == NON:
            reply = b""
            if not silent:
                data = self._layout.write(
                    message, NON, peer.take_message_id(), (code, options, payload)
                )
                self._send(exchange, message, data, now)
        elif not exchange.is_late:
            if silent:
                reply = empty_ack(exchange.message_id)
                self._output.append((peer.address, reply))
            else:
                reply = self._layout.write(
                    message, ACK, exchange.message_id, (code, options, payload)
                )
                reply = self._send(exchange, message, reply, now)
        else:
            reply = empty_ack(exchange.message_id)
            if not silent:
                self._send_late(exchange, message, content, now)
        self._exchanges.close(exchange, reply, now)

    def _send(self, exchange: Exchange, message: Message, data: bytes, now: float) -> bytes:
        peer = exchange.peer
        if not peer.is_proven and len(data) > self.limits.amplification * exchange.size_bytes:
            data = self._admission.challenge(message, peer.address, exchange.size_bytes, now)
        self._output.append((peer.address, data))
        return data

    def _send_late(
        self, exchange: Exchange, message: Message, content: Content, now: float
    ) -> None:
        """A separate response, confirmable where repeating it amplifies nothing (5.2.2)."""
        peer = exchange.peer
        message_id = peer.take_message_id()
        if not peer.is_proven or self._outbound.is_full:
            data = self._layout.write(message, NON, message_id, content)
            room = self.limits.amplification * exchange.size_bytes - 4  # the ACK was four
            if peer.is_proven or len(data) <= room:
                self._output.append((peer.address, data))
            return
        data = self._layout.write(message, CON, message_id, content)
        self._output.append((peer.address, data))
        self._outbound.add(Outgoing(peer, message_id, data, None), now)

    # Observing.

    def observe(self, request: Request, now: float) -> Observation | None:
        """Register whoever asked; None if there are too many (CO-6)."""
        return self._notifier.register(request, now)

    def notify(
        self, observation: Observation, response: Response, now: float, *, confirm: bool = False
    ) -> bool:
        """Tell an observer the latest; False if it waits behind one in flight, or is void."""
        return self._notifier.notify(observation, response, now, confirm=confirm)

    def cancel(self, observation: Observation) -> None:
        """Drop a registration; the client is not told (RFC 7641 lets it find out)."""
        self._notifier.observations.end(observation)

    def take_ended(self) -> list[Observation]:
        """Observations that have ended since the last call."""
        return self._notifier.observations.take_ended()

    def take_confirmed(self) -> list[Observation]:
        """Observations whose client has acknowledged all that was sent, since the last call."""
        return self._notifier.take_confirmed()

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
        self._notifier.tick(now)
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_S
            self._exchanges.expire(now)
            self._uploads.bodies.expire(now)
            self._layout.downloads.bodies.expire(now)
            self._peers.expire(now)

    # Forgetting.

    def forget(self, address: Address) -> None:
        """An association ended, or a device was revoked: nothing of it is kept."""
        self._peers.forget(address)

    def _forgotten(self, peer: Peer) -> None:
        peer.is_gone = True
        self._exchanges.forget(peer)
        self._uploads.bodies.forget(peer)
        self._layout.downloads.bodies.forget(peer)
        self._notifier.observations.forget(peer)
