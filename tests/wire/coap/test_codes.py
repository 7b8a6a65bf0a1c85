"""Codes are the numbers of the registry."""

from weft.wire.coap.codes import METHODS, Code, Type, dotted, is_success


def test_codes_are_the_registered_ones() -> None:
    """Class and detail as the RFCs print them."""
    assert dotted(Code.NOT_FOUND) == "4.04"
    assert dotted(Code.CONTINUE) == "2.31"
    assert dotted(Code.CONFLICT) == "4.09"
    assert dotted(Code.UNPROCESSABLE_ENTITY) == "4.22"
    assert dotted(Code.TOO_MANY_REQUESTS) == "4.29"
    assert dotted(Code.REQUEST_ENTITY_INCOMPLETE) == "4.08"
    assert dotted(Code.REQUEST_ENTITY_TOO_LARGE) == "4.13"
    assert dotted(Code.PROXYING_NOT_SUPPORTED) == "5.05"
    assert dotted(Code.HOP_LIMIT_REACHED) == "5.08"


def test_seven_methods_are_known() -> None:
    """RFC 7252 has four, RFC 8132 three more."""
    assert sorted(METHODS) == [1, 2, 3, 4, 5, 6, 7]


def test_types_are_numbered_as_in_the_header() -> None:
    """RFC 7252 3."""
    assert [kind.name for kind in Type] == ["CON", "NON", "ACK", "RST"]


def test_only_class_two_is_success() -> None:
    """A notification with any other ends its observation."""
    assert is_success(Code.CONTENT)
    assert not is_success(Code.NOT_FOUND)
    assert not is_success(Code.INTERNAL_SERVER_ERROR)
