"""The settings of derived telemetry: they start well without any."""

from weft.rules.derived.settings import DerivedSettings


def test_a_day_is_read_before_what_came_late_within_a_week() -> None:
    """So that windows, counters and shifts are as they were."""
    settings = DerivedSettings()
    assert settings.warm_up_h < settings.horizon_h
