"""Weft starts well with none."""

from weft.ingest.dialects.sparkplug_settings import SparkplugSettings


def test_no_state_is_told_unless_a_host_is_named() -> None:
    """Edge nodes that wait for a host name it; the others need none."""
    assert SparkplugSettings().host_id == ""
