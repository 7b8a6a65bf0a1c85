"""LoRaWAN: what a network server's webhook says of its devices, in native words.

    $lorawan/chirpstack/{event}     ChirpStack v4: up, join, ack, txack, log, status, location
    $lorawan/tts                    The Things Stack v3; the message says itself what it is

The network server is a gateway of ours, and its devices are its children, called by their
DevEUI. A device type with a mapping is given the server's document as it came, so a mapping
can be tried on a pasted uplink and takes bytes by their port; without one, what the server's
own codec has decoded is taken. What became of a downlink ends its command.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from weft.errors import Invalid
from weft.ingest.dialects.dialect import Said, Speaker
from weft.ingest.dialects.lorawan_tts import TheThingsStack
from weft.ingest.dialects.lorawan_words import (
    NAME,
    FindQueued,
    IsNewAddress,
    Location,
    RxInfo,
    Uplink,
    child_of,
    heard,
    joined,
    radio_of,
    read_as,
    result_of,
    telemetry,
    unused,
    values_of,
)

PREFIX: Final = "$lorawan/"
CHIRPSTACK: Final = "$lorawan/chirpstack/"
TTS: Final = "$lorawan/tts"
_UNUSED: Final = frozenset({"log", "integration"})
_ENDINGS: Final = frozenset({"ack", "txack"})


class _DeviceInfo(Struct, frozen=True, rename="camel"):
    dev_eui: str
    device_profile_name: str = ""
    device_name: str = ""


class _ChirpStack(Struct, frozen=True, rename="camel"):
    """The members of ChirpStack's events that are read; it sends more."""

    device_info: _DeviceInfo
    time: str = ""
    dev_addr: str = ""
    dr: int | None = None
    f_port: int = 0
    data: str = ""
    object: dict[str, Any] | None = None
    rx_info: list[RxInfo] = []
    battery_level: float | None = None
    battery_level_unavailable: bool = False
    external_power_source: bool = False
    margin: int | None = None
    location: Location | None = None


class _Ending(Struct, frozen=True, rename="camel"):
    """An `ack` or `txack`: what became of an item of the queue."""

    queue_item_id: str = ""
    acknowledged: bool = False


class LoRaWan:
    """The dialect: pure, and the same for all network servers."""

    name = NAME
    prefixes = (PREFIX,)

    def __init__(self) -> None:
        self._find_queued: FindQueued = _knows_none
        self._tts = TheThingsStack()

    def find_queued_with(self, find: FindQueued, is_new_address: IsNewAddress) -> None:
        """Ask `find` which command an acknowledgement is of, and what is new; from memory."""
        self._find_queued = find
        self._tts = TheThingsStack(find, is_new_address)

    def read(self, speaker: Speaker, topic: str, payload: bytes) -> Sequence[Said]:
        """Put an event into native words; raises what `Dialect.read` says."""
        if topic == TTS:
            return self._tts.read(speaker, payload)
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
        said = read_as(payload, _Ending, "ChirpStack")
        queued = self._find_queued(said.queue_item_id)
        if queued is None or queued.tenant != speaker.tenant:
            return unused(event)  # of a downlink that somebody else has queued
        if queued.confirmed is not (event == "ack"):
            return unused(event)  # confirmed: when acknowledged; unconfirmed: when it was sent
        if event == "txack" or said.acknowledged:
            return [result_of(queued, event)]
        return [result_of(queued, event, "The device did not acknowledge the downlink.")]

    def native_filter(self, text: str, device_id: str) -> str | None:  # noqa: ARG002  a `Dialect`
        """Return None: nothing goes down this way."""
        return None

    def own_topic(self, topic: str, device_id: str) -> str | None:  # noqa: ARG002  a `Dialect`
        """Return None, for the same reason."""
        return None


def _knows_none(_queue_id: str) -> None:
    return None


def _of_chirpstack(speaker: Speaker, event: str, payload: bytes) -> Sequence[Said]:
    if event in _UNUSED:
        return unused(event)
    said = read_as(payload, _ChirpStack, "ChirpStack")
    child = child_of(speaker, said.device_info.dev_eui, said.device_info.device_profile_name)
    match event:
        case "up":
            radio = radio_of(said.rx_info, said.dr)
            uplink = Uplink(said.time, said.object, bool(said.data) and said.f_port > 0, radio)
            return telemetry(speaker, child, uplink, payload)
        case "join":
            return joined(speaker, child, said.dev_addr)
        case "location":
            place = said.location or Location()
            return values_of(speaker, child, said.time, {}, place.values()) or unused(event)
        case "status":
            values: dict[str, Any] = {"margin": said.margin}
            if not said.battery_level_unavailable and not said.external_power_source:
                values["battery"] = said.battery_level
            return values_of(speaker, child, said.time, {}, values) or [heard(child)]
    raise Invalid(
        f"ChirpStack's events are no {event[:64]!r}.",
        remedy="Give the integration the plain URL; ChirpStack adds ?event= itself.",
    )
