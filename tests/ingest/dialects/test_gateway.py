"""A gateway speaks of its rooms by their names on the doors."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.ingest.support import PUMP_7, Devices, device

from weft.errors import Invalid, NotFound, PayloadInvalid, PeerError
from weft.ingest.dialects.dialect import Said, Speaker, UnknownChildren
from weft.ingest.dialects.gateway import Gateway

GATEWAY = device()
ROOM = replace(device("Room-1", None), gateway=GATEWAY.uid, alias="Room 1")
SPEAKER = Speaker(PUMP_7, GATEWAY, Devices(GATEWAY, ROOM))
TABLE = Gateway()


def say(what: str, said: object) -> list[Said]:
    return list(TABLE.read(SPEAKER, f"gateway/{what}", json.dumps(said).encode()))


def test_a_device_that_came_or_left_is_told_to_the_desk() -> None:
    """Below the device's own private topics: its gateway's right to it is decided there."""
    for act in ("connect", "disconnect"):
        (one,) = say(act, {"device": "Room 1", "type": "room"})
        assert one.topic == f"devices/Room-1/dialects/gateway/{act}"


def test_telemetry_is_that_of_each_device() -> None:
    """One reading or a list, as each would send it."""
    (one,) = say("telemetry", {"Room 1": [{"ts": 1, "values": {"co2": 500}}]})
    assert one.topic == "devices/Room-1/telemetry"
    assert json.loads(one.payload) == [{"ts": 1, "values": {"co2": 500}}]
    assert say("telemetry", {}) == []


def test_a_device_that_is_not_known_has_to_be_added_first() -> None:
    """With its type, which the gateway says when it connects it; never to say that it left."""
    with pytest.raises(UnknownChildren) as unknown:
        say("connect", {"device": "Room 2", "type": "room"})
    assert (unknown.value.names, unknown.value.types) == (("Room 2",), ("room",))
    with pytest.raises(UnknownChildren):
        say("telemetry", {"Room 1": {"co2": 500}, "Room 2": {"co2": 501}})
    with pytest.raises(NotFound) as missing:
        say("disconnect", {"device": "Room 2"})
    assert not isinstance(missing.value, UnknownChildren)


@pytest.mark.parametrize("name", ["", "x" * 200, "Room\n1", "Room\x9f"])
def test_a_name_is_short_and_can_be_printed(name: str) -> None:
    for what, said in (("connect", {"device": name}), ("telemetry", {name: {}})):
        with pytest.raises(PayloadInvalid):
            say(what, said)


def test_a_mistyped_topic_is_told() -> None:
    with pytest.raises(Invalid, match="conect"):
        say("conect", {"device": "Room 1"})


def test_a_gateway_listens_in_its_own_words() -> None:
    """Its answers alone come back in them; a device hears nothing of its gateway's."""
    native = TABLE.native_filter("gateway/devices", "gw-1")
    assert native == "devices/gw-1/dialects/gateway/devices"
    assert TABLE.own_topic(native, "gw-1") == "gateway/devices"
    assert TABLE.own_topic("devices/Room-1/dialects/gateway/connect", "Room-1") is None


@given(
    st.sampled_from(["connect", "disconnect", "telemetry", "", "x/y"]),
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=20),
        lambda inner: st.dictionaries(st.sampled_from(["device", "type", "Room 1"]), inner),
    ).map(lambda value: json.dumps(value).encode()),
)
def test_no_payload_is_more_than_refused(what: str, payload: bytes) -> None:
    try:
        said = TABLE.read(SPEAKER, f"gateway/{what}", payload)
    except PeerError:
        return
    assert all(one.topic.startswith("devices/Room-1/") for one in said)
