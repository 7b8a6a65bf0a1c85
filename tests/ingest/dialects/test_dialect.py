"""What dialects have in common: children by their gateway's names, and private topics."""

import pytest
from msgspec.structs import replace
from tests.ingest.support import PUMP_7, Devices, device

from weft.errors import NotFound, PayloadInvalid
from weft.ingest.dialects.dialect import (
    PARTS_MAX,
    Private,
    Speaker,
    UnknownChildren,
    asked,
    parse_private,
    private_rest,
    private_topic,
)

GATEWAY = device()
CHILD = replace(device("room-1", None), gateway=GATEWAY.uid, alias="Room 1")
SPEAKER = Speaker(PUMP_7, GATEWAY, Devices(GATEWAY, CHILD))


def test_a_gateway_names_its_devices_as_it_likes() -> None:
    assert SPEAKER.child_ids(["Room 1"]) == ["room-1"]
    assert SPEAKER.tenant == PUMP_7.tenant


def test_devices_that_it_has_not_are_all_named_at_once() -> None:
    """So that they can be added in one go, with the type that it gave each."""
    with pytest.raises(UnknownChildren) as met:
        SPEAKER.child_ids(["Room 1", "Room 2", "Room 3"], ["a", "b", "c"])
    assert met.value.names == ("Room 2", "Room 3")
    assert met.value.types == ("b", "c")
    assert isinstance(met.value, NotFound)
    assert "'Room 2', 'Room 3'" in met.value.detail


def test_a_gateway_speaks_of_so_many_devices_in_a_message() -> None:
    """More are refused before any of them is added: each is a write of its own."""
    names = [f"Room {number}" for number in range(PARTS_MAX + 1)]
    with pytest.raises(PayloadInvalid, match=str(PARTS_MAX)):
        SPEAKER.child_ids(names)
    with pytest.raises(UnknownChildren):
        SPEAKER.child_ids(names[:-1])


def test_who_is_no_device_has_no_children() -> None:
    with pytest.raises(UnknownChildren):
        Speaker(PUMP_7, None, Devices(CHILD)).child_ids(["Room 1"])


def test_a_private_topic_is_the_devices_own() -> None:
    topic = private_topic("pump-7", "toy", "a/b")
    assert private_rest(topic, "pump-7", "toy") == "a/b"
    assert private_rest(topic, "pump-8", "toy") is None
    assert asked("toy", "a/b", b"x").topic == private_topic("me", "toy", "a/b")


def test_a_private_topic_is_taken_apart() -> None:
    assert parse_private("devices/pump-7/dialects/toy/a/b") == Private("pump-7", "toy", "a/b")
    for topic in ("devices/pump-7/dialects/toy", "devices/pump-7/telemetry", "a/b/c/d/e"):
        assert parse_private(topic) is None
