"""A client's end of CoAP towards one server, without socket or clock: for tests, load, simulators.

1.  `client = ClientEndpoint(random=random.random)`. `call_id = client.request(Ask(...), now)`;
    send each of `client.take_output()`.
2.  For each datagram: `events = client.receive_datagram(data, now)`, then send the output. An
    `Answer` is whole: blocks in both directions, the Echo challenge of a server that does not
    know us yet, separate answers and repeated messages are dealt with inside.
3.  With `Ask.observe` an `Answer` comes for each notification, with `sequence` set; stale ones
    are dropped (RFC 7641 3.4). `client.deregister(call_id, now)` ends it in words,
    `client.forget(call_id)` without: the next notification is reset.
4.  `client.next_timeout()` is when `client.tick(now)` has something to do; it returns `Lost` for
    what was given up.
"""

from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from weft.wire.coap.block import Block, decode_block, exponent_of
from weft.wire.coap.codes import ACK, CON, NON, Code, is_success
from weft.wire.coap.decode import decode
from weft.wire.coap.encode import empty_ack, encode_parts, reset
from weft.wire.coap.faults import FormatError, RequestError
from weft.wire.coap.limits import DEFAULT_LIMITS, Limits
from weft.wire.coap.message import Message, Options
from weft.wire.coap.options import Option, decode_uint, encode_uint
from weft.wire.coap.outgoing import Outbound, Outgoing
from weft.wire.coap.peers import Peer

_REMEMBERED = 64  # message ids of the server, to tell a copy
_SAFE = frozenset({Code.GET, Code.FETCH})
_TRIES = 3  # of a challenge, or of a body that changed under us


class Ask(Struct, frozen=True):
    """One request, as it is meant; the endpoint cuts it into messages."""

    code: int
    path: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    payload: bytes = b""
    content_format: int | None = None
    accept: int | None = None
    options: Options = ()
    confirmable: bool = True
    observe: bool = False
    block_bytes: int = 1024


class Answer(Struct, frozen=True):
    """What the server says, whole. `sequence` is set in notifications."""

    call_id: int
    code: int
    payload: bytes
    options: Options
    sequence: int | None = None

    def option(self, number: int) -> bytes | None:
        """The first value of an option."""
        return next((value for known, value in self.options if known == number), None)


class Lost(Struct, frozen=True):
    """No answer: the server is silent, or has reset the request."""

    call_id: int
    reason: str


class _Call:
    """One request under way; a new token for each of its messages, so that none is mistaken."""

    __slots__ = (
        "ask",
        "call_id",
        "echo",
        "etag",
        "exponent",
        "is_tagged",
        "message_id",
        "observed",
        "received",
        "sent_at",
        "sequence",
        "token",
        "tries",
        "uploaded",
    )

    def __init__(self, call_id: int, ask: Ask) -> None:
        self.call_id = call_id
        self.ask = ask
        self.exponent = exponent_of(ask.block_bytes)
        self.is_tagged = len(ask.payload) > ask.block_bytes
        self.token = b""
        self.message_id = -1
        self.echo = b""
        self.etag: bytes | None = None
        self.uploaded = 0  # bytes of the body that the server has
        self.received = bytearray()  # of the answer's body
        self.tries = 0
        self.sent_at = 0.0
        self.observed = ask.observe  # this message registers
        self.sequence: int | None = None


Event = Answer | Lost


