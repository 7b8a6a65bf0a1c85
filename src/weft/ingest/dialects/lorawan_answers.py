"""What comes of a LoRaWAN server's words: who is on the air, and what became of downlinks.

A device is there from the first time that it is heard until it has been silent for longer
than its network server's settings allow. Nothing is answered: a webhook has been answered
when its message was on disk. Only the word of a device's own gateway counts, also when the
device has changed hands since.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from msgspec import Struct

from weft.errors import Invalid
from weft.ingest.dialects.desk import Question
from weft.ingest.dialects.lorawan_words import (
    ADDRESS,
    NAME,
    PLACED,
    SILENCE_S,
    Address,
    read_as,
)
from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Envelope, Operation
from weft.registry.devices import Devices
from weft.registry.silence import Silences

SERVER: Final = "a network server"
_ON_THE_AIR: Final = frozenset({Operation.TELEMETRY, Operation.EVENT})
Learn = Callable[[Device, Device, Address], Awaitable[None]]  # of a gateway, and a child of it
Place = Callable[[TenantId, DeviceId, str], Awaitable[None]]  # by the id of what is queued


class _Placed(Struct, frozen=True):
    queue_id: str


class Given(Struct, frozen=True):
    """What the answerer works with."""

    devices: Devices
    silences: Silences
    silence_of: Mapping[tuple[TenantId, str], float]  # seconds, by the name of a gateway


class LoRaWanAnswers:
    """Does what network servers say besides what their devices do."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._learn: Learn | None = None
        self._place: Place | None = None

    def tell_downlinks_with(self, learn: Learn, place: Place) -> None:
        """Tell who sends downlinks what a device is called, and what has arrived."""
        self._learn, self._place = learn, place

    def heard(self, envelope: Envelope) -> None:
        """Take note that a device was on the air: it sent something that was kept."""
        route = envelope.route
        if route.operation in _ON_THE_AIR and envelope.rejection is None:
            gateway = self._given.devices.find_uid(route.principal_uid)
            child = self._given.devices.find(route.tenant, route.device_id)
            if gateway is not None and child is not None and child.gateway == gateway.uid:
                self._note(gateway, child, envelope.received_at)

    def _note(self, gateway: Device, child: Device, at: int) -> None:
        silence_s = self._given.silence_of.get((gateway.tenant, gateway.device_id), SILENCE_S)
        self._given.silences.heard(gateway, child, NAME, at=at, silence_s=silence_s)

    def is_act(self, rest: str, payload: bytes) -> bool:  # noqa: ARG002  a `Doer`
        """Whether a word has to be taken note of, also after a crash; presence is of now."""
        return rest in {ADDRESS, PLACED}

    async def answer(self, question: Question) -> None:
        """Take note of what a network server says of one of its devices."""
        gateway = self._given.devices.find(question.tenant, question.asker.id)
        child = self._given.devices.find(question.tenant, question.device_id)
        if gateway is None or child is None or gateway.uid != question.asker.uid:
            return
        if child.gateway != gateway.uid:
            raise Invalid(f"{gateway.device_id!r} is not the gateway of {child.device_id!r}.")
        match question.rest:
            case "heard":
                self._note(gateway, child, question.received_at)
            case "address":
                address = read_as(question.payload, Address, SERVER)
                if self._learn is not None:
                    await self._learn(gateway, child, address)
            case "placed":
                placed = read_as(question.payload, _Placed, SERVER)
                if self._place is not None:
                    await self._place(child.tenant, child.device_id, placed.queue_id)
            case _:
                raise Invalid(f"{question.rest[:100]!r} is nothing that a network server says.")

    async def desired_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Say nothing: what is desired goes down as a command, where a device knows one."""

    async def commands_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Say nothing: who sends downlinks follows the commands by itself."""
