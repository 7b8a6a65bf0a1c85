"""Operations on events: what a device has said happened, as it is kept."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from weft.api.cursors import make_cursor, read_cursor
from weft.api.operation import Call, Command, Operation
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging
from weft.errors import Invalid, NotFound
from weft.history.events import VALUES_MAX_BYTES, DeviceEvent, EventSpan
from weft.model.ids import NAME_MAX_CHARACTERS
from weft.model.moments import from_rfc3339, to_rfc3339

_LISTING = "device-events"


class EventView(Struct, frozen=True):
    """An event of a device."""

    position: int  # of its message in the journal
    name: str
    received_at: Moment
    values: (
        Any  # as they were read, by the type's mapping where it has one; null: too large to keep
    )
    payload_bytes: int  # as it was sent


class EventList(Paging, frozen=True):
    """Which events to list: all, those of a name, or those of a time."""

    name: (
        Annotated[str, Meta(max_length=4 * NAME_MAX_CHARACTERS, description="Those of one name.")]
        | None
    ) = None
    start: Annotated[Moment, Meta(description="Those received at this moment or later.")] | None = (
        None
    )
    end: Annotated[Moment, Meta(description="Those received before this moment.")] | None = None


async def list_device_events(services: Services, call: Call) -> Page[EventView]:
    """Answer with a page of a device's events, the newest first."""
    query: EventList = call.query
    tenant = call.principal.tenant
    device = services.devices.get(tenant, call.path["device_id"])
    cursor, start, end = query.cursor, query.start, query.end
    span = EventSpan(
        name=query.name,
        start=None if start is None else from_rfc3339(start),
        end=None if end is None else from_rfc3339(end),
        before=None if cursor is None else read_cursor(tenant, _LISTING, cursor, int),
        limit=query.limit + 1,
    )
    if span.start is not None and span.end is not None and span.start >= span.end:
        raise Invalid("The time asked for is empty.", remedy="Let start be before end.")
    found = await services.device_events.list_events(tenant, device.device_id, span)
    shown, following = found[: query.limit], None
    if len(found) > query.limit:
        following = make_cursor(tenant, _LISTING, shown[-1].position)
    return Page([view_of(event) for event in shown], following)


def view_of(event: DeviceEvent) -> EventView:
    """Show an event."""
    return EventView(
        position=event.position,
        name=event.name,
        received_at=to_rfc3339(event.received_at),
        values=event.values,
        payload_bytes=event.payload_bytes,
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_device_events",
        "GET",
        "/devices/{device_id}/events",
        "List a device's events, the newest first",
        list_device_events,
        action="telemetry.read",
        target="device:{device_id}",
        description=(
            "In the order in which they came. The newest of each device are kept, "
            "`history.events_per_device` of them. Of an event of more than "
            f"{VALUES_MAX_BYTES // 1024} KiB name, time and size are kept, and no values; its "
            "message stands in the journal at `position`."
        ),
        tag="history",
        query=EventList,
        result=Page[EventView],
        errors=(NotFound, Invalid),
        command=Command("device", "events", columns=("received_at", "name", "values")),
    ),
)
