"""Topic names and filters: where wildcards may stand, and which characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.wire.mqtt.limits import DEFAULT_LIMITS
from weft.wire.mqtt.reasons import MqttError, Reason
from weft.wire.mqtt.strings import (
    check_filter,
    check_size,
    decode_filter,
    decode_name,
    decode_text,
    decode_topic,
    split_share,
)


@pytest.mark.parametrize("name", ["#", "+", "/", "a/#", "+/+/#", "a//b", "$share/g/#", "$SYS/+"])
def test_a_well_formed_filter_is_taken(name: str) -> None:
    """Empty levels are levels."""
    check_filter(name)


@pytest.mark.parametrize("name", ["", "#/a", "a#", "a/#/b", "a+", "+a/b", "##", "$share/g/a#"])
def test_a_misplaced_wildcard_is_refused(name: str) -> None:
    """[MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1]."""
    with pytest.raises(MqttError) as caught:
        check_filter(name)
    assert caught.value.reason is Reason.TOPIC_FILTER_INVALID


def test_a_shared_filter_is_taken_apart() -> None:
    """The share name and the filter proper."""
    assert split_share("$share/g/a/b") == ("g", "a/b")
    assert split_share("a/b") == ("", "a/b")
    assert split_share("$shared/g/a") == ("", "$shared/g/a")


@pytest.mark.parametrize("name", ["$share/", "$share//a", "$share/g", "$share/g/", "$share/#/a"])
def test_a_shared_filter_without_its_parts_is_refused(name: str) -> None:
    """[MQTT-4.8.2-1] [MQTT-4.8.2-2]."""
    with pytest.raises(MqttError):
        split_share(name)


@pytest.mark.parametrize("code", [0x00, 0x01, 0x1F, 0x7F, 0x9F, 0xFDD0, 0xFFFE, 0x1FFFF, 0x10FFFF])
def test_a_name_has_no_control_characters(code: int) -> None:
    """MQ-3: they have confused logs and access rules elsewhere."""
    with pytest.raises(MqttError):
        decode_name(f"a{chr(code)}b".encode())


def test_a_value_may_have_control_characters_but_no_nul() -> None:
    """A reason string of two lines is a reason string."""
    assert decode_text(b"one\ntwo") == "one\ntwo"
    with pytest.raises(MqttError):
        decode_text(b"one\x00two")


@pytest.mark.parametrize(
    "data", [b"\xed\xa0\x80", b"\xc0\x80", b"\xff", b"\xf4\x90\x80\x80", b"\xe2"]
)
def test_what_is_not_utf_8_is_refused(data: bytes) -> None:
    """[MQTT-1.5.4-1]: surrogates, overlong forms, beyond U+10FFFF, cut short."""
    with pytest.raises(MqttError):
        decode_text(data)


def test_size_is_counted_in_bytes_and_levels() -> None:
    """MQ-5, at the cap and one beyond."""
    check_size("ü" * 512, DEFAULT_LIMITS, Reason.TOPIC_NAME_INVALID)
    check_size("/" * 31, DEFAULT_LIMITS, Reason.TOPIC_NAME_INVALID)
    for name in ("ü" * 512 + "x", "/" * 32):
        with pytest.raises(MqttError):
            check_size(name, DEFAULT_LIMITS, Reason.TOPIC_NAME_INVALID)


@given(st.text(max_size=20))
def test_a_topic_is_a_filter_that_names_one_topic(name: str) -> None:
    """Whatever is accepted as a topic is accepted as a filter, unless it says $share."""
    data = name.encode(errors="replace")
    try:
        topic = decode_topic(data, DEFAULT_LIMITS)
    except MqttError:
        return
    if not topic.startswith("$share/"):
        assert decode_filter(data, DEFAULT_LIMITS) == topic
