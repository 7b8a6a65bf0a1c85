"""Events: what devices said has happened, kept by device, the newest of each.

As a projection of the journal it gathers events as they come and stores them with the position
that they reach to, in the order of the journal: after a crash exactly what is missing is read
again, and none stands there twice. A device that says the same thing over and over takes the
place of its own older events, never of another's.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed, Decoded, Envelope, Operation
from weft.ports import Kind, Reader, Records, Writer

VALUES_MAX_BYTES: Final = 16 * 1024  # of the payload; of a larger event the values are not kept
STORED_AT_ONCE: Final = 500  # in one transaction: then others have their turn
READ_AT_ONCE: Final = 500
# An installation of before has events in its journal only: so many messages are read for them.
READ_BACK_MESSAGES: Final = 1_000_000
# What is held counts as messages of this size, so that large events stop the door sooner.
HELD_AS_ONE_BYTES: Final = 128
PLATFORM = TenantId("")
POSITION: Kind[int] = Kind("projection", int)

Place = tuple[TenantId, DeviceId]


class DeviceEvent(Struct, frozen=True):
    """One event of a device."""

    position: int  # of its message in the journal
    tenant: TenantId
    device_id: DeviceId
    name: str
    received_at: int  # ns
    payload_bytes: int  # as it was sent
    values: Any  # as it was decoded: an object; None where it was too large to be kept


class EventSpan(Struct, frozen=True):
    """Which events of a device are asked for. Moments are ns UTC; `start` is in, `end` is out."""

    name: str | None = None
    start: int | None = None
    end: int | None = None
    before: int | None = None  # a position: only what came before it
    limit: int = 100

    @property
    def takes_all(self) -> bool:
        """Whether none is passed over."""
        return self.name is None and self.start is None and self.end is None

    def holds(self, event: DeviceEvent) -> bool:
        """Whether an event is among those asked for."""
        return (
            (self.name is None or event.name == self.name)
            and (self.start is None or event.received_at >= self.start)
            and (self.end is None or event.received_at < self.end)
        )


EVENTS: Kind[DeviceEvent] = Kind(
    "device-event", DeviceEvent, index=lambda event: {"device": event.device_id}
)


def event_key(position: int) -> str:
    """Return the key of the event at a position; sorts by the order of coming."""
    return f"{position:020d}"


class DeviceEvents:
    """The projection, and the one way to ask."""

    name = "events"

    def __init__(self, records: Records, per_device: int) -> None:
        self._records = records
        self._per_device = per_device
        self._applied = 0
        self._durable = 0
        self._fresh: dict[Place, deque[DeviceEvent]] = {}
        self._held_bytes = 0
        self._kept: dict[Place, int] = {}  # how many are stored; a device is counted once
        self._writing = asyncio.Lock()

    async def load(self, tail: int, head: int) -> None:
        """Read how far it has come; `tail` and `head` say what the journal has.

        Where nothing was ever stored, the newest messages are read again for their events.
        """
        record = await self._records.read(lambda r: r.find(POSITION, PLATFORM, self.name))
        begins = max(tail - 1, head - READ_BACK_MESSAGES, 0)
        self._applied = self._durable = record.value if record else begins

    # --- projection -----------------------------------------------------------------------

    @property
    def position(self) -> int:
        """Durable position."""
        return self._durable

    @property
    def backlog(self) -> int:
        """Messages applied and not yet durable, or their events where those are large."""
        return max(self._applied - self._durable, self._held_bytes // HELD_AS_ONE_BYTES)

    def apply(self, batch: Committed) -> None:
        """Pick out the events; what was seen before is passed over."""
        after = self._applied
        if batch.last <= after:
            return
        event = Operation.EVENT
        envelopes, first = batch.envelopes, batch.first
        for number in [n for n, one in enumerate(envelopes) if one.route.operation is event]:
            if first + number > after:
                self._hold(_event_of(first + number, envelopes[number], batch.decoded[number]))
        self._applied = batch.last

    def _hold(self, event: DeviceEvent) -> None:
        place = (event.tenant, event.device_id)
        held = self._fresh.get(place)
        if held is None:
            held = self._fresh[place] = deque()
        if len(held) == self._per_device:  # it would make room for this one on the disk as well
            self._held_bytes -= _held_size(held.popleft())
        held.append(event)
        self._held_bytes += _held_size(event)

    async def checkpoint(self) -> None:
        """Store what is new, within the bound of each device, with the position."""
        async with self._writing:
            if self._applied != self._durable:
                await self._store_all(self._applied)

    async def _store_all(self, applied: int) -> None:
        waiting = [event for held in self._fresh.values() for event in held]
        waiting.sort(key=lambda event: event.position)
        self._fresh, self._held_bytes = {}, 0
        try:
            while len(waiting) > STORED_AT_ONCE:
                some = waiting[:STORED_AT_ONCE]
                await self._store(some, some[-1].position)
                del waiting[:STORED_AT_ONCE]
            await self._store(waiting, applied)
        except BaseException:
            self._hold_again(waiting)
            raise

    def _hold_again(self, waiting: Sequence[DeviceEvent]) -> None:
        """Keep for the next time what could not be stored, before what has come since."""
        later = [event for held in self._fresh.values() for event in held]
        self._fresh, self._held_bytes = {}, 0
        for event in (*waiting, *later):
            # Of a write whose outcome was not heard, nobody knows how many are stored now.
            self._kept.pop((event.tenant, event.device_id), None)
            self._hold(event)

    async def _store(self, events: Sequence[DeviceEvent], reached: int) -> None:
        """Write some events and the position that they reach to, all or nothing."""
        new = Counter((event.tenant, event.device_id) for event in events)
        known = {place: self._kept.get(place) for place in new}
        per_device = self._per_device

        def write(w: Writer) -> Mapping[Place, int]:
            for event in events:
                w.put(EVENTS, event.tenant, event_key(event.position), event)
            kept = {}
            for place, count in new.items():
                before = known[place]
                found = _count(w, place) if before is None else before + count
                _drop_oldest(w, place, found - per_device)
                kept[place] = min(found, per_device)
            w.put(POSITION, PLATFORM, self.name, reached)
            return kept

        self._kept.update(await self._records.write(write))
        self._durable = reached

    # --- what is asked --------------------------------------------------------------------

    async def list_events(
        self, tenant: TenantId, device_id: DeviceId, span: EventSpan
    ) -> Sequence[DeviceEvent]:
        """Return events of a device, the newest first; what was acknowledged is among them."""
        if (tenant, device_id) in self._fresh or self._writing.locked():
            await self.checkpoint()

        def read(r: Reader) -> Sequence[DeviceEvent]:
            at_once = span.limit if span.takes_all else READ_AT_ONCE
            after = "" if span.before is None else event_key(span.before)
            found: list[DeviceEvent] = []
            while len(found) < span.limit:
                page = r.list(
                    EVENTS,
                    tenant,
                    where=("device", device_id),
                    after=after,
                    limit=at_once,
                    descending=True,
                )
                found += [record.value for record in page if span.holds(record.value)]
                if len(page) < at_once:
                    break
                after = page[-1].key
            return found[: span.limit]

        return await self._records.read(read)

    async def forget(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Drop all events of a deleted device; of its messages none may be on its way."""
        place = (tenant, device_id)
        async with self._writing:
            for event in self._fresh.pop(place, ()):
                self._held_bytes -= _held_size(event)
            while await self._records.write(lambda w: _drop_oldest(w, place, STORED_AT_ONCE)):
                continue
            self._kept.pop(place, None)


def _count(r: Reader, place: Place) -> int:
    tenant, device_id = place
    return r.count(EVENTS, tenant, where=("device", device_id))


def _drop_oldest(w: Writer, place: Place, count: int) -> int:
    """Delete so many of a device's events; return how many there were of them."""
    if count <= 0:
        return 0
    tenant, device_id = place
    oldest = w.list(EVENTS, tenant, where=("device", device_id), limit=count)
    for record in oldest:
        w.delete(EVENTS, tenant, record.key)
    return len(oldest)


def _held_size(event: DeviceEvent) -> int:
    """Return what an event is reckoned to take of memory."""
    return HELD_AS_ONE_BYTES + (0 if event.values is None else event.payload_bytes)


def _event_of(position: int, envelope: Envelope, decoded: Decoded) -> DeviceEvent:
    route = envelope.route
    size = len(envelope.payload)
    return DeviceEvent(
        position,
        route.tenant,
        route.device_id,
        route.name,
        envelope.received_at,
        size,
        decoded if size <= VALUES_MAX_BYTES else None,
    )
