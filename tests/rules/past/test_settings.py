"""Settings of replays: live comes first."""

from weft.rules.past.settings import ReplaySettings


def test_live_keeps_half_of_the_loop() -> None:
    """Whatever is replayed."""
    settings = ReplaySettings()
    assert settings.share <= 0.5
    assert settings.slice_ms <= 5
