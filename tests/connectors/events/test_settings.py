"""Settings of events: safe as they come."""

from weft.connectors.events.settings import EventSettings


def test_no_private_address_is_reached_by_default() -> None:
    """A tenant names the address; the operator opens his network by hand."""
    assert EventSettings().allow == ()
    assert EventSettings().batch_max_bytes <= 64 * 1024
