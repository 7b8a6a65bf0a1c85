"""A request as a handler reads it: method, path, query, payload, options by meaning."""

from typing import Any

from msgspec import Struct

from weft.wire.coap.block import Block, decode_block
from weft.wire.coap.codes import CON, METHODS, Code
from weft.wire.coap.faults import RequestError
from weft.wire.coap.message import Message, Options
from weft.wire.coap.options import TABLE, Form, Option, decode_uint, is_critical
from weft.wire.coap.options import is_no_cache_key as _is_no_cache_key
from weft.wire.coap.peers import Address, Exchange

_URI_PATH = int(Option.URI_PATH)
_URI_QUERY = int(Option.URI_QUERY)
# RFC 7959 2.10 makes blocks of one body one request; whether it is observed is no part of it.
_NOT_OF_THE_KEY = frozenset({Option.OBSERVE, Option.BLOCK1, Option.BLOCK2})


class Request(Struct, frozen=True, gc=False):
    """One request, whole: blocks are put together. Answer it once, with `respond`."""

    exchange: Exchange
    code: int
    path: tuple[str, ...]
    query: tuple[str, ...]
    values: dict[int, Any]  # options by number, read by their form; a list if repeatable
    payload: bytes
    message: Message

    @property
    def address(self) -> Address:
        """Who asks, as `receive_datagram` was told."""
        return self.exchange.peer.address

    @property
    def is_confirmable(self) -> bool:
        """Whether the client asked for an acknowledgement: at least once, not at most once."""
        return self.message.type == CON

    @property
    def content_format(self) -> int | None:
        """What the payload is; None if the client does not say."""
        value: int | None = self.values.get(Option.CONTENT_FORMAT)
        return value

    @property
    def accept(self) -> int | None:
        """The one format that the client takes; None if it takes any."""
        value: int | None = self.values.get(Option.ACCEPT)
        return value

    @property
    def observe(self) -> int | None:
        """0: registers, 1: deregisters; None: neither (RFC 7641 2)."""
        value: int | None = self.values.get(Option.OBSERVE)
        return value

    @property
    def etags(self) -> list[bytes]:
        """Representations that the client holds (RFC 7252 5.10.6.2)."""
        value: list[bytes] = self.values.get(Option.ETAG, [])
        return value

    @property
    def if_match(self) -> list[bytes]:
        """Do it only to one of these; an empty tag means to any that exists."""
        value: list[bytes] = self.values.get(Option.IF_MATCH, [])
        return value

    @property
    def if_none_match(self) -> bool:
        """Do it only if there is none yet (RFC 7252 5.10.8.2)."""
        return Option.IF_NONE_MATCH in self.values

    @property
    def uri_host(self) -> str:
        """The authority that the client asked for; empty if it did not say."""
        value: str = self.values.get(Option.URI_HOST, "")
        return value

    @property
    def block1(self) -> Block | None:
        """The last block of a body that came in several."""
        value: Block | None = self.values.get(Option.BLOCK1)
        return value

    @property
    def block2(self) -> Block | None:
        """The block of the answer that is asked for."""
        value: Block | None = self.values.get(Option.BLOCK2)
        return value


def read_request(message: Message, exchange: Exchange, most_options: int) -> Request:
    """Give options their meaning. Raises `RequestError` with the code to answer."""
    options = message.options
    if len(options) > most_options:
        raise RequestError(Code.BAD_REQUEST, f"more than {most_options} options", "RFC 7252 5.4")
    path: list[str] = []
    query: list[str] = []
    values: dict[int, Any] = {}
    try:
        for number, value in options:
            if number == _URI_PATH and len(value) < 256:
                path.append(value.decode())
            elif number == _URI_QUERY and len(value) < 256:
                query.append(value.decode())
            else:
                _read_option(number, value, values)
    except UnicodeDecodeError:
        raise RequestError(Code.BAD_REQUEST, "an option is not UTF-8", "RFC 7252 3.2") from None
    if message.code not in METHODS:
        raise RequestError(
            Code.METHOD_NOT_ALLOWED, f"there is no method {message.code}", "RFC 7252 5.8"
        )
    for segment in path:
        if segment in {".", ".."}:
            raise RequestError(Code.BAD_REQUEST, "a path has a dot segment", "RFC 7252 5.10.1")
    return Request(
        exchange, message.code, tuple(path), tuple(query), values, message.payload, message
    )


def _read_option(number: int, value: bytes, values: dict[int, Any]) -> None:
    row = TABLE.get(number)
    if row is None or not row.least <= len(value) <= row.most:
        return _unknown(number)
    if number in values and not row.repeatable:
        return _unknown(number)  # RFC 7252 5.4.5
    if number in _PROXY:
        raise RequestError(Code.PROXYING_NOT_SUPPORTED, "this is no proxy", "RFC 7252 5.10.2")
    meaning = _READ[row.form](value)
    if number in _BLOCKS:
        meaning = decode_block(meaning)
    if row.repeatable:
        values.setdefault(number, []).append(meaning)
    else:
        values[number] = meaning
    return None


def _unknown(number: int) -> None:
    if is_critical(number):
        raise RequestError(Code.BAD_OPTION, f"option {number} is not known", "RFC 7252 5.4.1")


_PROXY = frozenset({Option.PROXY_URI, Option.PROXY_SCHEME})
_BLOCKS = frozenset({Option.BLOCK1, Option.BLOCK2})
_READ: dict[Form, Any] = {
    Form.EMPTY: lambda _value: True,
    Form.OPAQUE: lambda value: value,
    Form.UINT: decode_uint,
    Form.STRING: bytes.decode,
}


Key = tuple[int, Options]


def request_key(message: Message) -> Key:
    """What makes two messages parts of one transfer (RFC 7959 2.4, 2.5; RFC 9175 3.3).

    Method and options, without those that no cache looks at.
    """
    kept = tuple(
        option
        for option in message.options
        if option[0] not in _NOT_OF_THE_KEY and not _is_no_cache_key(option[0])
    )
    return message.code, kept
