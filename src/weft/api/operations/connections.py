"""Operations on connections: who is connected now, and cutting one."""

from collections.abc import Mapping

from msgspec import Struct

from weft.api.operation import Call, Command, Operation
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import NotFound
from weft.model.ids import TenantId
from weft.security.connections import Connection


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
    """Whether a device is connected, and how."""

    device_id: str
    connected: bool
    connections: list[ConnectionView]


class AttemptView(Struct, frozen=True):
    """One try to prove to be a device, and why it failed; the peer itself is never told."""

    at: Moment
    peer: str
    accepted: bool
    reason: str


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
    """Answer whether a device is connected."""
    device = services.devices.get(call.principal.tenant, call.path["device_id"])
    held = services.connections.of_principal(device.uid)
    return DeviceConnection(device.device_id, bool(held), [view_of(item) for item in held])


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
    return Page([AttemptView(moment(a.at) or "", a.peer, a.accepted, a.reason) for a in found])


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
        "Show whether a device is connected",
        get_device_connection,
        action="connection.read",
        target="device:{device_id}",
        tag="devices",
        result=DeviceConnection,
        errors=(NotFound,),
        command=Command("connection", "show"),
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
