"""What a peer can do wrong, and what it is told.

A `FormatError` breaks the message layer: a confirmable message is rejected with RST, any
other is ignored (RFC 7252 4.2, 4.3). A `RequestError` is a readable request that is answered
with a response code and, once the peer's address is proven, a sentence.
"""

from weft.errors import ProtocolError
from weft.wire.coap.codes import Code, dotted


class CoapError(ProtocolError):
    """The peer broke CoAP; `clause` is what it broke."""

    def __init__(self, detail: str, clause: str, *, remedy: str = "") -> None:
        super().__init__(
            f"{detail} [{clause}]",
            remedy=remedy or "Mend the client, or update its CoAP library.",
        )
        self.clause = clause


class FormatError(CoapError):
    """The bytes are no CoAP message."""


class RequestError(CoapError):
    """A request that cannot be served as it stands. `answer` is the response code."""

    def __init__(
        self,
        answer: Code,
        detail: str,
        clause: str,
        *,
        remedy: str = "",
        options: tuple[tuple[int, bytes], ...] = (),
    ) -> None:
        super().__init__(f"{dotted(answer)}: {detail}", clause, remedy=remedy)
        self.answer = answer
        self.options = options  # that go with the answer
