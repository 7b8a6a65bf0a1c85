"""Operations on connections: who is connected now, and cutting one."""

from base64 import b64encode
from collections import deque
from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from weft.api.inspection import Finding, findings_of
from weft.api.operation import Call, Command, Operation
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import NotFound
from weft.history.events import EventSpan
from weft.model.device import Device, Lifecycle
from weft.model.ids import TenantId
from weft.model.message import Envelope
from weft.model.message import Operation as OperationKind
from weft.model.moments import to_rfc3339
from weft.model.telemetry import items_of
from weft.registry.devices import Devices
from weft.registry.presence import Spell
from weft.security.connections import Connection

TAIL_POSITIONS = 5_000  # decoded again in a few milliseconds
PAYLOAD_SHOWN_BYTES = 4 * 1024


class ConnectionView(Struct, frozen=True):
    """A live connection as the API shows it."""

    number: int
    principal: str
    protocol: str
    peer: str
    since: Moment
    expires_at: Moment | None
    counters: Mapping[str, int]


class DeviceConnection(Struct, frozen=True):
    """Whether a device is connected and how, and what stands or stood in its way."""

    device_id: str
    lifecycle: Lifecycle
    connected: bool  # by itself or through its gateway
    connections: list[ConnectionView]
    last_seen_at: Moment | None  # when its newest message that was kept came in
    last_spell: "SpellView | None"  # its newest connection, over or not
    findings: list[Finding]


class SpellView(Struct, frozen=True):
    """One connection of a device, from its first moment to its last."""

    began_at: Moment
    ended_at: Moment | None
    protocol: str
    peer: str
    gateway: str | None  # through which; none when it connected by itself
    reason: str  # why it ended


class RefusalView(Struct, frozen=True):
    """Why a message was refused, and what to do."""

    code: str
    detail: str
    remedy: str


class MessageView(Struct, frozen=True):
    """A message of a device as it was received, and what was read from it."""

    position: int
    received_at: Moment
    topic: str
    operation: str
    payload: str  # as text; in base64 where it is none
    is_base64: bool
    decoded: Any  # readings, or the document; none where it was refused
    dialect: str
    refused: RefusalView | None


class MessagePage(Struct, frozen=True):
    """Messages of a device, the newest first, and how far back they were looked for."""

    items: list[MessageView]
    searched_from: int | None  # ask on with `before` of this; null: no older ones are kept
    searched_since: Moment | None  # when the oldest message that was looked at came in


class Tail(Struct, frozen=True, forbid_unknown_fields=True):
    """How many of the newest messages, or of those before a position."""

    limit: Annotated[int, Meta(ge=1, le=200, description="How many at most.")] = 20
    before: (
        Annotated[int, Meta(ge=1, le=2**62, description="Only messages before this position.")]
        | None
    ) = None


class AttemptView(Struct, frozen=True):
    """One try to prove to be a device, and why it failed; the peer itself is never told."""

    at: Moment
    peer: str
    accepted: bool
    reason: str
    remedy: str


