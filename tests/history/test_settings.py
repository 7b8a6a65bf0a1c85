"""Settings of history start well and refuse what they do not know."""

import msgspec
import pytest

from weft.history.settings import HistorySettings


def test_the_defaults_leave_room_for_everything_else() -> None:
    """One of two cores, a quarter of a GiB, a year back."""
    settings = HistorySettings()
    assert settings.threads == 1
    assert settings.memory_bytes <= 256 * 1024**2
    assert settings.keep_days >= 365
    assert settings.run_points >= settings.settle_points


def test_a_mistyped_setting_is_refused() -> None:
    """`keep_day = 30` must not keep a year."""
    with pytest.raises(msgspec.ValidationError, match="keep_day"):
        msgspec.convert({"keep_day": 30}, HistorySettings)
