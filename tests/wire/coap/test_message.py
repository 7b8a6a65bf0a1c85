"""A message is a value."""

from weft.wire.coap.message import Message


def test_messages_of_the_same_content_are_equal() -> None:
    """And a bare one has neither token, options nor payload."""
    assert Message(0, 1, 7) == Message(0, 1, 7, b"", (), b"")
    assert Message(0, 1, 7) != Message(0, 1, 8)
