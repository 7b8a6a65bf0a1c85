"""The native dialect: the topics of Weft's own conventions.

    devices/{id}/telemetry                          up
    devices/{id}/properties/reported                up
    devices/{id}/events/{name}                      up
    devices/{id}/commands/{request_id}/result       up
    devices/{id}/commands/{request_id}/{name}       down, written by Weft alone
    devices/{id}/properties/desired                 down, written by Weft alone
    devices/{id}/dialects/{dialect}/...             both, what only a dialect understands

A device may write `me` for its own id. Every other topic is plain publish and subscribe,
but nothing else may stand below `devices/`: a mistyped topic is told, not swallowed.
"""

from typing import NamedTuple

from weft.errors import Forbidden, Invalid
from weft.model.message import Operation

ROOT = "devices/"
ME = "me"
FORMS = (
    "devices/{id}/telemetry, devices/{id}/properties/reported, devices/{id}/events/{name}, "
    "devices/{id}/commands/{request_id}/result"
)


class Mapped(NamedTuple):
    """What a topic asks for; `device` is as written (maybe `me`), `name` as `Route.name`."""

    operation: Operation
    device: str = ""
    name: str = ""


def map_topic(topic: str) -> Mapped:
    """Read a topic; raise `Invalid` for one below `devices/` that is no form of ours."""
    if not topic.startswith(ROOT):
        return Mapped(Operation.PLAIN)
    match topic.split("/"):
        case ["devices", device, "telemetry"] if device:
            return Mapped(Operation.TELEMETRY, device)
        case ["devices", device, "properties", "reported"] if device:
            return Mapped(Operation.REPORTED, device)
        case ["devices", device, "events", name] if device and name:
            return Mapped(Operation.EVENT, device, name)
        case ["devices", device, "commands", request, "result"] if device and request:
            return Mapped(Operation.COMMAND_RESULT, device, request)
        case ["devices", device, "commands", request, name] if device and request and name:
            # Published past the service it would have no record, no check and no outcome.
            raise Forbidden(
                "Commands are published by Weft alone, once they are checked and kept.",
                remedy=f"Send it with POST /api/v1/devices/{device}/commands, or: "
                f"weft command send {device} {name}",
            )
        case ["devices", device, "dialects", dialect, _, *_] if device and dialect:
            return Mapped(Operation.DIALECT, device, dialect)
        case ["devices", device, "properties", "desired"] if device:
            raise Forbidden(
                "Desired properties are written by Weft alone.",
                remedy=f"Change them with PATCH /api/v1/devices/{device}/twin.",
            )
        case _:
            raise Invalid(
                f"{topic!r} is no topic below devices/.", remedy=f"Publish to one of: {FORMS}."
            )


def canonical_topic(topic: str, mapped: Mapped, device_id: str) -> str:
    """Return the topic with `me` replaced by the device's own id."""
    if mapped.device != ME:
        return topic
    return f"{ROOT}{device_id}{topic[len(ROOT) + len(ME) :]}"


def dialect_of(topic: str) -> str:
    """Return the dialect whose private topic this is, or nothing."""
    match topic.split("/", 4):
        case ["devices", _, "dialects", dialect, _]:
            return dialect
        case _:
            return ""


def canonical_filter(filter_: str, device_id: str) -> str:
    """Return a subscription filter with `me` replaced, so that `devices/me/#` works."""
    own = f"{ROOT}{ME}"
    if filter_ == own or filter_.startswith(own + "/"):
        return f"{ROOT}{device_id}{filter_[len(own) :]}"
    return filter_
