"""The broker's settings."""

import msgspec
import pytest

from weft.broker.settings import BrokerSettings


def test_mq8_a_session_is_kept_for_a_day_by_default() -> None:
    """MQ-8: the cap holds with no settings file at all."""
    settings = BrokerSettings()

    assert settings.session_expiry_max_s == 24 * 3600
    assert settings.sessions_per_principal == 4
    assert settings.subscriptions_per_session == 100
    assert settings.inflight_max <= 65_535


def test_an_unknown_setting_is_refused() -> None:
    """A misspelt cap must not be a missing cap."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"queue_message_max": 1}, BrokerSettings)
