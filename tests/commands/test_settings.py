"""Settings: what is not said is safe."""

import msgspec
import pytest

from weft.commands.settings import CommandSettings


def test_the_defaults_agree_with_each_other() -> None:
    settings = CommandSettings()
    assert 0 < settings.ttl_s <= settings.ttl_max_s
    assert settings.ttl_max_s < settings.keep_days * 24 * 3600


def test_a_pause_between_hand_outs_cannot_be_nothing() -> None:
    """Polls would spin; and within a life of the usual length several repeats find room."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"hand_out_again_s": 0}, CommandSettings)
    settings = CommandSettings()
    assert settings.hand_out_again_s * 3 <= settings.ttl_s