class ClientEndpoint:
    """All that is under way with one server."""

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        *,
        random: Callable[[], float],
        answer_wait_s: float = 60.0,
    ) -> None:
        self._limits = limits
        self._answer_wait_s = answer_wait_s
        self._server = Peer("server", int(random() * 0x10000), 0.0, is_proven=True)
        self._outbound = Outbound(limits, random)
        self._output: list[bytes] = []
        self._calls: dict[bytes, _Call] = {}  # by the token of their last message, oldest first
        self._observed: dict[bytes, tuple[int, Ask, int | None]] = {}  # call, what, last number
        self._next_call = 0
        self._next_token = int(random() * 0x1_0000_0000)
        self._seen: OrderedDict[int, None] = OrderedDict()

    @property
    def pending(self) -> int:
        """Requests without an answer yet."""
        return len(self._calls)

    def take_output(self) -> list[bytes]:
        """Datagrams to send, in order."""
        output, self._output = self._output, []
        return output

    def request(self, ask: Ask, now: float) -> int:
        """Begin a request; its answer carries the id that this returns."""
        self._next_call += 1
        self._send(_Call(self._next_call, ask), now)
        return self._next_call

    def deregister(self, call_id: int, now: float) -> None:
        """Ask the server to notify no more (RFC 7641 3.6); what it answers is an `Answer`."""
        for token, (known, ask, _) in list(self._observed.items()):
            if known == call_id:
                del self._observed[token]
                call = _Call(call_id, ask)
                call.observed = False
                self._send(call, now, token, ((Option.OBSERVE, b"\x01"),))

    def forget(self, call_id: int) -> None:
        """Want no more of it."""
        for token, (known, _, _) in list(self._observed.items()):
            if known == call_id:
                del self._observed[token]
        for call in [one for one in self._calls.values() if one.call_id == call_id]:
            self._end(call)

    # Sending.

    def _send(
        self, call: _Call, now: float, token: bytes | None = None, more: Options = ()
    ) -> None:
        self._calls.pop(call.token, None)
        if token is None:
            self._next_token = self._next_token + 1 & 0xFFFF_FFFF
            token = self._next_token.to_bytes(4, "big")
        call.token, call.sent_at = token, now
        call.message_id = self._server.take_message_id()
        self._calls[token] = call
        ask = call.ask
        options, payload = _message_of(call)
        kind = CON if ask.confirmable else NON
        head = kind << 16 | call.message_id
        data = encode_parts(head, ask.code, token, [*options, *more], payload)
        self._output.append(data)
        if ask.confirmable:
            self._outbound.add(Outgoing(self._server, call.message_id, data, None), now)

    def _end(self, call: _Call) -> None:
        self._calls.pop(call.token, None)
        self._outbound.settle(self._server, call.message_id)

    # Receiving.

    def receive_datagram(self, data: bytes, now: float) -> list[Event]:
        """One datagram of the server; what it completes. Noise is ignored."""
        try:
            message = decode(data)
        except FormatError:
            return []
        if message.type >= ACK:
            self._outbound.settle(self._server, message.message_id)
            return self._on_acknowledgement(message, now)
        if message.code < 0x20:  # a ping, or a request: this is no server
            if message.type == CON:
                self._output.append(reset(message.message_id))
            return []
        known = message.token in self._calls or message.token in self._observed
        is_copy = message.message_id in self._seen
        if not known and not is_copy:
            self._output.append(reset(message.message_id))
            return []
        if message.type == CON:
            self._output.append(empty_ack(message.message_id))
        if is_copy:
            return []
        self._seen[message.message_id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        if (call := self._calls.get(message.token)) is not None:
            self._outbound.settle(self._server, call.message_id)
        return self._on_response(message, now)

    def _on_acknowledgement(self, message: Message, now: float) -> list[Event]:
        if message.type == ACK:
            if not message.code:
                return []  # the answer comes later
            call = self._calls.get(message.token)
            if call is None or call.message_id != message.message_id:
                return []
            return self._on_response(message, now)
        for call in self._calls.values():
            if call.message_id == message.message_id:
                self._end(call)
                return [Lost(call.call_id, "the server has reset the request")]
        return []

    def _on_response(self, message: Message, now: float) -> list[Event]:
        call = self._calls.get(message.token)
        options = dict(reversed(message.options))  # the first of each
        try:
            block2 = _block(options.get(Option.BLOCK2))
            block1 = _block(options.get(Option.BLOCK1))
        except RequestError as error:
            return self._give_up(call, error.detail)
        if call is None:
            return self._on_notification(message, options, block2, now)
        if message.code == Code.UNAUTHORIZED and call.tries < _TRIES and Option.ECHO in options:
            call.echo, call.tries = options[Option.ECHO], call.tries + 1
            self._send(call, now)  # the same message again, that proves our address
            return []
        call.echo = b""
        if message.code == Code.CONTINUE and block1 is not None:
            return self._next_upload(call, block1, now)
        if is_success(message.code) and block2 is not None:
            return self._on_block(call, message, block2, now)
        return self._answered(call, message, message.payload)

    def _from_start(self, call: _Call, now: float) -> list[Event]:
        """The answer has changed between its blocks: what is safe to ask for again, is."""
        if call.tries >= _TRIES or call.ask.code not in _SAFE:
            return self._give_up(call, "the answer has changed between its blocks")
        call.tries += 1
        call.received.clear()
        call.etag, call.uploaded = None, 0
        self._send(call, now)
        return []

    def _give_up(self, call: _Call | None, reason: str) -> list[Event]:
        if call is None:
            return []
        self._end(call)
        return [Lost(call.call_id, reason)]

    def _next_upload(self, call: _Call, block: Block, now: float) -> list[Event]:
        call.uploaded += min(1 << call.exponent + 4, len(call.ask.payload) - call.uploaded)
        call.exponent = min(call.exponent, block.exponent)
        if call.uploaded >= len(call.ask.payload):
            return self._give_up(call, "the server asks for more than there is")
        self._send(call, now)
        return []

    def _on_block(self, call: _Call, message: Message, block: Block, now: float) -> list[Event]:
        etag = Answer(0, 0, b"", message.options).option(Option.ETAG)
        if block.offset != len(call.received) or (block.number and etag != call.etag):
            return self._from_start(call, now)
        call.received += message.payload
        call.etag = etag
        if not block.more:
            return self._answered(call, message, bytes(call.received))
        if len(call.received) > self._limits.payload_bytes:
            return self._give_up(call, "the answer is too large")
        call.exponent = block.exponent
        if call.observed:
            self._watch(call, message)
        call.uploaded = len(call.ask.payload)  # RFC 7959 3.3: the body is not sent again
        self._send(call, now)
        return []

    def _answered(self, call: _Call, message: Message, payload: bytes) -> list[Event]:
        if call.observed:
            self._watch(call, message)
        self._end(call)
        return [Answer(call.call_id, message.code, payload, message.options, call.sequence)]

    def _watch(self, call: _Call, message: Message) -> None:
        """The answer to a registration: with Observe it was taken (RFC 7641 3.1)."""
        sequence = Answer(0, 0, b"", message.options).option(Option.OBSERVE)
        call.observed = False
        if sequence is not None and is_success(message.code):
            call.sequence = decode_uint(sequence)
            self._observed[message.token] = (call.call_id, call.ask, call.sequence)

    def _on_notification(
        self, message: Message, options: dict[int, bytes], block: Block | None, now: float
    ) -> list[Event]:
        call_id, ask, last = self._observed[message.token]
        if not is_success(message.code) or Option.OBSERVE not in options:
            del self._observed[message.token]
            return [Answer(call_id, message.code, message.payload, message.options)]
        sequence = decode_uint(options[Option.OBSERVE])
        if last is not None and not _is_newer(sequence, last):
            return []
        self._observed[message.token] = (call_id, ask, sequence)
        if block is None or not block.more:
            return [Answer(call_id, message.code, message.payload, message.options, sequence)]
        for older in [one for one in self._calls.values() if one.call_id == call_id]:
            self._end(older)  # it fetches a value that is no more
        call = _Call(call_id, ask)
        call.observed, call.sequence = False, sequence
        call.received += message.payload
        call.etag, call.exponent = options.get(Option.ETAG), block.exponent
        self._send(call, now)
        return []

    # Time.

    def next_timeout(self) -> float | None:
        """When `tick` has something to do."""
        due = self._outbound.next_due()
        for call in self._calls.values():
            late_at = call.sent_at + self._answer_wait_s
            return late_at if due is None else min(due, late_at)
        return due

    def tick(self, now: float) -> list[Event]:
        """Send again what is due; what was given up."""
        again, lost = self._outbound.take_due(now)
        self._output.extend(outgoing.data for outgoing in again)
        silent = {outgoing.message_id for outgoing in lost}
        over = (
            [call for call in self._calls.values() if call.message_id in silent] if silent else []
        )
        for call in self._calls.values():
            if call.sent_at + self._answer_wait_s > now:
                break
            if call not in over:
                over.append(call)
        for call in over:
            self._end(call)
        return [Lost(call.call_id, "the server does not answer") for call in over]


def _message_of(call: _Call) -> tuple[list[tuple[int, bytes]], bytes]:
    """The options and the payload of the next message of a call."""
    ask = call.ask
    options: list[tuple[int, bytes]] = [(Option.URI_PATH, part.encode()) for part in ask.path]
    options.extend((Option.URI_QUERY, part.encode()) for part in ask.query)
    options.extend(ask.options)
    if ask.accept is not None:
        options.append((Option.ACCEPT, encode_uint(ask.accept)))
    if ask.content_format is not None:
        options.append((Option.CONTENT_FORMAT, encode_uint(ask.content_format)))
    if call.observed:
        options.append((Option.OBSERVE, b""))
    if call.echo:
        options.append((Option.ECHO, call.echo))
    if call.is_tagged:  # also while the answer is fetched: it is the same operation (RFC 9175 3.4)
        options.append((Option.REQUEST_TAG, encode_uint(call.call_id & 0xFFFF_FFFF)))
    size = 1 << call.exponent + 4
    if call.received or ask.block_bytes < 1024:
        number = len(call.received) >> call.exponent + 4
        options.append((Option.BLOCK2, Block(number, exponent=call.exponent).encode()))
    payload = b"" if call.received else ask.payload
    if len(payload) > size or call.uploaded:
        start = call.uploaded
        number, more = start >> call.exponent + 4, start + size < len(payload)
        if payload:
            options.append((Option.BLOCK1, Block(number, more, call.exponent).encode()))
            if not start:
                options.append((Option.SIZE1, encode_uint(len(payload))))
        payload = payload[start : start + size]
    return options, payload


def _block(value: bytes | None) -> Block | None:
    return None if value is None else decode_block(decode_uint(value))


def _is_newer(number: int, than: int) -> bool:
    """RFC 7641 3.4, without its clock: within half of the 24 bits."""
    return 0 < (number - than) % (1 << 24) < 1 << 23
