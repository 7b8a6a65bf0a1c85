"""LoRaWAN servers: how a command gets into the queue of each.

Where a request goes is made of the settings alone: their URL, their key, and names of the
device that are encoded as parts of the path. What a webhook's headers offer beside its
message (`X-Downlink-Push`, `X-Downlink-Apikey`) is never read: whoever holds the webhook's
token could otherwise send Weft, with any key, to any address.

ChirpStack answers with an id of its own. The Things Stack answers with nothing, so Weft gives
each downlink a correlation id and notes it before it is sent. Where an answer was lost, its
queue is looked at before anything is sent again; it offers no better, such as a request
that may be made twice.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol

import msgspec
from msgspec import Struct

from weft.connectors.credentials import Credentials, require_reference
from weft.connectors.lorawan_queue import DownlinkQueue
from weft.errors import ConfigurationError
from weft.ingest.dialects.lorawan_tts import CORRELATION_PREFIX
from weft.ingest.dialects.lorawan_words import SILENCE_S, Address, Queued
from weft.model.command import Command
from weft.model.device import Device
from weft.security.outbound import Answer, OutboundClient, url_of

CHIRPSTACK: Final = "chirpstack"
TTS: Final = "tts"
SILENCE_MIN_S: Final = 1.0
ATTEMPTS_MAX: Final = 100  # The Things Stack's own bound
_QUEUE: Final = "Queue a downlink"
_LOOK: Final = "Look into the queue of a device"
_MAY_NOT_LOOK: Final = frozenset({401, 403, 404, 501})


class DownlinkSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[lorawan.DEVICE]`: the network server that the device of this name stands for."""

    # As https://chirpstack.example:8090; without one, nothing is sent to its devices.
    url: str = ""
    key: str = ""  # reference to its API key: file:, env: or sealed:
    server: Literal["chirpstack", "tts"] = "chirpstack"
    webhook: str = ""  # of The Things Stack: the id of the webhook that calls Weft
    tenant: str = "main"
    allow: tuple[str, ...] = ()  # CIDRs of a server on premise
    confirmed: bool = True  # the device has to acknowledge, and the command ends with that
    attempts: int = 3  # of a confirmed downlink, by The Things Stack; then it has failed
    f_port: int = 10  # of commands that the server's codec encodes
    timeout_s: float = 10.0
    silence_s: float = SILENCE_S  # a device that was not heard for so long is not connected

    @property
    def sends(self) -> bool:
        """Whether commands go down to its devices."""
        return bool(self.url)


def require_settings(name: str, settings: DownlinkSettings) -> None:
    """Raise `ConfigurationError` for a table that says too little, or what cannot be."""
    if settings.silence_s < SILENCE_MIN_S:
        raise ConfigurationError(
            f"[lorawan.{name}] silence_s: {settings.silence_s:g} is too short.",
            remedy=f"Write at least {SILENCE_MIN_S:g}, and more than lies between two uplinks.",
        )
    if not settings.sends:
        if settings.key or settings.webhook:
            raise ConfigurationError(
                f"[lorawan.{name}] url is missing: key and webhook are for sending.",
                remedy="Write the URL of the network server, or leave those two out.",
            )
        return
    require_reference(settings.key, f"[lorawan.{name}] key")
    if settings.server == TTS and not settings.webhook:
        raise ConfigurationError(
            f"[lorawan.{name}] webhook: The Things Stack takes downlinks by a webhook's name.",
            remedy="Write the id of the webhook that calls Weft, as its console shows it.",
        )
    if not 1 <= settings.attempts <= ATTEMPTS_MAX:
        raise ConfigurationError(
            f"[lorawan.{name}] attempts: {settings.attempts} is out of range.",
            remedy=f"Write a number from 1 to {ATTEMPTS_MAX}.",
        )


class Line(Struct, frozen=True):
    """The way to one server: guarded, with its key."""

    settings: DownlinkSettings
    outbound: OutboundClient
    credentials: Credentials

    async def ask(
        self, method: str, path: tuple[str, ...], header: str, body: Mapping[str, Any] | None = None
    ) -> Answer:
        """Send one request; raises `ConnectorError` where nothing was answered."""
        key = await self.credentials.get(self.settings.key)
        return await self.outbound.request(
            method,
            url_of(self.settings.url, *path),
            headers={"Content-Type": "application/json", header: f"Bearer {key}"},
            body=None if body is None else msgspec.json.encode(body),
            timeout_s=self.settings.timeout_s,
        )


class NetworkServer(Protocol):
    """One kind of server."""

    async def put(self, child: Device, command: Command) -> bool:
        """Put a command into the queue of a device, noted; False if it cannot be known yet.

        Raises `ConnectorError`; then it is tried again, unless that is permanent.
        """
        ...


