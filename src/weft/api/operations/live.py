"""The operation that streams what happens now, as server-sent events."""

from typing import Annotated

from msgspec import Meta, Struct

from weft.api.operation import Call, Operation, Reply
from weft.api.services import Services
from weft.api.streams import KINDS, Filter
from weft.errors import Invalid, QuotaExceeded, Unavailable

EVENT_STREAM = "text/event-stream"


class LiveQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """What to watch; all where nothing is said."""

    kinds: Annotated[tuple[str, ...], Meta(description=", ".join(KINDS))] = ()
    devices: Annotated[tuple[str, ...], Meta(max_length=1000)] = ()


async def watch_live(services: Services, call: Call) -> Reply:
    """Open a stream."""
    query: LiveQuery = call.query
    if unknown := sorted(set(query.kinds) - set(KINDS)):
        raise Invalid(
            f"There is no kind {', '.join(unknown)}.", remedy=f"Kinds are {', '.join(KINDS)}."
        )
    last_id = _last_id(call.headers.get(b"last-event-id"))
    wanted = Filter(frozenset(query.kinds or KINDS), frozenset(query.devices))
    stream = services.live.open(
        call.principal,
        wanted,
        call.address,
        expires_at=call.expires_at,
        credential_id=call.credential_id,
    )
    events = services.live.events(stream, last_id)
    return Reply(stream=events, ended=stream.ended, media_type=EVENT_STREAM)


def _last_id(header: bytes | None) -> int | None:
    if not header:
        return None
    if not header.isdigit() or len(header) > 18:
        raise Invalid(
            "Last-Event-ID is none of ours.", remedy="Send the id of the last event as it came."
        )
    return int(header)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "watch_live",
        "GET",
        "/live",
        "Watch what happens now",
        watch_live,
        action="live.read",
        description=(
            "Server-sent events; their ids are journal positions. With Last-Event-ID a reader "
            "is first sent what it has missed. A `gap` event says what could not be sent, and "
            "where to read it."
        ),
        query=LiveQuery,
        result=str,
        produces=(EVENT_STREAM,),
        errors=(QuotaExceeded, Unavailable),
    ),
)
