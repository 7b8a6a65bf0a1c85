"""Settings: what is not said is safe."""

from weft.commands.settings import CommandSettings


def test_the_defaults_agree_with_each_other() -> None:
    settings = CommandSettings()
    assert 0 < settings.ttl_s <= settings.ttl_max_s
    assert settings.ttl_max_s < settings.keep_days * 24 * 3600
