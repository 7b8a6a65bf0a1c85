"""Settings of bridges: what cannot work is refused before anything is sent."""

from typing import Any

import pytest

from weft.connectors.bridge.settings import BridgeSettings, require_sound
from weft.connectors.bridge.topics import TopicRule
from weft.errors import ConfigurationError

OUT = (TopicRule("devices/+/telemetry", "plant/{1}"),)


def settings(**changes: Any) -> BridgeSettings:
    values: dict[str, Any] = {"url": "mqtts://broker.example", "key": "k", "out": OUT}
    return BridgeSettings(**(values | changes))


def test_the_address_has_the_ports_of_mqtt() -> None:
    """8883 behind TLS, 1883 without, or what is written."""
    assert require_sound("aws", settings()).port == 8883
    plain = require_sound("lab", settings(url="mqtt://10.0.0.1"))
    assert (plain.port, plain.tls) == (1883, False)
    assert require_sound("aws", settings(url="mqtts://b.example:443")).port == 443


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "https://broker.example"},
        {"url": "mqtts://broker.example:notaport"},
        {"url": "mqtts://"},
        {"out": ()},
        {"version": 3},
        {"window": 0},
        {"password": "hunter2"},
        {"sas_key": "plain"},
        {"version": 4, "into": (TopicRule("plant/#", "devices/{1}/telemetry"),)},
        {"version": 4, "out": (TopicRule("#"),), "into": (TopicRule("a/#", "b/{1}"),)},
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, Any]) -> None:
    """A loop in 3.1.1 too: it carries no mark by which we would know our own."""
    with pytest.raises(ConfigurationError) as caught:
        require_sound("x", settings(**changes))
    assert caught.value.remedy
    assert "hunter2" not in caught.value.detail


def test_apart_directions_are_fine_in_3_1_1() -> None:
    """As Azure has them."""
    require_sound("x", settings(version=4, into=(TopicRule("down/#", "devices/{1}/telemetry"),)))
