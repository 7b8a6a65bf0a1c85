"""Limits: what a stranger and a client may ask for by default."""

import msgspec
import pytest

from weft.wire.mqtt.limits import CLIENT_LIMITS, DEFAULT_LIMITS, Limits


def test_the_defaults_are_the_required_caps() -> None:
    """MQ-4, MQ-5, MQ-6, MQ-8."""
    assert DEFAULT_LIMITS.connect_bytes == 64 * 1024
    assert DEFAULT_LIMITS.max_packet_bytes == 256 * 1024
    assert (DEFAULT_LIMITS.topic_bytes, DEFAULT_LIMITS.topic_levels) == (1024, 32)
    assert DEFAULT_LIMITS.client_id_bytes == 128
    assert (DEFAULT_LIMITS.user_properties, DEFAULT_LIMITS.user_property_bytes) == (32, 4096)
    assert (DEFAULT_LIMITS.filters, DEFAULT_LIMITS.topic_aliases) == (32, 32)
    assert DEFAULT_LIMITS.receive_maximum == 100
    assert DEFAULT_LIMITS.session_expiry_s == 24 * 3600


def test_a_client_trusts_the_server_it_chose_further() -> None:
    """Only the specification's own bounds."""
    assert CLIENT_LIMITS.topic_bytes == 65_535


def test_a_misspelt_limit_is_refused() -> None:
    """A cap that is silently not set is no cap."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"topic_byte": 1}, Limits)
