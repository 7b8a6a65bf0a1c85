"""Settings of MQTT: each default starts well, and an owner's file is read."""

import msgspec
import pytest

from weft.transports.mqtt.settings import MqttSettings


def test_the_defaults_are_what_the_requirements_ask_for() -> None:
    """Loopback only (AU-1), MQ-4, MQ-5, MQ-6, RL-2."""
    settings = MqttSettings()
    limits = settings.limits
    assert settings.listen == "127.0.0.1:1883"
    assert settings.listen_tls == ""
    assert (limits.connect_bytes, limits.connect_wait_s) == (64 * 1024, 10)
    assert (limits.max_packet_bytes, limits.topic_bytes, limits.topic_levels) == (262_144, 1024, 32)
    assert (limits.receive_maximum, limits.release_wait_s) == (100, 60)
    assert (settings.strangers_per_address, settings.write_stall_s) == (100, 10)
    assert limits.keep_alive_s == 20 * 60


def test_a_table_of_a_configuration_is_read() -> None:
    """`[transports.mqtt]` with `[transports.mqtt.limits]` below it."""
    table = {"listen_tls": "0.0.0.0:8883", "limits": {"max_packet_bytes": 1000}}
    settings = msgspec.convert(table, MqttSettings)
    assert settings.listen_tls == "0.0.0.0:8883"
    assert settings.limits.max_packet_bytes == 1000


def test_a_name_that_does_not_exist_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="anonymous"):
        msgspec.convert({"anonymous": True}, MqttSettings)
