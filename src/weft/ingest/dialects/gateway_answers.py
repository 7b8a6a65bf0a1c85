"""What comes of a gateway's words: its devices are there or gone, and it learns their ids."""

import msgspec
from msgspec import Struct

from weft.errors import Invalid
from weft.ingest.dialects.desk import Question, Replies
from weft.ingest.dialects.gateway import DEVICES, NAME
from weft.model.ids import DeviceId, TenantId
from weft.registry.devices import Devices
from weft.registry.presence import Presence

LEFT = "its gateway says so"


class Given(Struct, frozen=True):
    """What the answerer works with."""

    devices: Devices
    presence: Presence
    replies: Replies


class GatewayAnswers:
    """Notes who is there, and answers with ids."""

    def __init__(self, given: Given) -> None:
        self._given = given

    async def answer(self, question: Question) -> None:
        """Take note of a device that its gateway has connected or disconnected.

        Only its gateway's word counts, also when it has changed hands since.
        """
        given = self._given
        gateway = given.devices.find(question.tenant, question.asker.id)
        child = given.devices.find(question.tenant, question.device_id)
        if gateway is None or child is None or gateway.uid != question.asker.uid:
            return
        if child.gateway != gateway.uid:
            raise Invalid(f"{gateway.device_id!r} is not the gateway of {child.device_id!r}.")
        match question.rest:
            case "connect":
                given.presence.child_came(gateway, child, NAME)
                told = {"device": child.alias or child.device_id, "id": child.device_id}
                payload = msgspec.json.encode(told)
                await given.replies.say(question.tenant, gateway.device_id, DEVICES, payload)
            case "disconnect":
                given.presence.child_left(gateway, child, LEFT)
            case _:
                raise Invalid(f"{question.rest[:100]!r} is nothing that a gateway says.")

    async def desired_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Say nothing: a gateway listens to `devices/{id}/properties/desired`."""

    async def commands_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Say nothing: a gateway listens to `devices/{id}/commands/#`."""
