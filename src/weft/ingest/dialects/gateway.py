"""Gateways in native words: which of its devices are there, by the gateway's own names.

    gateway/connect      up    {"device": "Room 1", "type": "room"}   it is there
    gateway/disconnect   up    {"device": "Room 1"}                   it is gone
    gateway/telemetry    up    {"Room 1": {...}, "Room 2": [...]}     as in devices/{id}/telemetry
    gateway/devices      down  {"device": "Room 1", "id": "Room-1"}   answers each connect

A device that is not known is added, as far as the gateway may. With the id, a gateway uses all
other topics as the device itself would: `devices/{id}/commands/#`, `devices/{id}/events/{name}`.
"""

from collections.abc import Sequence
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from weft.errors import Invalid, NotFound, PayloadInvalid
from weft.ingest.dialects.dialect import Said, Speaker, private_rest, private_topic
from weft.model.ids import NAME_MAX_CHARACTERS

NAME: Final = "gateway"
PREFIX: Final = "gateway/"
DEVICES: Final = "devices"
FORMS: Final = "gateway/connect, gateway/disconnect, gateway/telemetry"

# A gateway's own name for a device: printed in lists, never part of a topic.
Alias = Annotated[
    str,
    Meta(min_length=1, max_length=NAME_MAX_CHARACTERS, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$"),
]


class Arrival(Struct, frozen=True):
    """`gateway/connect` and `gateway/disconnect`: which device, and the type it follows."""

    device: Alias
    type: str = ""


T = TypeVar("T")

_arrival = msgspec.json.Decoder(Arrival)
_telemetry = msgspec.json.Decoder(dict[Alias, Raw])


class Gateway:
    """The table."""

    name = NAME
    prefixes = (PREFIX,)

    def read(self, speaker: Speaker, topic: str, payload: bytes) -> Sequence[Said]:
        """Put what a gateway says of its devices into native words."""
        match topic[len(PREFIX) :]:
            case "connect":
                said = _read(_arrival, payload)
                (child,) = speaker.child_ids([said.device], [said.type])
                return [Said(private_topic(child, NAME, "connect"), payload)]
            case "disconnect":
                known = _known(speaker, _read(_arrival, payload).device)
                return [Said(private_topic(known, NAME, "disconnect"), payload)]
            case "telemetry":
                told = _read(_telemetry, payload)
                children = speaker.child_ids(list(told))
                return [
                    Said(f"devices/{child}/telemetry", bytes(one))
                    for child, one in zip(children, told.values(), strict=True)
                ]
        raise Invalid(
            f"{topic[:200]!r} is nothing that a gateway says.", remedy=f"Publish to {FORMS}."
        )

    def native_filter(self, text: str, device_id: str) -> str | None:
        """Return the private topics in which a gateway is answered."""
        return private_topic(device_id, NAME, text[len(PREFIX) :])

    def own_topic(self, topic: str, device_id: str) -> str | None:
        """Return the topic of an answer; a device hears nothing of what its gateway says."""
        return PREFIX + DEVICES if private_rest(topic, device_id, NAME) == DEVICES else None


def _known(speaker: Speaker, alias: str) -> str:
    """Return a device's id: none is added only to say that it has left."""
    child = speaker.children.find_child(speaker.device, alias) if speaker.device else None
    if child is None:
        raise NotFound(
            f"The gateway has no device called {alias!r}.",
            remedy="Say the name that gateway/connect or gateway/telemetry has used.",
        )
    return child.device_id


def _read(decoder: msgspec.json.Decoder[T], payload: bytes) -> T:
    try:
        return decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadInvalid(
            f"What a gateway says cannot be read: {error}.",
            remedy='Send {"device": "Room 1"} to connect and disconnect, {"Room 1": {...}} to '
            "telemetry.",
        ) from None
