"""Watching the fleet: a map kept up to date, a frame at a time.

A frame says which marks of the view are new or have changed, and which are gone; the first one
says all, so whoever comes back after a pause is right again without asking anything else. What
is sent depends on what is seen: a view of ten thousand moving devices from far above is some
clusters that change a little, once an interval, however often the devices report.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import msgspec
from msgspec import Struct

from weft.api.operation import Call
from weft.api.services import Services
from weft.api.streams import Filter, Stream
from weft.model.moments import to_rfc3339
from weft.twins.plane import Mark, View

_encode = msgspec.json.Encoder().encode


class MarkView(Struct, frozen=True, omit_defaults=True):
    """One device, or several near to each other, as the map shows them."""

    key: str
    latitude: float
    longitude: float
    count: int
    device_id: str | None = None
    at: str | None = None  # RFC 3339
    bounds: tuple[float, float, float, float] | None = None  # west, south, east, north


class Frame(Struct, frozen=True):
    """What has changed of a view since the frame before."""

    reset: bool  # what was known before is over: `set` is all there is
    set: list[MarkView]
    gone: list[str]  # keys
    zoom: float
    devices: int


class FleetQuery(Struct, frozen=True):
    """A view and how it is watched."""

    view: View
    marks_max: int
    every_s: float


def mark_view(mark: Mark) -> MarkView:
    """Show a mark."""
    at = None if mark.at is None else to_rfc3339(mark.at)
    return MarkView(
        mark.key, mark.latitude, mark.longitude, mark.count, mark.device_id, at, mark.bounds
    )


def open_watch(services: Services, call: Call) -> Stream:
    """Register a reader like any of `live`, so that it counts, is seen and can be cut."""
    return services.live.open(
        call.principal,
        Filter(frozenset()),
        call.address,
        expires_at=call.expires_at,
        credential_id=call.credential_id,
    )


async def frames(
    services: Services, call: Call, stream: Stream, query: FleetQuery
) -> AsyncGenerator[bytes, None]:
    """Yield server-sent events until the reader goes, or is cut, or may no longer look."""
    tenant = call.principal.tenant
    known: dict[str, Mark] = {}
    quiet_s, first = 0.0, True
    try:
        yield b"retry: 2000\n\n"
        while not stream.ended.is_set():
            if not services.policy.decide(call.principal, "twin.read", "*").allowed:
                stream.close("The right to see where devices are has been taken.")
                break
            await services.fleet.refresh(tenant)
            found = services.fleet.marks(tenant, query.view, limit=query.marks_max)
            shown = {mark.key: mark for mark in found.marks}
            changed = [mark for key, mark in shown.items() if known.get(key) != mark]
            gone = [key for key in known if key not in shown]
            known = shown
            if first or changed or gone:
                frame = Frame(first, [*map(mark_view, changed)], gone, found.zoom, found.devices)
                yield b"event: fleet\ndata: " + _encode(frame) + b"\n\n"
                quiet_s, first = 0.0, False
            elif quiet_s >= services.settings.heartbeat_s:
                yield b": still here\n\n"
                quiet_s = 0.0
            quiet_s += query.every_s
            await _pause(stream, query.every_s)
        async for chunk in stream.events(services.settings.heartbeat_s):
            yield chunk  # its last word
    finally:
        services.live.leave(stream)


async def _pause(stream: Stream, seconds: float) -> None:
    """Wait until the next frame is due, or the stream has ended."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stream.ended.wait()
