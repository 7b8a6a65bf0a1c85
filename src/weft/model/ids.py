"""Ids and names: typed, unique, and safe to stand in a topic, a path or a log line."""

import os
import re
import time
import uuid
from typing import NewType

from weft.errors import Invalid

TenantId = NewType("TenantId", str)
DeviceId = NewType("DeviceId", str)  # the owner's name for the device, unique in its tenant
DeviceUid = NewType("DeviceUid", str)  # UUIDv7, never used again after a delete
TypeName = NewType("TypeName", str)
AssetId = NewType("AssetId", str)  # the owner's name for the asset, unique in its tenant
AssetUid = NewType("AssetUid", str)  # UUIDv7, never used again after a delete
RuleId = NewType("RuleId", str)
AlarmId = NewType("AlarmId", str)
FaultId = NewType("FaultId", str)
ActionId = NewType("ActionId", str)
WorkOrderId = NewType("WorkOrderId", str)
UserId = NewType("UserId", str)
KeyId = NewType("KeyId", str)

NAME_MAX_CHARACTERS = 128  # fits MQTT client ids and every topic cap (MQ-5)

# First an alphanumeric, so that no name is mistaken for an option, a dot folder or a $-topic.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@~-]*")

_NAMESPACE = uuid.UUID("6f2c1f5e-7b7e-5a53-9d0c-3d5d9ac6f0aa")


def new_id() -> str:
    """Make a UUIDv7 (RFC 9562, 5.7): sorts by the millisecond it was made in."""
    millis = time.time_ns() // 1_000_000
    rand = int.from_bytes(os.urandom(10), "big")
    value = (millis & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | (rand >> 68 & 0xFFF) << 64
    value |= 0b10 << 62 | rand & (1 << 62) - 1
    return str(uuid.UUID(int=value))


def derived_id(*parts: str) -> str:
    """Make the one id that these parts always give (UUIDv5): asking twice changes nothing."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(parts)))


def derived_id_at(at_ns: int, *parts: str) -> str:
    """Make the one id of what began at a moment; ids sort by it (UUIDv8, RFC 9562, 5.8)."""
    rest = uuid.uuid5(_NAMESPACE, "\x1f".join(parts)).int
    value = (at_ns // 1_000_000 & (1 << 48) - 1) << 80
    value |= 0x8 << 76 | (rest >> 68 & 0xFFF) << 64
    value |= 0b10 << 62 | rest & (1 << 62) - 1
    return str(uuid.UUID(int=value))


def require_name(text: str, what: str) -> str:
    """Return `text` if it may name a thing, else raise `Invalid`.

    A name stands in topics, paths, file names and log lines, so wildcards, slashes,
    spaces and control characters are refused at the door (CVE-2017-7650 and its kind).
    """
    if len(text) > NAME_MAX_CHARACTERS:
        raise Invalid(
            f"The {what} is {len(text)} characters long; at most {NAME_MAX_CHARACTERS} fit.",
            remedy="Choose a shorter name.",
        )
    if not _NAME.fullmatch(text):
        raise Invalid(
            f"{text!r} cannot be a {what}.",
            remedy="Start with a letter or digit; go on with letters, digits and . _ : @ ~ -",
        )
    return text
