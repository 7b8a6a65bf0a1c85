"""What a Sparkplug host does: asks for births, turns commands into writes, says it is there.

A command becomes NCMD or DCMD: `rebirth` asks for a birth; `write` writes the metrics that
its input names; any other writes the metric of its own name. The edge node does not answer
a write, so a command has succeeded when the values come back as data, and expires when they
do not.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from weft.commands.commands import Commands
from weft.errors import PayloadInvalid, PeerError
from weft.ingest.dialects.desk import Question, Replies
from weft.ingest.dialects.sparkplug import NAME, REBIRTH, STATE, Sparkplug
from weft.ingest.dialects.sparkplug_births import Birth
from weft.ingest.dialects.sparkplug_settings import SparkplugSettings
from weft.ingest.submit import Ingest, Message
from weft.model.command import Command, CommandState
from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Operation
from weft.model.moments import NS_PER_MS, NS_PER_S
from weft.model.principal import Principal, PrincipalKind
from weft.observability.log import get_logger
from weft.ports import Clock
from weft.registry.devices import Devices
from weft.registry.presence import Presence
from weft.wire.payload.sparkplug import DataType, Metric, Payload, encode

log = get_logger(__name__)

PLACES_MAX: Final = 100_000  # devices of which is known where they stand
REBIRTH_PAUSE_NS: Final = 5 * NS_PER_S  # a birth of thousands of metrics takes its time

_NUMBERS = {
    bool: DataType.BOOLEAN,
    int: DataType.INT64,
    float: DataType.DOUBLE,
    str: DataType.STRING,
}


class Place(Struct, frozen=True):
    """Where a device stands in Sparkplug's words: below which edge node, in which group."""

    owner: str  # uid of the edge node's device
    group: str
    edge: str
    device: str  # empty for the edge node itself


class Given(Struct, frozen=True):
    """What the answerer works with."""

    dialect: Sparkplug
    ingest: Ingest
    commands: Commands
    devices: Devices
    presence: Presence
    clock: Clock
    replies: Replies
    settings: SparkplugSettings


