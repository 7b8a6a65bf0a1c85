"""Answers to what ThingsBoard's devices and gateways ask, and what they are told unasked.

Client attributes are the reported properties, shared attributes the desired ones. A call by
a device is answered here where Weft knows the method; every other method is an event of the
device, for rules to act on, kept by the gate before the call comes here. Whoever asked is
told why, when it may not or cannot be.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from weft.errors import Invalid, PeerError
from weft.ingest.dialects.desk import Question, Replies
from weft.ingest.dialects.thingsboard.calls import Calls, KnownDevices
from weft.ingest.dialects.thingsboard.payloads import (
    Asked,
    Called,
    GatewayAsked,
    keys_of,
    read_as,
)
from weft.ingest.dialects.thingsboard.table import (
    ATTRIBUTES,
    ATTRIBUTES_RESPONSE,
    FORMS,
    GATEWAY_ATTRIBUTES,
    GATEWAY_ATTRIBUTES_RESPONSE,
    NAME,
    RPC_RESPONSE,
    event_of,
)
from weft.ingest.gate import Gate
from weft.ingest.submit import Ingest, Message
from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId, require_name
from weft.model.moments import NS_PER_MS, NS_PER_S
from weft.model.twin import Properties, Twin
from weft.ports import Clock
from weft.registry.presence import Presence
from weft.twins.twins import Twins

LEFT: Final = "its gateway said that it had left"
# Answers that nobody listened to yet: a client may ask and subscribe from two threads.
UNHEARD_PER_DEVICE: Final = 8
UNHEARD_MAX: Final = 1_000
UNHEARD_NS: Final = 30 * NS_PER_S
TOLD_MAX: Final = 10_000  # devices of which is known what they were told of their attributes


News = Callable[[TenantId, DeviceId], None]


class SessionLimits(Struct, frozen=True):
    """What a client may do on one connection, as `getSessionLimits` tells it."""

    max_payload_bytes: int
    messages_per_s: float


class Given(Struct, frozen=True):
    """What the answerer works with."""

    gate: Gate
    ingest: Ingest
    twins: Twins
    devices: KnownDevices
    clock: Clock
    replies: Replies
    limits: SessionLimits
    calls: Calls
    presence: Presence


class ThingsBoardAnswers:
    """Answers, and tells of what changed."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self._told: OrderedDict[tuple[TenantId, DeviceId], Twin] = OrderedDict()
        self._unheard: OrderedDict[tuple[TenantId, DeviceId], list[tuple[int, str, Any]]] = (
            OrderedDict()
        )
        self._news: list[News] = []

    def on_news(self, listener: News) -> None:
        """Call `listener` with a device that may have something to fetch."""
        self._news.append(listener)

    async def answer(self, question: Question) -> None:
        """Answer a question, or do what it says."""
        match question.rest.split("/"):
            case ["ask", form, number] if form in FORMS:
                asked = read_as(question.payload or b"{}", Asked)
                twin = self.given.twins.get(question.tenant, question.device_id)
                await self._say(question, ATTRIBUTES_RESPONSE[form] + number, both(asked, twin))
            case ["call", form, number] if form in FORMS:
                said = await self.call(question)
                await self._say(question, RPC_RESPONSE[form] + number, said)
            case ["gateway-ask"]:
                await self._answer_gateway(question)
            case ["connect" | "disconnect" as act]:
                self._note_presence(question, came=act == "connect")
            case _:
                raise Invalid(f"{question.rest[:100]!r} is nothing that a device asks.")

    async def _say(self, question: Question, rest: str, said: Any) -> None:
        """Answer; a client that asks before it has subscribed is answered when it has."""
        tenant, device_id = question.tenant, question.device_id
        if await self._tell(tenant, device_id, rest, said):
            return
        unheard = self._unheard.setdefault((tenant, device_id), [])
        unheard.append((self.given.clock.now(), rest, said))
        del unheard[:-UNHEARD_PER_DEVICE]
        self._unheard.move_to_end((tenant, device_id))
        if len(self._unheard) > UNHEARD_MAX:
            self._unheard.popitem(last=False)

    async def _say_again(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Give the answers that nobody listened to, as far as somebody does now."""
        since = self.given.clock.now() - UNHEARD_NS
        left = [
            (at, rest, said)
            for at, rest, said in self._unheard.pop((tenant, device_id), ())
            if at >= since and not await self._tell(tenant, device_id, rest, said)
        ]
        if left:
            self._unheard[tenant, device_id] = left

    async def _tell(self, tenant: TenantId, device_id: str, rest: str, said: Any) -> bool:
        return await self.given.replies.say(tenant, device_id, rest, msgspec.json.encode(said))

    def _note_presence(self, question: Question, *, came: bool) -> None:
        gateway, child = self._gateway_of(question.tenant, question.device_id)
        if gateway is None or child is None or gateway.uid != question.asker.uid:
            return  # moved to another gateway, or deleted, since the gate looked
        presence = self.given.presence
        if not came:
            presence.child_left(gateway, child, LEFT)
        elif presence.is_connected(gateway.uid):  # or it said so as it went, and took all along
            presence.child_came(gateway, child, NAME)

    # --- attributes ---

    async def _answer_gateway(self, question: Question) -> None:
        asked = read_as(question.payload, GatewayAsked)
        given = self.given
        gateway = given.devices.find(question.tenant, question.device_id)
        child = given.devices.find_child(gateway, asked.device) if gateway else None
        if child is None:  # taken away since the gate looked
            raise Invalid(f"The gateway has no device called {asked.device!r} any more.")
        twin = given.twins.get(question.tenant, child.device_id)
        said = {"id": asked.id, "device": asked.device, **of_child(asked, twin)}
        await self._say(question, GATEWAY_ATTRIBUTES_RESPONSE, said)

    async def desired_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Tell a device, or its gateway, which shared attributes have changed or are gone."""
        for listener in self._news:
            listener(tenant, device_id)
        key = (tenant, device_id)
        twin = self.given.twins.get(tenant, device_id)
        before = self._told.get(key)
        if before is not None and before.desired_version == twin.desired_version:
            return
        if before is None and not twin.desired:
            return
        news = changes(before, twin)
        if news and not await self._tell_attributes(tenant, device_id, news):
            return
        self._told[key] = twin
        self._told.move_to_end(key)
        if len(self._told) > TOLD_MAX:
            self._told.popitem(last=False)

    async def _tell_attributes(
        self, tenant: TenantId, device_id: DeviceId, news: dict[str, Any]
    ) -> bool:
        heard = [await self._tell(tenant, device_id, ATTRIBUTES[form], news) for form in FORMS]
        gateway, child = self._gateway_of(tenant, device_id)
        if gateway is not None and child is not None:
            said = {"device": child.alias, "data": news}
            heard.append(await self._tell(tenant, gateway.device_id, GATEWAY_ATTRIBUTES, said))
        return any(heard)

    def _gateway_of(
        self, tenant: TenantId, device_id: DeviceId
    ) -> tuple[Device | None, Device | None]:
        devices = self.given.devices
        device = devices.find(tenant, device_id)
        if device is None or not device.gateway:
            return None, device
        return devices.find_uid(device.gateway), device

    # --- calls by a device ---

    async def call(self, question: Question) -> Any:
        """Return what a call by a device is answered with."""
        called = read_as(question.payload, Called)
        given = self.given
        match called.method:
            case "getCurrentTime" | "getServerTime":
                return given.clock.now() // NS_PER_MS
            case "getSessionLimits":
                return session_limits(given.limits)
        try:
            name = require_name(called.method, "method")
            event = event_of(called)
            assert event is not None  # its method is a name, and none of those above
            topic, payload = f"devices/{question.device_id}/{event[0]}", event[1]
            if question.position:  # over MQTT: the event stands before the call
                self._require_kept(question, topic, payload)
                return {"event": name, "position": question.position - 1}
            message = Message(topic, payload, qos=1)
            position = await given.ingest.send(question.asker, message, address=NAME)
        except PeerError as error:
            return {"error": f"{error.detail} {error.remedy}".strip()}
        return {"event": name, "position": position}

    def _require_kept(self, question: Question, topic: str, payload: bytes) -> None:
        """Raise why the gate refused an event, if it did: it lies in the inbox then."""
        gate = self.given.gate
        decode = gate.admission(gate.open(question.asker, NAME), topic, NAME).decode
        if decode is not None:
            decode(payload, question.received_at)

    # --- calls to a device ---

    async def commands_changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Send a device, or its gateway, the commands that it was not sent yet."""
        for listener in self._news:
            listener(tenant, device_id)
        await self.given.calls.tell(tenant, device_id)

    async def subscribed(self, tenant: TenantId, device_id: DeviceId, rest: str) -> None:
        """Send what a device that begins to listen has missed."""
        await self._say_again(tenant, device_id)
        await self.given.calls.subscribed(tenant, device_id, rest)

    def acknowledged(self, tenant: TenantId, device_id: DeviceId, rest: str) -> None:
        """Note that a device has what it was sent."""
        self.given.calls.acknowledged(tenant, device_id, rest)


def both(asked: Asked, twin: Twin) -> dict[str, Properties]:
    """Return what was asked of both sides; a side of which nothing is there is left out."""
    client, shared = keys_of(asked.client_keys), keys_of(asked.shared_keys)
    if client is None and shared is None:
        client = shared = ()
    sides = {"client": picked(client, twin.reported), "shared": picked(shared, twin.desired)}
    return {side: found for side, found in sides.items() if found}


def of_child(asked: GatewayAsked, twin: Twin) -> dict[str, Any]:
    """Return a gateway's answer: one `value`, some `values`, or both sides in the new form."""
    if asked.key is msgspec.UNSET and asked.keys is msgspec.UNSET:
        return dict(both(asked, twin))
    side = twin.reported if asked.client else twin.desired
    if asked.key is not msgspec.UNSET:
        return {"value": side[asked.key]} if asked.key in side else {}
    keys = asked.keys if isinstance(asked.keys, list) else keys_of(asked.keys)
    return {"values": picked(keys, side)}


def picked(keys: Iterable[str] | None, side: Properties) -> Properties:
    """Return the properties of some keys: all where none are named, none where not asked."""
    if keys is None:
        return {}
    names = set(keys)
    return {name: value for name, value in side.items() if not names or name in names}


def changes(before: Twin | None, after: Twin) -> dict[str, Any]:
    """Return what is desired now and was not, and the names of what is not any more."""
    if before is None:
        return after.delta()
    old, new = before.desired, after.desired
    changed = {name: value for name, value in new.items() if name not in old or old[name] != value}
    gone = sorted(name for name in old if name not in new)
    return {**changed, "deleted": gone} if gone else changed


def session_limits(limits: SessionLimits) -> dict[str, Any]:
    """Return the limits in ThingsBoard's words: `amount:seconds`."""
    rates = {"messages": f"{limits.messages_per_s:.0f}:1"}
    return {"maxPayloadSize": limits.max_payload_bytes, "rateLimits": rates}