class _Made(Struct, frozen=True):
    id: str


class ChirpStack:
    """ChirpStack v4, by the REST API beside it."""

    def __init__(self, line: Line, queue: DownlinkQueue) -> None:
        self._line = line
        self._queue = queue

    async def put(self, child: Device, command: Command) -> bool:
        """Put a command into the queue of a device."""
        settings = self._line.settings
        answer = await self._line.ask(
            "POST",
            ("api", "devices", child.alias, "queue"),
            "Grpc-Metadata-Authorization",
            {"queueItem": self._item(child, command)},
        )
        made = answer.require_success(_QUEUE).decode(_Made, _QUEUE)
        await self._queue.note(_queued(made.id, command, settings))
        return True

    def _item(self, child: Device, command: Command) -> dict[str, Any]:
        """Return what is queued: bytes where the input has them, else what a codec encodes."""
        settings, given = self._line.settings, command.input
        item: dict[str, Any] = {"devEui": child.alias, "confirmed": settings.confirmed}
        if isinstance(given.get("data"), str):
            return {**item, "fPort": given.get("f_port", settings.f_port), "data": given["data"]}
        return {**item, "fPort": settings.f_port, "object": {"command": command.name, **given}}


class _Held(Struct, frozen=True):
    correlation_ids: list[str] = []


class _Holding(Struct, frozen=True):
    downlinks: list[_Held] = []


class TheThingsStack:
    """The Things Stack v3, by its webhooks' queue operations."""

    def __init__(self, line: Line, queue: DownlinkQueue) -> None:
        self._line = line
        self._queue = queue

    async def put(self, child: Device, command: Command) -> bool:
        """Push a command, once as far as can be known; False before the first uplink."""
        address = self._queue.address_of(child)
        if address is None:
            return False
        queue_id = correlation_id(command)
        before = self._queue.find(queue_id)
        if before is None:
            await self._queue.note(_queued(queue_id, command, self._line.settings, placed=False))
        elif await self._holds(address, queue_id):
            await self._queue.mark_placed(queue_id)
            return True
        await self._push(address, self._downlink(command, queue_id))
        await self._queue.mark_placed(queue_id)
        return True

    async def _push(self, address: Address, downlink: dict[str, Any]) -> None:
        webhook = ("webhooks", self._line.settings.webhook, "devices", address.device)
        path = ("api", "v3", "as", "applications", address.application, *webhook, "down", "push")
        answer = await self._line.ask("POST", path, "Authorization", {"downlinks": [downlink]})
        answer.require_success(_QUEUE)

    async def _holds(self, address: Address, queue_id: str) -> bool:
        """Whether a downlink whose answer was lost waits there; no where the key may not look."""
        device = ("applications", address.application, "devices", address.device, "down")
        answer = await self._line.ask("GET", ("api", "v3", "as", *device), "Authorization")
        if answer.status in _MAY_NOT_LOOK:
            return False
        holding = answer.require_success(_LOOK).decode(_Holding, _LOOK)
        return any(queue_id in one.correlation_ids for one in holding.downlinks)

    def _downlink(self, command: Command, queue_id: str) -> dict[str, Any]:
        settings, given = self._line.settings, command.input
        item: dict[str, Any] = {
            "confirmed": settings.confirmed,
            "priority": "NORMAL",
            "correlation_ids": [queue_id],
        }
        if settings.confirmed:
            item["confirmed_retry"] = {"max_attempts": settings.attempts}
        if isinstance(given.get("data"), str):
            port = given.get("f_port", settings.f_port)
            return {**item, "f_port": port, "frm_payload": given["data"]}
        decoded = {"command": command.name, **given}
        return {**item, "f_port": settings.f_port, "decoded_payload": decoded}


def correlation_id(command: Command) -> str:
    """Return the id that ties a downlink to its command: the same each time, and no secret."""
    names = f"{command.tenant}\x1f{command.device_uid}\x1f{command.request_id}"
    return CORRELATION_PREFIX + hashlib.blake2b(names.encode(), digest_size=16).hexdigest()


def make_server(line: Line, queue: DownlinkQueue) -> NetworkServer:
    """Return the kind of server that the settings name."""
    kinds: dict[str, type[ChirpStack | TheThingsStack]] = {
        CHIRPSTACK: ChirpStack,
        TTS: TheThingsStack,
    }
    return kinds[line.settings.server](line, queue)


def _queued(
    queue_id: str, command: Command, settings: DownlinkSettings, *, placed: bool = True
) -> Queued:
    return Queued(
        queue_id,
        command.tenant,
        command.device_id,
        command.request_id,
        settings.confirmed,
        placed,
    )