class SparkplugAnswers:
    """The host's half that does something."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._places: OrderedDict[tuple[TenantId, DeviceId], Place] = OrderedDict()
        self._asked_at: dict[str, int] = {}  # edge node's uid -> when a birth was asked for

    async def answer(self, question: Question) -> None:
        """Do what the table has found in a message: born, died, rebirth."""
        match question.rest.split("/"):
            case ["host", "rebirth", group, edge]:
                await self._ask_for_birth(question, group, edge)
            case ["host", "born", group, edge, *device]:
                await self._born(question, Place(question.asker.uid, group, edge, "".join(device)))
            case ["host", "died", *_]:
                self._died(question)

    async def _ask_for_birth(self, question: Question, group: str, edge: str) -> None:
        now, uid = self._given.clock.now(), question.asker.uid
        asked_at = self._asked_at.get(uid)
        if asked_at is not None and now - asked_at < REBIRTH_PAUSE_NS:
            return  # it was asked, and its birth is on the way
        if len(self._asked_at) >= PLACES_MAX:
            self._asked_at.clear()
        self._asked_at[uid] = now
        metric = Metric(REBIRTH, datatype=DataType.BOOLEAN, value=True, timestamp=self._now_ms())
        device_id, rest = DeviceId(question.asker.id), f"{group}/NCMD/{edge}"
        heard = await self._given.replies.say(
            question.tenant, device_id, rest, self._payload([metric])
        )
        if not heard:
            log.warning(
                "rebirth_not_heard",
                device=question.asker.id,
                remedy="The edge node subscribes to no NCMD: restart it to have its birth.",
            )

    async def _born(self, question: Question, place: Place) -> None:
        given = self._given
        key = (question.tenant, question.device_id)
        self._places[key] = place
        self._places.move_to_end(key)
        if len(self._places) > PLACES_MAX:
            self._places.popitem(last=False)
        self._asked_at.pop(place.owner, None)
        gateway, child = self._pair(question)
        if place.device and gateway and child:
            given.presence.child_came(gateway, child, NAME)
        await self.commands_changed(*key)

    def _died(self, question: Question) -> None:
        gateway, child = self._pair(question)
        if gateway is None or child is None:
            return
        if child.uid != gateway.uid:
            self._given.presence.child_left(gateway, child, "its edge node says so")
            return
        for one in self._given.devices.children_of(gateway):
            self._given.presence.child_left(gateway, one, "its edge node died")

    def _pair(self, question: Question) -> tuple[Device | None, Device | None]:
        devices = self._given.devices
        gateway = devices.find(question.tenant, question.asker.id)
        return gateway, devices.find(question.tenant, question.device_id)

    # --- commands ---

    async def desired_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Sparkplug has no desired state: what is to be written is a command."""

    async def commands_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Write what open commands ask for that have not been written yet."""
        place = self._places.get((tenant, device_id))
        owner = None if place is None else self._given.devices.find_uid(place.owner)
        if place is None or owner is None:
            return
        for command in self._given.commands.open_for(tenant, device_id):
            if command.state in (CommandState.QUEUED, CommandState.SENT):
                await self._write(command, place, owner)

    async def _write(self, command: Command, place: Place, owner: Device) -> None:
        verb, below = ("DCMD", f"/{place.device}") if place.device else ("NCMD", "")
        rest = f"{place.group}/{verb}/{place.edge}{below}"
        if not self._given.replies.is_heard(command.tenant, owner.device_id, rest):
            return
        key = (command.tenant, owner.uid, place.group, place.edge)
        node = self._given.dialect.births.of(key)
        values = _wanted(command)
        birth = node.births.get(place.device)
        try:
            payload = self._payload(_metrics(values, birth, self._now_ms()))
        except PayloadInvalid as error:  # its own outcome: the commands behind it go on
            await self._result(
                owner, command.result_topic, {"status": "rejected", "error": error.detail}
            )
            return
        node.expect(place.device, command.request_id, values)
        await self._given.replies.say(command.tenant, owner.device_id, rest, payload)
        self._given.commands.fetched(command.tenant, command.device_id, command.request_id)
        if set(values) == {REBIRTH}:  # a control metric never comes back as data
            await self._result(owner, command.result_topic, {"status": "succeeded"})

    async def _result(self, owner: Device, topic: str, result: dict[str, Any]) -> None:
        sender = Principal(owner.tenant, PrincipalKind.DEVICE, owner.device_id, owner.uid)
        message = Message(topic, msgspec.json.encode(result), qos=1)
        try:
            await self._given.ingest.send(sender, message, address=NAME)
        except PeerError as error:  # it lies in the rejection inbox
            log.debug("result_refused", device=owner.device_id, error=error.detail)

    def _payload(self, metrics: Iterable[Metric]) -> bytes:
        return encode(Payload(tuple(metrics), timestamp=self._now_ms()))

    # --- the host's own state ---

    async def tell_state(self, tenants: Iterable[TenantId], *, online: bool) -> None:
        """Say in every tenant that this host is there, or goes (Sparkplug 3.0, 6.4.26)."""
        host_id = self._given.settings.host_id
        if not host_id:
            return
        state = msgspec.json.encode({"online": online, "timestamp": self._now_ms()})
        for tenant in tenants:
            await self._given.ingest.publish(
                tenant, STATE + host_id, state, Operation.PLAIN, retain=True
            )

    def _now_ms(self) -> int:
        return self._given.clock.now() // NS_PER_MS


def _wanted(command: Command) -> dict[str, Any]:
    """Return the metrics that a command writes."""
    if command.name == "rebirth":
        return {REBIRTH: True}
    if command.name == "write":
        return dict(command.input)
    return {command.name: command.input.get("value", True)}


def _metrics(values: dict[str, Any], birth: Birth | None, at_ms: int) -> list[Metric]:
    """Return the metrics that write values; raise `PayloadInvalid` for what no birth names."""
    types = {} if birth is None else birth.types
    unknown = [name for name in values if name not in types]
    if unknown:
        raise PayloadInvalid(f"Its birth names no metric {', '.join(map(repr, unknown[:5]))}.")
    aliases = {} if birth is None else {name: alias for alias, name in birth.names.items()}
    return [
        Metric(
            name,
            aliases.get(name),
            timestamp=at_ms,
            datatype=types.get(name) or _NUMBERS.get(type(value), DataType.STRING),
            value=tuple(value) if isinstance(value, list) else value,
        )
        for name, value in values.items()
    ]
