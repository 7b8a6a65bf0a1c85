"""Paths: the device API's resources."""

import pytest

from weft.errors import Invalid, NotFound
from weft.transports.coap.paths import (
    CORE_LINKS,
    Kind,
    MethodNotAllowed,
    Place,
    place_of,
    require_method,
)
from weft.wire.coap.codes import Code

PATHS = {
    "telemetry": Kind.TELEMETRY,
    "properties/reported": Kind.REPORTED,
    "properties/desired": Kind.DESIRED,
    "events/leak": Kind.EVENT,
    "commands": Kind.COMMANDS,
    "commands/r-1/result": Kind.RESULT,
}


@pytest.mark.parametrize("device", ["me", "pump-7"])
@pytest.mark.parametrize("rest", PATHS)
def test_a_path_is_a_topic(device: str, rest: str) -> None:
    """The same one as over MQTT and HTTP."""
    topic = f"devices/{device}/{rest}"
    found = place_of(("api", "v1", *topic.split("/")))
    assert found == Place(PATHS[rest], device, topic)


@pytest.mark.parametrize(
    "path",
    ["", "api", "api/v1/devices/me", "api/v1/devices/me/telemetry/x", "devices/me/telemetry"],
)
def test_there_is_nothing_elsewhere(path: str) -> None:
    """What there is can be asked for."""
    with pytest.raises(NotFound) as caught:
        place_of(tuple(path.split("/")))
    assert ".well-known/core" in caught.value.remedy


@pytest.mark.parametrize("segment", ["a/b", "+", "#", "", "a b", "..", "x" * 300])
def test_mq_3_a_segment_is_one_name(segment: str) -> None:
    """A percent-encoded slash makes no other topic, and wildcards name nobody."""
    with pytest.raises(Invalid):
        place_of(("api", "v1", "devices", segment, "telemetry"))
    with pytest.raises(Invalid):
        place_of(("api", "v1", "devices", "me", "events", segment))


def test_a_method_that_does_not_work_is_told_which_do() -> None:
    """By their names."""
    place = Place(Kind.REPORTED)
    require_method(place, Code.IPATCH)
    with pytest.raises(MethodNotAllowed) as caught:
        require_method(place, Code.DELETE)
    assert caught.value.remedy == "Use one of: GET, IPATCH, PATCH, POST."


def test_what_is_observable_says_so() -> None:
    """RFC 6690, RFC 7641 6; and each link is one of ours."""
    assert [link.observable for link in CORE_LINKS] == [False, False, True, True]
    for link in CORE_LINKS:
        assert place_of(tuple(link.target.split("/")[1:])).device == "me"
