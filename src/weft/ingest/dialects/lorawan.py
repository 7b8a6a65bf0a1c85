"""LoRaWAN: what a network server's webhook says of its devices, in native words.

    $lorawan/chirpstack/{event}     ChirpStack v4: up, join, ack, txack, log, status, location
    $lorawan/tts                    The Things Stack v3; the message says itself what it is

The network server is a gateway of ours, and its devices are its children, called by their
DevEUI. An uplink is telemetry at the network's own moment. A device type with a mapping is
given the server's document as it came, so a mapping can be tried on a pasted uplink and
takes bytes by their port; without one, what the server's own codec has decoded is taken.
What the radio says (rssi, snr, dr) and a join are kept where the type has a place for them.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from weft.errors import Invalid, PayloadInvalid
from weft.ingest.dialects.dialect import Said, Speaker
from weft.model.device import Device, DeviceType
from weft.model.ids import DeviceId, TenantId

S = TypeVar("S", bound=Struct)

NAME: Final = "lorawan"
PREFIX: Final = "$lorawan/"
CHIRPSTACK: Final = "$lorawan/chirpstack/"
TTS: Final = "$lorawan/tts"
EUI_CHARACTERS: Final = 16
JOINED: Final = "joined"
_IGNORED: Final = frozenset({"log", "location", "integration"})
_ENDINGS: Final = frozenset({"ack", "txack"})
_HEX: Final = frozenset("0123456789abcdef")


class Queued(Struct, frozen=True):
    """A command in a network server's queue, under the id that its events name."""

    queue_id: str
    tenant: TenantId
    device_id: DeviceId
    request_id: str
    confirmed: bool


FindQueued = Callable[[str], Queued | None]


class Uplink(Struct, frozen=True):
    """One uplink, whichever server tells of it."""

    time: str
    decoded: dict[str, Any] | None
    has_bytes: bool
    radio: dict[str, Any]


class _DeviceInfo(Struct, frozen=True, rename="camel"):
    dev_eui: str
    device_profile_name: str = ""
    device_name: str = ""


class _RxInfo(Struct, frozen=True):
    rssi: float | None = None
    snr: float | None = None


class _ChirpStack(Struct, frozen=True, rename="camel"):
    """The members of ChirpStack's events that are read; it sends more."""

    device_info: _DeviceInfo
    time: str = ""
    dev_addr: str = ""
    dr: int | None = None
    f_port: int = 0
    data: str = ""
    object: dict[str, Any] | None = None
    rx_info: list[_RxInfo] = []
    battery_level: float | None = None
    battery_level_unavailable: bool = False
    external_power_source: bool = False
    margin: int | None = None


class _Ending(Struct, frozen=True, rename="camel"):
    """An `ack` or `txack`: what became of an item of the queue."""

    queue_item_id: str = ""
    acknowledged: bool = False


class _EndDevice(Struct, frozen=True):
    device_id: str = ""
    dev_eui: str = ""


class _TtsSettings(Struct, frozen=True):
    data_rate_index: int | None = None


class _TtsUplink(Struct, frozen=True):
    """Empty members are left out, so port 0 and no bytes look the same."""

    f_port: int = 0
    frm_payload: str = ""
    decoded_payload: dict[str, Any] | None = None
    rx_metadata: list[_RxInfo] = []
    settings: _TtsSettings = _TtsSettings()
    received_at: str = ""


class _Tts(Struct, frozen=True):
    """The members of The Things Stack's messages that are read."""

    end_device_ids: _EndDevice
    received_at: str = ""
    uplink_message: _TtsUplink | None = None
    join_accept: dict[str, Any] | None = None


class LoRaWan:
    """The dialect: pure, and the same for all network servers."""

    name = NAME
    prefixes = (PREFIX,)

    def __init__(self) -> None:
        self._find_queued: FindQueued | None = None

    def find_queued_with(self, find: FindQueued) -> None:
        """Ask `find` which command an acknowledgement is of; from memory."""
        self._find_queued = find

    def read(self, speaker: Speaker, topic: str, payload: bytes) -> Sequence[Said]:
        """Put an event into native words; raises what `Dialect.read` says."""
        if topic == TTS:
            return _of_tts(speaker, payload)
        if topic.startswith(CHIRPSTACK):
            event = topic[len(CHIRPSTACK) :]
            if event in _ENDINGS:
                return self._ended(speaker, event, payload)
            return _of_chirpstack(speaker, event, payload)
        raise Invalid(
            f"{topic[:128]!r} is no topic of a LoRaWAN network server.",
            remedy="Send webhooks to /api/v1/lorawan/chirpstack or /api/v1/lorawan/tts.",
        )

    def _ended(self, speaker: Speaker, event: str, payload: bytes) -> Sequence[Said]:
        """Return the result of a command that was sent, or acknowledged; else nothing."""
        said = _read(payload, _Ending, "ChirpStack")
        queued = self._find_queued(said.queue_item_id) if self._find_queued else None
        if queued is None or queued.tenant != speaker.tenant:
            return []
        if queued.confirmed is not (event == "ack"):
            return []  # confirmed: when acknowledged; unconfirmed: when it was sent
        if event == "txack" or said.acknowledged:
            result = {"status": "succeeded", "output": {"event": event}}
        else:
            result = {"status": "failed", "error": "The device did not acknowledge the downlink."}
        topic = f"devices/{queued.device_id}/commands/{queued.request_id}/result"
        return [Said(topic, msgspec.json.encode(result))]

    def native_filter(self, text: str, device_id: str) -> str | None:  # noqa: ARG002  a `Dialect`
        """Return None: nothing goes down this way."""
        return None

    def own_topic(self, topic: str, device_id: str) -> str | None:  # noqa: ARG002  a `Dialect`
        """Return None, for the same reason."""
        return None


