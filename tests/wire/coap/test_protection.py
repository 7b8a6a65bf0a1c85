"""The seam for OSCORE: a message is opened before the endpoint reads it."""

from tests.wire.coap.support import ALICE, SECRET, Bench, request_message

from weft.wire.coap.codes import Code
from weft.wire.coap.decode import decode
from weft.wire.coap.encode import encode
from weft.wire.coap.faults import RequestError
from weft.wire.coap.message import Message
from weft.wire.coap.options import Option
from weft.wire.coap.peers import Address
from weft.wire.coap.responses import Response
from weft.wire.coap.server import ServerEndpoint

OSCORE = int(Option.OSCORE)


class Turned:
    """Protection that anyone can read: the inner message is the payload, backwards."""

    def __init__(self) -> None:
        self.opened = 0

    def unprotect(self, message: Message, address: Address, now: float) -> Message:
        if OSCORE not in dict(message.options):
            return message
        if not message.payload:
            raise RequestError(Code.BAD_REQUEST, "nothing inside", "RFC 8613 8.2")
        self.opened += 1
        inner = decode(message.payload[::-1])
        return Message(
            message.type, inner.code, message.message_id, message.token, inner.options,
            inner.payload,
        )  # fmt: skip

    def protect(self, request: Message, response: Message) -> Message:
        return Message(
            response.type, Code.CHANGED, response.message_id, response.token,
            ((OSCORE, b""),), encode(response)[::-1],
        )  # fmt: skip


def test_a_protected_request_is_opened_once_and_its_answer_closed() -> None:
    """A copy does not meet the replay window again."""
    protection = Turned()
    endpoint = ServerEndpoint(secret=SECRET, random=lambda: 0.5, protection=protection)
    inside = encode(request_message("secret/path", Code.GET))[::-1]
    outer = Message(0, Code.POST, 9, b"\x09", ((OSCORE, b"\x01"),), inside)
    request = endpoint.receive_datagram(encode(outer), ALICE, 1.0, is_proven=True)
    assert request is not None
    assert (request.code, request.path) == (Code.GET, ("secret", "path"))
    endpoint.respond(request, Response(Code.CONTENT, b"21"), 1.0)
    ((_, data),) = endpoint.take_output()
    answer = decode(data)
    assert (answer.code, answer.message_id, answer.token) == (Code.CHANGED, 9, b"\x09")
    assert decode(answer.payload[::-1]).payload == b"21"

    assert endpoint.receive_datagram(encode(outer), ALICE, 2.0, is_proven=True) is None
    assert endpoint.take_output() == [(ALICE, data)]
    assert protection.opened == 1


def test_what_cannot_be_opened_is_refused() -> None:
    """With the code that the protection gives."""
    endpoint = ServerEndpoint(secret=SECRET, random=lambda: 0.5, protection=Turned())
    outer = Message(0, Code.POST, 9, b"\x09", ((OSCORE, b"\x01"),))
    assert endpoint.receive_datagram(encode(outer), ALICE, 1.0, is_proven=True) is None
    assert decode(endpoint.take_output()[0][1]).code == Code.BAD_REQUEST


def test_without_protection_the_option_is_an_unknown_critical_one() -> None:
    """Nobody is led to believe that a message was protected (RFC 8613 8.2)."""
    bench = Bench()
    message = request_message("t", Code.POST, 1, (OSCORE, b"\x01"))
    assert bench.ask(message).code == Code.BAD_OPTION
