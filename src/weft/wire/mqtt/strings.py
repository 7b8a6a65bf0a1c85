"""Text on the wire: UTF-8, topic names and topic filters.

Names that steer (topics, filters, client ids, user names) may hold no control
character and no Unicode non-character: MQTT leaves that to the receiver (1.5.4),
and such names have confused logs, dashboards and access rules in other brokers.
Values (user properties, reason strings) may, except for NUL.
"""

import re

from weft.wire.mqtt.limits import Limits
from weft.wire.mqtt.reasons import MqttError, Reason

SHARE_PREFIX = "$share/"
_NON_CHARACTERS = "\ufdd0-\ufdef" + "".join(
    chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF)
)
_UNSAFE = re.compile(f"[\x00-\x1f\x7f-\x9f{_NON_CHARACTERS}]")


def decode_text(data: bytes) -> str:
    """Well-formed UTF-8 without NUL. U+FEFF is a character like any other [MQTT-1.5.4-3]."""
    try:
        text = data.decode()  # refuses surrogates and overlong forms
    except UnicodeDecodeError:
        # [MQTT-1.5.4-1] [v3.1.1 MQTT-1.5.3-1]
        raise MqttError("a string is not UTF-8", clause="MQTT-1.5.4-1") from None
    if "\x00" in text:
        # [MQTT-1.5.4-2] [v3.1.1 MQTT-1.5.3-2]
        raise MqttError("a string contains U+0000", clause="MQTT-1.5.4-2")
    return text


def decode_name(data: bytes) -> str:
    """Text that steers: no control characters, no non-characters."""
    name = decode_text(data)
    if _UNSAFE.search(name):
        raise MqttError("a name contains a control character", clause="MQTT 1.5.4")
    return name


def decode_topic(data: bytes, limits: Limits) -> str:
    """A topic name, which is not empty and names exactly one topic."""
    topic = decode_name(data)
    if not topic:
        # [MQTT-4.7.3-1] [v3.1.1 MQTT-4.7.3-1]
        raise MqttError("a topic is empty", Reason.TOPIC_NAME_INVALID, "MQTT-4.7.3-1")
    if "+" in topic or "#" in topic:
        # [MQTT-3.3.2-2] [v3.1.1 MQTT-3.3.2-2]
        raise MqttError("a topic has a wildcard", Reason.TOPIC_NAME_INVALID, "MQTT-3.3.2-2")
    check_size(topic, limits, Reason.TOPIC_NAME_INVALID)
    return topic


def decode_filter(data: bytes, limits: Limits) -> str:
    """A topic filter, shared or not, with its wildcards where they may stand."""
    name = decode_name(data)
    check_size(name, limits, Reason.TOPIC_FILTER_INVALID)
    check_filter(name)
    return name


def check_filter(name: str) -> None:
    """Refuse a filter whose wildcards or share name are not well placed."""
    topic_filter = split_share(name)[1]
    if not topic_filter:
        # [MQTT-4.7.3-1] [v3.1.1 MQTT-4.7.3-1]
        raise MqttError("a filter is empty", Reason.TOPIC_FILTER_INVALID, "MQTT-4.7.3-1")
    levels = topic_filter.split("/")
    if any("#" in level for level in levels[:-1]) or ("#" in levels[-1] and levels[-1] != "#"):
        # [MQTT-4.7.1-1] [v3.1.1 MQTT-4.7.1-2]
        raise MqttError(
            "`#` is not the whole last level", Reason.TOPIC_FILTER_INVALID, "MQTT-4.7.1-1"
        )
    if any("+" in level and level != "+" for level in levels):
        # [MQTT-4.7.1-2] [v3.1.1 MQTT-4.7.1-3]
        raise MqttError("`+` is not a whole level", Reason.TOPIC_FILTER_INVALID, "MQTT-4.7.1-2")


def split_share(name: str) -> tuple[str, str]:
    """The share name ("" if not shared) and the filter proper of `$share/name/filter`."""
    if not name.startswith(SHARE_PREFIX):
        return "", name
    share, slash, topic_filter = name[len(SHARE_PREFIX) :].partition("/")
    if not share:
        # [MQTT-4.8.2-1]
        raise MqttError("the share name is empty", Reason.TOPIC_FILTER_INVALID, "MQTT-4.8.2-1")
    if "+" in share or "#" in share or not slash or not topic_filter:
        # [MQTT-4.8.2-2]
        raise MqttError(
            "a shared subscription is not $share/name/filter",
            Reason.TOPIC_FILTER_INVALID,
            "MQTT-4.8.2-2",
        )
    return share, topic_filter


def check_size(name: str, limits: Limits, reason: Reason) -> None:
    """Refuse a topic or filter that is longer or deeper than any that we serve."""
    if len(name) > limits.topic_bytes or len(name.encode()) > limits.topic_bytes:
        raise MqttError(f"a topic is longer than {limits.topic_bytes} bytes", reason)
    if name.count("/") >= limits.topic_levels:
        raise MqttError(f"a topic has more than {limits.topic_levels} levels", reason)
