"""Limits: what peers may ask for by default."""

import msgspec
import pytest

from weft.wire.coap.limits import DEFAULT_LIMITS, Limits


def test_the_defaults_are_those_of_the_rfcs_and_rows() -> None:
    """RFC 7252 4.8; CO-2, CO-5."""
    assert DEFAULT_LIMITS.challenge_first
    assert DEFAULT_LIMITS.amplification == 3
    assert DEFAULT_LIMITS.exchange_lifetime_s == 247
    assert (DEFAULT_LIMITS.ack_timeout_s, DEFAULT_LIMITS.max_retransmit) == (2.0, 4)
    held = DEFAULT_LIMITS.reply_bytes + DEFAULT_LIMITS.upload_bytes + DEFAULT_LIMITS.download_bytes
    assert held < 50 * 1024 * 1024


def test_a_misspelt_limit_is_refused() -> None:
    """A cap that is silently not set is no cap."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"reply_byte": 1}, Limits)
