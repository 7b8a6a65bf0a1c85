"""Settings of Kafka: what cannot work is refused before anything is sent."""

from typing import Any

import pytest

from weft.connectors.bridge.topics import TopicRule
from weft.connectors.kafka.settings import KafkaSettings, require_sound
from weft.errors import ConfigurationError

OUT = (TopicRule("devices/+/telemetry", "plant"),)


def test_what_goes_out_is_read() -> None:
    """One topic of theirs for all devices, which are the keys."""
    settings = KafkaSettings(servers=("k:9092",), key="k", out=OUT)
    assert require_sound("main", settings).map("devices/p/telemetry") == "plant"


@pytest.mark.parametrize(
    "changes",
    [{"servers": ()}, {"out": ()}, {"password": "hunter2"}, {"mechanism": "GSSAPI"}],
)
def test_what_cannot_work_is_refused(changes: dict[str, Any]) -> None:
    """With what to write instead, and no secret repeated."""
    values: dict[str, Any] = {"servers": ("k:9092",), "key": "k", "out": OUT}
    with pytest.raises(ConfigurationError) as caught:
        require_sound("main", KafkaSettings(**(values | changes)))
    assert caught.value.remedy
    assert "hunter2" not in caught.value.detail