def _of_chirpstack(speaker: Speaker, event: str, payload: bytes) -> Sequence[Said]:
    if event in _IGNORED:
        return []
    said = _read(payload, _ChirpStack, "ChirpStack")
    child = _child(speaker, said.device_info.dev_eui, said.device_info.device_profile_name)
    match event:
        case "up":
            radio = _radio(said.rx_info, said.dr)
            uplink = Uplink(said.time, said.object, bool(said.data) and said.f_port > 0, radio)
            return _telemetry(speaker, child, uplink, payload)
        case "join":
            return _joined(speaker, child, said.dev_addr)
        case "status":
            values: dict[str, Any] = {"margin": said.margin}
            if not said.battery_level_unavailable and not said.external_power_source:
                values["battery"] = said.battery_level
            return _values(speaker, child, said.time, {}, values)
    raise Invalid(
        f"ChirpStack's events are no {event[:64]!r}.",
        remedy="Give the integration the plain URL; ChirpStack adds ?event= itself.",
    )


def _of_tts(speaker: Speaker, payload: bytes) -> Sequence[Said]:
    said = _read(payload, _Tts, "The Things Stack")
    uplink, ids = said.uplink_message, said.end_device_ids
    if uplink is None and said.join_accept is None:
        return []  # a downlink's progress, a location, a service's own data
    child = _child(speaker, ids.dev_eui, "")
    if uplink is None:
        return _joined(speaker, child, "")
    radio = _radio(uplink.rx_metadata, uplink.settings.data_rate_index)
    time = uplink.received_at or said.received_at
    has_bytes = bool(uplink.frm_payload) and uplink.f_port > 0
    return _telemetry(
        speaker, child, Uplink(time, uplink.decoded_payload, has_bytes, radio), payload
    )


def _read(payload: bytes, kind: type[S], server: str) -> S:
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadInvalid(
            f"This is no event of {server}: {error}.",
            remedy=f"Have {server} send JSON, not Protocol Buffers.",
        ) from None


def _child(speaker: Speaker, dev_eui: str, profile: str) -> Device:
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


def _radio(heard: list[_RxInfo], data_rate: int | None) -> dict[str, Any]:
    """Return how well the best of the gateways heard it."""
    best = max(heard, key=lambda one: -999.0 if one.rssi is None else one.rssi, default=_RxInfo())
    return {"rssi": best.rssi, "snr": best.snr, "dr": data_rate}


def _telemetry(speaker: Speaker, child: Device, uplink: Uplink, payload: bytes) -> Sequence[Said]:
    device_type = speaker.type_of(child)
    if uplink.decoded is None and not uplink.has_bytes:
        return []  # for the network alone: an acknowledgement, MAC commands
    mapping = None if device_type is None else device_type.mapping
    if mapping is not None and mapping.maps_telemetry:
        return [Said(f"devices/{child.device_id}/telemetry", payload)]
    if uplink.decoded is None:
        raise PayloadInvalid(
            f"The uplink of {child.alias!r} was not decoded, and no mapping says how.",
            remedy="Give the device a type whose mapping reads the bytes, or the network "
            "server a codec.",
        )
    return _values(speaker, child, uplink.time, uplink.decoded, uplink.radio)


def _values(
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


def _joined(speaker: Speaker, child: Device, dev_addr: str) -> Sequence[Said]:
    device_type = speaker.type_of(child)
    if device_type is not None and JOINED not in device_type.events:
        return []
    fields = None if device_type is None else device_type.events[JOINED]
    data = {"dev_addr": dev_addr} if dev_addr and (fields is None or "dev_addr" in fields) else {}
    return [Said(f"devices/{child.device_id}/events/{JOINED}", msgspec.json.encode(data))]