def view_of(connection: Connection) -> ConnectionView:
    """Show a connection."""
    return ConnectionView(
        number=connection.number,
        principal=str(connection.principal),
        protocol=connection.protocol,
        peer=connection.peer,
        since=moment(connection.since) or "",
        expires_at=moment(connection.expires_at),
        counters=dict(connection.counters()),
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


async def list_connections(services: Services, call: Call) -> Page[ConnectionView]:
    """Answer with a page of live connections, oldest first."""
    after = _number(after_of(call, "connections"))
    live = services.connections.of_tenant(call.principal.tenant)
    found = sorted((c for c in live if c.number > after), key=lambda c: c.number)
    return page_of(
        call, "connections", found[: call.query.limit + 1], view_of, lambda c: str(c.number)
    )


async def get_device_connection(services: Services, call: Call) -> DeviceConnection:
    """Answer whether a device is connected, and why not."""
    tenant = call.principal.tenant
    device = services.devices.get(tenant, call.path["device_id"])
    spells = await services.presence.list(tenant, device.uid, limit=1)
    twin = services.twins.get(tenant, device.device_id)
    return DeviceConnection(
        device_id=device.device_id,
        lifecycle=device.lifecycle,
        connected=services.presence.is_connected(device.uid),
        connections=[view_of(one) for one in services.connections.of_principal(device.uid)],
        last_seen_at=moment(twin.last_seen_at),
        last_spell=spell_view(spells[0].value, services.devices) if spells else None,
        findings=await findings_of(services, device),
    )


def spell_view(spell: Spell, devices: Devices) -> SpellView:
    """Show one connection of a device."""
    gateway = devices.find_uid(spell.through) if spell.through else None
    return SpellView(
        began_at=moment(spell.began_at) or "",
        ended_at=moment(spell.ended_at),
        protocol=spell.protocol,
        peer=spell.peer,
        gateway=gateway.device_id if gateway else spell.through or None,
        reason=spell.reason,
    )


async def list_device_connections(services: Services, call: Call) -> Page[SpellView]:
    """Answer with a page of a device's connections, newest first."""
    device = services.devices.get(call.principal.tenant, call.path["device_id"])
    found = await services.presence.list(
        device.tenant, device.uid, after=after_of(call, "spells"), limit=call.query.limit + 1
    )
    return page_of(
        call,
        "spells",
        found,
        lambda one: spell_view(one.value, services.devices),
        lambda one: str(one.key),
    )


async def list_device_messages(services: Services, call: Call) -> MessagePage:
    """Answer with a device's newest messages and what was read from each."""
    device = services.devices.get(call.principal.tenant, call.path["device_id"])
    limit, before = call.query.limit, call.query.before
    head = services.journal.head
    if before is not None:
        return await _look_back(services, device, limit, min(before - 1, head))
    found = await _look_back(services, device, limit, head)
    if found.items or found.searched_from is None:
        return found
    last = await _last_known(services, device)
    if last is None:
        return found
    further = await _look_back(services, device, limit, min(last, found.searched_from - 1))
    return further if further.items else found


async def newest_of(services: Services, device: Device, limit: int) -> list[MessageView]:
    """Return a device's messages among the newest of all, the newest first."""
    return (await _look_back(services, device, limit, services.journal.head)).items


async def _look_back(services: Services, device: Device, limit: int, until: int) -> MessagePage:
    """Look through some messages up to a position for those of a device."""
    kept_after = max(services.journal.tail - 1, 0)
    after = max(kept_after, until - TAIL_POSITIONS)
    newest: deque[MessageView] = deque(maxlen=limit)
    since: str | None = None
    async for batch in services.past.samples(after, until, device.tenant):
        since = since or to_rfc3339(batch.envelopes[0].received_at)
        for number, envelope in enumerate(batch.envelopes):
            route = envelope.route
            if route.tenant == device.tenant and route.device_id == device.device_id:
                newest.append(_message(batch.first + number, envelope, batch.decoded[number]))
    begins = after + 1
    if len(newest) == limit:  # those before them were looked at, and not taken
        begins, since = newest[0].position, newest[0].received_at
    return MessagePage(list(reversed(newest)), begins if begins > kept_after + 1 else None, since)


async def _last_known(services: Services, device: Device) -> int | None:
    """Return a position just behind the last that is known of a device; None: nothing is."""
    tenant, device_id = device.tenant, device.device_id
    events = await services.device_events.list_events(tenant, device_id, EventSpan(limit=1))
    known = [event.position for event in events]
    seen_at = services.twins.get(tenant, device_id).last_seen_at
    if seen_at:
        # It came with others, of which the first is found.
        known.append(await services.journal.first_after(seen_at) + TAIL_POSITIONS // 2)
    return max(known, default=None)


def _message(position: int, envelope: Envelope, decoded: Any) -> MessageView:
    route = envelope.route
    shown = envelope.payload[:PAYLOAD_SHOWN_BYTES]
    try:
        payload, is_base64 = shown.decode(), False
    except UnicodeDecodeError:
        payload, is_base64 = b64encode(shown).decode(), True
    if route.operation is OperationKind.TELEMETRY and decoded is not None:
        decoded = [
            {"at": to_rfc3339(one.at), "values": dict(items_of(one.values))} for one in decoded
        ]
    reason = envelope.rejection
    refused = None if reason is None else RefusalView(reason.code, reason.detail, reason.remedy)
    return MessageView(
        position,
        to_rfc3339(envelope.received_at),
        route.topic,
        route.operation.name.lower(),
        payload,
        is_base64,
        decoded,
        route.dialect,
        refused,
    )


async def list_attempts(services: Services, call: Call) -> Page[AttemptView]:
    """Answer with the last tries in a device's name, newest first."""
    tenant = call.principal.tenant
    device = services.devices.get(tenant, call.path["device_id"])
    attempts = services.authenticator.attempts
    found = attempts.of_device(tenant, device.device_id)
    if len(services.tenants.list()) == 1:
        # A token that is nobody's belongs to no tenant; with one tenant there is no doubt whose
        # device its sender meant, and a mistyped token is the first thing that goes wrong.
        nobodys = attempts.of_device(TenantId(""), device.device_id)
        found = sorted([*found, *nobodys], key=lambda one: one.at, reverse=True)
    return Page(
        [AttemptView(moment(a.at) or "", a.peer, a.accepted, a.reason, a.remedy) for a in found]
    )


async def cut_connection(services: Services, call: Call) -> None:
    """End a connection now; its principal may connect again."""
    number, tenant = _number(call.path["number"]), call.principal.tenant
    found = [c for c in services.connections.of_tenant(tenant) if c.number == number]
    if not found:
        raise NotFound(
            f"There is no connection {call.path['number']!r}.", remedy="See weft connection list."
        )
    await services.audit.record(
        call.principal,
        "connection.cut",
        f"connection:{number}",
        detail={"principal": str(found[0].principal), "protocol": found[0].protocol},
    )
    services.connections.cut_one(tenant, number, f"cut by {call.principal}")


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_connections",
        "GET",
        "/connections",
        "List live connections",
        list_connections,
        action="connection.read",
        query=Paging,
        result=Page[ConnectionView],
        command=Command(
            "connection", "list", columns=("number", "principal", "protocol", "peer", "since")
        ),
    ),
    Operation(
        "get_device_connection",
        "GET",
        "/devices/{device_id}/connection",
        "Show whether a device is connected, and why not",
        get_device_connection,
        description=(
            "`findings` name what stands in its way now, then what did: its state, failed proofs "
            "in its name or from its address, refused messages, each with its remedy."
        ),
        action="connection.read",
        target="device:{device_id}",
        tag="devices",
        result=DeviceConnection,
        errors=(NotFound,),
        command=Command("device", "why"),
    ),
    Operation(
        "list_device_connections",
        "GET",
        "/devices/{device_id}/connections",
        "List when a device was connected, and how each time ended",
        list_device_connections,
        action="connection.read",
        target="device:{device_id}",
        tag="devices",
        query=Paging,
        result=Page[SpellView],
        errors=(NotFound,),
        command=Command(
            "connection",
            "history",
            columns=("began_at", "ended_at", "protocol", "peer", "gateway", "reason"),
        ),
    ),
    Operation(
        "list_device_messages",
        "GET",
        "/devices/{device_id}/messages",
        "Show a device's newest messages and what was read from each",
        list_device_messages,
        action="telemetry.read",
        target="device:{device_id}",
        description=(
            f"{TAIL_POSITIONS} messages of all devices are looked through at once: the newest, or "
            "where none of these is the device's, those around its last telemetry, report or "
            "event; a refused message or an answer in between is passed over. The answer says how "
            "far back that was; `before` goes on from there. `GET /live` goes on from the newest."
        ),
        tag="devices",
        query=Tail,
        result=MessagePage,
        errors=(NotFound,),
        command=Command(
            "device", "messages", columns=("received_at", "operation", "payload", "decoded")
        ),
    ),
    Operation(
        "list_attempts",
        "GET",
        "/devices/{device_id}/attempts",
        "Show why a device's last tries to connect failed",
        list_attempts,
        action="connection.read",
        target="device:{device_id}",
        tag="devices",
        result=Page[AttemptView],
        errors=(NotFound,),
        command=Command("connection", "attempts", columns=("at", "peer", "accepted", "reason")),
    ),
    Operation(
        "cut_connection",
        "DELETE",
        "/connections/{number}",
        "End a live connection now",
        cut_connection,
        action="connection.cut",
        target="connection:{number}",
        errors=(NotFound,),
        command=Command("connection", "cut", confirm="Cut the connection {number}?"),
    ),
)
