"""Faults say what happened, where, and what to do."""

from weft.errors import PeerError
from weft.wire.coap.codes import Code
from weft.wire.coap.faults import FormatError, RequestError


def test_a_format_error_cites_its_clause() -> None:
    """It is the peer's fault."""
    error = FormatError("nothing follows", "RFC 7252 3")
    assert isinstance(error, PeerError)
    assert error.detail == "nothing follows [RFC 7252 3]"
    assert error.remedy


def test_a_request_error_carries_its_answer() -> None:
    """As a code, and in words for people."""
    error = RequestError(Code.BAD_OPTION, "option 9 is not known", "RFC 7252 5.4.1")
    assert error.answer == Code.BAD_OPTION
    assert error.detail.startswith("4.02: ")
    assert error.options == ()
