"""Mappings: how a device type finds its own keys in a payload that does not speak them.

A mapping belongs to one version of a type, so an old message is read again as it was read
then. It only says where values are; whether they are right, the type's fields say.
"""

from typing import Any

from msgspec import Struct, field

Path = tuple[str | int, ...]  # names and places in lists, from the payload's outermost value


class Condition(Struct, frozen=True):
    """A value of the payload has to be one of these (the port of a LoRaWAN uplink)."""

    path: Path
    values: tuple[Any, ...]
    byte: int | None = None  # instead of a path: a byte of the binary payload


class Bits(Struct, frozen=True):
    """Where a number stands in bytes."""

    byte: int  # the first
    count: int = 1  # bytes, 1 to 8
    bit: int | None = None  # the lowest of several bits in that number; None: all of it
    bits: int = 1
    signed: bool = False
    little: bool = False  # the lowest byte comes first
    real: bool = False  # IEEE 754, in 2, 4 or 8 bytes
    optional: bool = False  # a shorter payload leaves it out


class Source(Struct, frozen=True):
    """Where one key's value comes from, and what becomes of it."""

    path: Path = ()
    rooted: bool = False  # from the payload itself, though readings are taken from a list
    bits: Bits | None = None
    constant: Any = None
    default: Any = None  # where there is none
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""  # that it comes in; scale and offset hold the conversion
    parse: bool = False  # a number sent as text
    values: dict[str, Any] = field(default_factory=dict)  # what was sent, and what it means
    when: tuple[Condition, ...] = ()


class Stamp(Struct, frozen=True):
    """Where the moment of a reading stands."""

    path: Path
    rooted: bool = False
    unit: str = "ms"  # s, ms, us, ns; RFC 3339 where it is text


class Binary(Struct, frozen=True):
    """Where the bytes are that fields with `Bits` are taken from."""

    path: Path = ()  # empty: the payload itself
    encoding: str = "base64"  # or hex, of bytes inside a document
    least_bytes: int = 0
    most_bytes: int = 1024  # a LoRaWAN uplink has 242


class Mapping(Struct, frozen=True):
    """All of it, for one version of a type."""

    format: str = ""  # of a message that states none; "" is JSON
    ignores_unmapped: bool = False
    each: Path = ()  # a list with one reading in each member
    stamp: Stamp | None = None
    binary: Binary | None = None
    telemetry: dict[str, Source] = field(default_factory=dict)
    properties: dict[str, Source] = field(default_factory=dict)
    events: dict[str, dict[str, Source]] = field(default_factory=dict)
    ignore: tuple[Path, ...] = ()
    maps_telemetry: bool = False  # whether any word but `format` is about telemetry


def shown(path: Path) -> str:
    """Write a path as it is written in a document."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step.replace("_", "").replace("-", "").isalnum():
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text or "$"
