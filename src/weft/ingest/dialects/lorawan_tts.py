"""The Things Stack: what its webhooks say, by the member that each message has.

An uplink names its device by DevEUI; what became of a downlink does not always, so it is
known by the correlation id that Weft gave it. A negative acknowledgement ends a command only
when the network tries no more. A message that is none of these is refused, and kept.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from weft.errors import PayloadInvalid
from weft.ingest.dialects.dialect import Said, Speaker, asked
from weft.ingest.dialects.lorawan_words import (
    ADDRESS,
    NAME,
    PLACED,
    Address,
    FindQueued,
    IsNewAddress,
    Location,
    Queued,
    RxInfo,
    Uplink,
    child_of,
    event_of,
    joined,
    radio_of,
    read_as,
    result_of,
    telemetry,
    unused,
    values_of,
)
from weft.model.device import Device

SERVER: Final = "The Things Stack"
SERVICE_DATA: Final = "service_data"
ERROR_MAX_CHARACTERS: Final = 200
CORRELATION_PREFIX: Final = "weft:"
IDS_MAX: Final = 100  # correlation ids that are looked at; a message has about ten


class _Application(Struct, frozen=True):
    application_id: str = ""


class _EndDevice(Struct, frozen=True):
    device_id: str = ""
    application_ids: _Application = _Application()
    dev_eui: str = ""
    dev_addr: str = ""


class _Settings(Struct, frozen=True):
    data_rate_index: int | None = None


class _Uplink(Struct, frozen=True):
    """Empty members are left out, so port 0 and no bytes look the same."""

    f_port: int = 0
    frm_payload: str = ""
    decoded_payload: dict[str, Any] | None = None
    rx_metadata: list[RxInfo] = []
    settings: _Settings = _Settings()
    received_at: str = ""


class _Retry(Struct, frozen=True):
    """How often the network has tried a confirmed downlink, and how often it will."""

    attempt: int = 0
    max_attempts: int | None = None


class _Downlink(Struct, frozen=True):
    correlation_ids: list[str] = []
    confirmed_retry: _Retry | None = None

    @property
    def is_tried_again(self) -> bool:
        """Whether the network sends it once more after a negative acknowledgement."""
        retry = self.confirmed_retry
        return retry is not None and (
            retry.max_attempts is None or retry.attempt <= retry.max_attempts
        )


class _Error(Struct, frozen=True):
    name: str = ""
    message_format: str = ""


class _Failed(Struct, frozen=True):
    downlink: _Downlink = _Downlink()
    error: _Error = _Error()


class _Solved(Struct, frozen=True):
    location: Location = Location()


class _Service(Struct, frozen=True):
    service: str = ""
    data: dict[str, Any] = {}


class _Message(Struct, frozen=True):
    """The members of its messages that are read; each message has one behind `received_at`."""

    end_device_ids: _EndDevice
    correlation_ids: list[str] = []
    received_at: str = ""
    uplink_message: _Uplink | None = None
    join_accept: dict[str, Any] | None = None
    downlink_ack: _Downlink | None = None
    downlink_nack: _Downlink | None = None
    downlink_sent: _Downlink | None = None
    downlink_queued: _Downlink | None = None
    downlink_failed: _Failed | None = None
    downlink_queue_invalidated: dict[str, Any] | None = None
    location_solved: _Solved | None = None
    service_data: _Service | None = None


class TheThingsStack:
    """Reads messages; what it has to know of downlinks it asks those that sent them."""

    def __init__(
        self, find_queued: FindQueued | None = None, is_new_address: IsNewAddress | None = None
    ) -> None:
        self._find_queued = find_queued
        self._is_new_address = is_new_address

    def read(self, speaker: Speaker, payload: bytes) -> Sequence[Said]:
        """Put a message into native words; raises what `Dialect.read` says."""
        said = read_as(payload, _Message, SERVER)
        ended = self._of_downlink(speaker, said)
        if ended is not None:
            return ended
        if said.uplink_message is not None:
            child = child_of(speaker, said.end_device_ids.dev_eui, "")
            address = self._address(speaker, child, said)
            return [*address, *_uplink(speaker, child, said, payload)]
        if said.join_accept is not None:
            child = child_of(speaker, said.end_device_ids.dev_eui, "")
            came = joined(speaker, child, said.end_device_ids.dev_addr)
            return [*self._address(speaker, child, said), *came]
        return _of_services(speaker, said)

    def _address(self, speaker: Speaker, child: Device, said: _Message) -> Sequence[Said]:
        """Return what the network calls a device, where that is news to who sends downlinks."""
        ids = said.end_device_ids
        address = Address(ids.application_ids.application_id, ids.device_id)
        if speaker.again or self._is_new_address is None or speaker.device is None:
            return []
        if not self._is_new_address(speaker.device, child, address):
            return []
        if not address.is_valid:
            return unused(ADDRESS)  # commands to it wait; what it says is kept
        return [asked(NAME, ADDRESS, msgspec.json.encode(address), child.device_id)]

    def _of_downlink(self, speaker: Speaker, said: _Message) -> Sequence[Said] | None:
        """Return what became of a downlink; None for a message about something else."""
        if said.downlink_ack is not None:
            return self._progress(speaker, said, "downlink_ack", said.downlink_ack)
        if said.downlink_nack is not None:
            return self._progress(speaker, said, "downlink_nack", said.downlink_nack)
        if said.downlink_sent is not None:
            return self._progress(speaker, said, "downlink_sent", said.downlink_sent)
        if said.downlink_queued is not None:
            return self._progress(speaker, said, "downlink_queued", said.downlink_queued)
        if said.downlink_failed is not None:
            failed = said.downlink_failed
            queued = self._queued(speaker, said, failed.downlink)
            if queued is None:
                return unused("downlink_failed")
            return [result_of(queued, "downlink_failed", _reason(failed.error))]
        if said.downlink_queue_invalidated is not None:
            return unused("downlink_queue_invalidated")  # it queues them again by itself
        return None

    def _progress(
        self, speaker: Speaker, said: _Message, event: str, downlink: _Downlink
    ) -> Sequence[Said]:
        queued = self._queued(speaker, said, downlink)
        if queued is None:
            return unused(event)  # of a downlink that somebody else has queued, or long ended
        if event == "downlink_nack" and not downlink.is_tried_again:
            return [result_of(queued, event, "The device did not acknowledge the downlink.")]
        if event == ("downlink_ack" if queued.confirmed else "downlink_sent"):
            return [result_of(queued, event)]
        if queued.placed or speaker.again:
            return unused(event)
        word = msgspec.json.encode({"queue_id": queued.queue_id})
        return [asked(NAME, PLACED, word, queued.device_id)]

    def _queued(self, speaker: Speaker, said: _Message, downlink: _Downlink) -> Queued | None:
        for one in [*downlink.correlation_ids, *said.correlation_ids][:IDS_MAX]:
            if self._find_queued is not None and one.startswith(CORRELATION_PREFIX):
                queued = self._find_queued(one)
                if queued is not None and queued.tenant == speaker.tenant:
                    return queued
        return None


def _uplink(speaker: Speaker, child: Device, said: _Message, payload: bytes) -> Sequence[Said]:
    uplink = said.uplink_message
    assert uplink is not None
    radio = radio_of(uplink.rx_metadata, uplink.settings.data_rate_index)
    time = uplink.received_at or said.received_at
    has_bytes = bool(uplink.frm_payload) and uplink.f_port > 0
    return telemetry(
        speaker, child, Uplink(time, uplink.decoded_payload, has_bytes, radio), payload
    )


def _of_services(speaker: Speaker, said: _Message) -> Sequence[Said]:
    """Return what services beside the network have found out about a device."""
    if said.location_solved is None and said.service_data is None:
        raise PayloadInvalid(
            f"This is no message of {SERVER} that is known: it has neither uplink_message, "
            "join_accept, a downlink event, location_solved nor service_data.",
            remedy="Switch on only those events of the webhook. uplink_normalized says again "
            "what uplink_message says.",
        )
    child = child_of(speaker, said.end_device_ids.dev_eui, "")
    if said.location_solved is not None:
        values = said.location_solved.location.values()
        found = values_of(speaker, child, said.received_at, {}, values)
        return found or unused("location_solved")
    assert said.service_data is not None
    data = {"service": said.service_data.service, "data": said.service_data.data}
    return event_of(speaker, child, SERVICE_DATA, data) or unused(SERVICE_DATA)


def _reason(error: _Error) -> str:
    """Return the network's reason, as much as fits beside a command."""
    text = error.message_format or error.name
    printable = "".join(one for one in text if one.isprintable())
    return printable[:ERROR_MAX_CHARACTERS] or "The network server could not send the downlink."
