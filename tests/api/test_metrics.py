"""Metrics carry no label that grows with the fleet."""

from weft.api import metrics


def test_labels_are_bounded() -> None:
    """Operations and statuses only."""
    assert metrics.REQUESTS._labelnames == ("operation", "status")
    assert metrics.STREAMS._labelnames == ()
