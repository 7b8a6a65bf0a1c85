"""Words that all LoRaWAN network servers share: a device by its DevEUI, an uplink, a place.

An uplink is telemetry at the network's own moment. What the radio says (rssi, snr, dr), a
place that the network has worked out and a join are kept where the type has a place for them.
What was understood and leaves nothing behind is counted, by its event.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from weft.errors import PayloadInvalid
from weft.ingest import metrics
from weft.ingest.dialects.dialect import Said, Speaker, asked
from weft.model.device import Device, DeviceType
from weft.model.ids import DeviceId, TenantId

S = TypeVar("S", bound=Struct)

NAME: Final = "lorawan"
EUI_CHARACTERS: Final = 16
JOINED: Final = "joined"
HEARD: Final = "heard"  # a device was on the air, and no other message says so
PLACED: Final = "placed"  # a command stands in the network server's queue
ADDRESS: Final = "address"  # what a network server calls a device
SILENCE_S: Final = 25 * 3600.0  # most devices send at least once a day
# The Things Stack's rule for ids: 3 to 36 characters, no hyphen at an end or beside another.
_ID: Final = re.compile(r"(?!.{37})[a-z0-9](?:-?[a-z0-9]){2,}")
_HEX: Final = frozenset("0123456789abcdef")


class Queued(Struct, frozen=True):
    """A command in a network server's queue, under the id that its events name."""

    queue_id: str
    tenant: TenantId
    device_id: DeviceId
    request_id: str
    confirmed: bool
    placed: bool = True  # False: it was sent there, and nothing has said yet that it arrived


class Address(Struct, frozen=True):
    """What The Things Stack calls a device: downlinks go to these names, not to its DevEUI."""

    application: str
    device: str

    @property
    def is_valid(self) -> bool:
        """Whether both are ids by its own rule."""
        return bool(_ID.fullmatch(self.application) and _ID.fullmatch(self.device))


FindQueued = Callable[[str], Queued | None]
IsNewAddress = Callable[[Device, Device, Address], bool]  # of a gateway, and a child of it


class Uplink(Struct, frozen=True):
    """One uplink, whichever server tells of it."""

    time: str
    decoded: dict[str, Any] | None
    has_bytes: bool
    radio: dict[str, Any]


class RxInfo(Struct, frozen=True):
    """How well one gateway of the network has heard an uplink."""

    rssi: float | None = None
    snr: float | None = None


class Location(Struct, frozen=True):
    """Where a device is, in degrees and metres; both servers leave out what is zero."""

    latitude: float = 0.0
    longitude: float = 0.0
    altitude: float = 0.0
    accuracy: float | None = None

    def values(self) -> dict[str, Any]:
        """Return it as telemetry."""
        return {
            "latitude": self.latitude,
            "longitude": self.longitude,
            "altitude": self.altitude,
            "location_accuracy": self.accuracy,
        }


def unused(event: str) -> Sequence[Said]:
    """Return nothing, and count that an event was understood and needed nothing."""
    metrics.DIALECT_UNUSED.labels(NAME, event).inc()
    return []


def heard(child: Device) -> Said:
    """Return the word that a device was on the air, where nothing else says so."""
    return asked(NAME, HEARD, b"{}", child.device_id)


def result_of(queued: Queued, event: str, error: str = "") -> Said:
    """Return the end of a command: what ended it, or why it failed."""
    if error:
        result: dict[str, Any] = {"status": "failed", "error": error}
    else:
        result = {"status": "succeeded", "output": {"event": event}}
    topic = f"devices/{queued.device_id}/commands/{queued.request_id}/result"
    return Said(topic, msgspec.json.encode(result))


def read_as(payload: bytes, kind: type[S], server: str) -> S:
    """Decode an event of `server`; raises `PayloadInvalid` with what to do."""
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadInvalid(
            f"This is no event of {server}: {error}.",
            remedy=f"Have {server} send JSON, not Protocol Buffers.",
        ) from None


def child_of(speaker: Speaker, dev_eui: str, profile: str) -> Device:
    """Return the device of a DevEUI; raise `UnknownChildren` where it has to be added."""
    name = dev_eui.lower()
    if len(name) != EUI_CHARACTERS or not _HEX.issuperset(name):
        raise PayloadInvalid(
            f"{dev_eui[:64]!r} is no DevEUI.", remedy="It has 16 hexadecimal characters."
        )
    speaker.child_ids([name], [profile])
    assert speaker.device is not None
    child = speaker.children.find_child(speaker.device, name)
    assert child is not None
    return child


def radio_of(received: list[RxInfo], data_rate: int | None) -> dict[str, Any]:
    """Return how well the best of the gateways heard it."""
    best = max(received, key=lambda one: -999.0 if one.rssi is None else one.rssi, default=RxInfo())
    return {"rssi": best.rssi, "snr": best.snr, "dr": data_rate}


def telemetry(speaker: Speaker, child: Device, uplink: Uplink, payload: bytes) -> Sequence[Said]:
    """Return an uplink as telemetry: the whole document for a mapping, else what was decoded."""
    device_type = speaker.type_of(child)
    if uplink.decoded is None and not uplink.has_bytes:
        return [heard(child)]  # for the network alone: an acknowledgement, MAC commands
    mapping = None if device_type is None else device_type.mapping
    if mapping is not None and mapping.maps_telemetry:
        return [Said(f"devices/{child.device_id}/telemetry", payload)]
    if uplink.decoded is None:
        raise PayloadInvalid(
            f"The uplink of {child.alias!r} was not decoded, and no mapping says how.",
            remedy="Give the device a type whose mapping reads the bytes, or the network "
            "server a codec.",
        )
    said = values_of(speaker, child, uplink.time, uplink.decoded, uplink.radio)
    return said or [heard(child)]


def values_of(
    speaker: Speaker, child: Device, time: str, values: dict[str, Any], more: dict[str, Any]
) -> Sequence[Said]:
    """Return telemetry; of `more`, what is there and what the type has a place for."""
    device_type = speaker.type_of(child)
    extra = {
        key: value
        for key, value in more.items()
        if value is not None and key not in values and _has_place(device_type, key)
    }
    if not values and not extra:
        return []
    said: dict[str, Any] = {**values, **extra}
    stamped = {"ts": time, "values": said} if time else said
    return [Said(f"devices/{child.device_id}/telemetry", msgspec.json.encode(stamped))]


def _has_place(device_type: DeviceType | None, key: str) -> bool:
    return device_type is None or key in device_type.telemetry


def event_of(speaker: Speaker, child: Device, name: str, data: dict[str, Any]) -> Sequence[Said]:
    """Return an event, of its data what has a place; nothing where the type declares no such."""
    device_type = speaker.type_of(child)
    if device_type is not None and name not in device_type.events:
        return []
    fields = None if device_type is None else device_type.events[name]
    placed = {
        key: value for key, value in data.items() if value and (fields is None or key in fields)
    }
    return [Said(f"devices/{child.device_id}/events/{name}", msgspec.json.encode(placed))]


def joined(speaker: Speaker, child: Device, dev_addr: str) -> Sequence[Said]:
    """Return a join: the event where it has a place, and that the device is there."""
    return event_of(speaker, child, JOINED, {"dev_addr": dev_addr}) or [heard(child)]
