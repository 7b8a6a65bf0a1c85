"""Paths: the device API as CoAP resources, on the same paths as over HTTP.

/api/v1/devices/{id|me}/telemetry                           POST, PUT
/api/v1/devices/{id|me}/properties/reported                 GET, POST, PATCH, iPATCH
/api/v1/devices/{id|me}/properties/desired                  GET, observe
/api/v1/devices/{id|me}/events/{name}                       POST
/api/v1/devices/{id|me}/commands                            GET, observe
/api/v1/devices/{id|me}/commands/{request_id}/result        POST, PUT
/.well-known/core                                           GET
"""

from enum import Enum
from typing import NamedTuple

from weft.errors import NotFound, PeerError
from weft.model.ids import require_name
from weft.wire.coap.codes import Code
from weft.wire.coap.formats import ContentFormat
from weft.wire.coap.link_format import Link

ROOT = ("api", "v1", "devices")
CORE = (".well-known", "core")


class Kind(Enum):
    """What a resource is; its value is the rest of the path."""

    TELEMETRY = "telemetry"
    REPORTED = "properties/reported"
    DESIRED = "properties/desired"
    EVENT = "events/{name}"
    COMMANDS = "commands"
    RESULT = "commands/{request_id}/result"
    CORE = ".well-known/core"


METHODS: dict[Kind, frozenset[int]] = {
    Kind.TELEMETRY: frozenset({Code.POST, Code.PUT}),
    Kind.REPORTED: frozenset({Code.GET, Code.POST, Code.PATCH, Code.IPATCH}),
    Kind.DESIRED: frozenset({Code.GET}),
    Kind.EVENT: frozenset({Code.POST}),
    Kind.COMMANDS: frozenset({Code.GET}),
    Kind.RESULT: frozenset({Code.POST, Code.PUT}),
    Kind.CORE: frozenset({Code.GET}),
}

_FIXED = {
    (Kind.TELEMETRY.value,): Kind.TELEMETRY,
    tuple(Kind.REPORTED.value.split("/")): Kind.REPORTED,
    tuple(Kind.DESIRED.value.split("/")): Kind.DESIRED,
    (Kind.COMMANDS.value,): Kind.COMMANDS,
}
_READ = (ContentFormat.JSON, ContentFormat.CBOR)
_MEASURED = (*_READ, ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR)
# What a device finds of itself (RFC 6690).
CORE_LINKS = (
    Link("/api/v1/devices/me/telemetry", ("weft.telemetry",), content_formats=_MEASURED),
    Link("/api/v1/devices/me/properties/reported", ("weft.reported",), content_formats=_READ),
    Link(
        "/api/v1/devices/me/properties/desired",
        ("weft.desired",),
        content_formats=_READ,
        observable=True,
    ),
    Link("/api/v1/devices/me/commands", ("weft.commands",), content_formats=_READ, observable=True),
)


class MethodNotAllowed(PeerError):
    """The path is there, but not with this method."""

    code = "no_such_method"


class Place(NamedTuple):
    """A resource; `device` is as written (maybe `me`), `topic` where it is published to."""

    kind: Kind
    device: str = ""
    topic: str = ""


def place_of(path: tuple[str, ...]) -> Place:
    """Return the resource at a path; raise `NotFound`, or `Invalid` for a name that is none."""
    if path == CORE:
        return Place(Kind.CORE)
    if path[:3] == ROOT and len(path) > 4:
        device, rest = require_name(path[3], "device id"), path[4:]
        kind = _FIXED.get(rest)
        if kind is None and len(rest) == 2 and rest[0] == "events":
            require_name(rest[1], "event name")
            kind = Kind.EVENT
        elif kind is None and len(rest) == 3 and (rest[0], rest[2]) == ("commands", "result"):
            require_name(rest[1], "request id")
            kind = Kind.RESULT
        if kind is not None:
            return Place(kind, device, "/".join(("devices", device, *rest)))
    raise NotFound(
        f"There is nothing at /{'/'.join(path)[:128]}.",
        remedy="GET /.well-known/core lists what there is.",
    )


def require_method(place: Place, code: int) -> None:
    """Raise `MethodNotAllowed` for a method that the resource does not have."""
    allowed = METHODS[place.kind]
    if code not in allowed:
        names = ", ".join(sorted(Code(one).name for one in allowed))
        raise MethodNotAllowed("The method does not work here.", remedy=f"Use one of: {names}.")
