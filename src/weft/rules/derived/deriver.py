"""The deriver: derived telemetry as a projection of the journal that adds to the journal.

What a message brings about is a message of its own, in the name of the same device, so that
history, twin, rules, subscribers and live see telemetry like any other. It names in `origin`
the position that it is of. What has been computed is owed until it is seen in the journal;
`checkpoint` stores the state with what is owed, and after a crash the journal is read again
from there: what it holds is owed no more, the rest is added. So nothing is lost or doubled.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from weft.errors import StorageError
from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.model.message import DERIVED, Committed, Decoded, Envelope, Operation, Route
from weft.model.moments import from_rfc3339, to_rfc3339
from weft.model.principal import PrincipalKind
from weft.model.telemetry import Reading
from weft.ports import Clock, Kind, Reader, Records, V, Writer
from weft.registry.positions import POSITION
from weft.rules.derived.deriving import Deriving
from weft.rules.derived.kinds import DERIVATIONS, PROGRESS, ROWS, Progress
from weft.rules.derived.model import DerivationChange, Derived, Owed
from weft.rules.surroundings import Surroundings

PLATFORM: Final = TenantId("")
ROUTES_MAX: Final = 200_000
SETTLE_S: Final = 20.0  # until what is owed must have been written
_KEY: Final = "progress"
_PAGE: Final = 1_000

Add = Callable[[Envelope, Decoded], None]
Place = tuple[int, TenantId, DeviceId]  # the position that it is of, and whose telemetry it is

_encode: Final = msgspec.json.Encoder().encode


def origin_of(position: int) -> bytes:
    """Return how a derived message names the position that it is of."""
    return position.to_bytes(8, "big")


def position_of(envelope: Envelope) -> int:
    """Return the position that a derived message is of."""
    return int.from_bytes(envelope.origin, "big")


def payload_of(readings: list[Reading]) -> bytes:
    """Return readings as a device would send them; moments keep their nanoseconds."""
    return _encode([{"ts": to_rfc3339(one.at), "values": one.values} for one in readings])


class Deriver:
    """The projection named "derived"."""

    name = "derived"

    def __init__(self, records: Records, around: Surroundings, clock: Clock) -> None:
        self.deriving = Deriving(around)
        self._records = records
        self._clock = clock
        self._add: Add | None = None  # None: the journal is being read again
        self._tell: Callable[[Deriver], None] | None = None
        self._owed: dict[Place, Derived | Owed] = {}
        self._routes: dict[tuple[TenantId, DeviceId, str, int], Route] = {}
        self._gone: list[tuple[TenantId, DeviceId]] = []
        self._lost: set[Place] = set()  # of it, what was added and did not come to the journal
        self._paid = asyncio.Event()
        self._position = 0
        self._applied = 0
        self._stored = 0  # the position that is on disk beside those of the other projections
        self._stored_rest = False  # whether anything is owed or late, as the disk has it

    async def load(self, head: int) -> None:
        """Read derivations and state; call once, before the journal is read again.

        `head` is where it ends: where nothing is computed, there is nothing to read again.
        """

        def work(reader: Reader) -> tuple[Progress | None, list[Any], list[Any]]:
            found = reader.find(PROGRESS, PLATFORM, _KEY)
            position = reader.find(POSITION, PLATFORM, self.name)
            self._stored = position.value if position else 0
            rows = _all(reader, ROWS)
            return found.value if found else None, _all(reader, DERIVATIONS), rows

        progress, derivations, rows = await self._records.read(work)
        for tenant, key, row in rows:  # first: what members had said is rolled up
            self.deriving.restore(tenant, DeviceId(key), row)
        for _tenant, _key, derivation in derivations:
            self.deriving.set(derivation)
        if progress is not None:
            self._stored_rest = bool(progress.owed or progress.late)
            self._owed = {(one.position, one.tenant, one.device_id): one for one in progress.owed}
            self.deriving.late = {
                (tenant, DeviceId(device)): at for tenant, device, at in progress.late
            }
        stored = progress.position if progress else 0
        begins = head if self._is_idle else self.deriving.begins_after
        if self._owed:  # it may stand behind where it was owed, and before what begins now
            begins = 0
        self._position = self._applied = min(max(stored, begins), head)

    def start(self, add: Add, tell: Callable[["Deriver"], None]) -> None:
        """Begin to add to the journal: it has been read again, and what is still owed is missing.

        `tell` has us told when all that was added until then is on disk, or is not.
        """
        self._add, self._tell = add, tell
        self._send_again(list(self._owed.values()))

    def changed(self, change: DerivationChange) -> None:
        """Take in a derivation that was saved or deleted."""
        if change.new is not None:
            if self._is_idle and not self._stored_rest:
                self._position = min(self._applied, change.new.effective_after)
            self.deriving.set(change.new)
        elif change.old is not None:
            self._gone += self.deriving.drop(change.old)

    def device_changed(self, old: Device | None, new: Device | None) -> None:
        """Take in that a device was made, changed or deleted."""
        if new is None and old is not None:
            self._gone.append((old.tenant, old.device_id))
            self.deriving.forget_device(old.tenant, old.device_id)
            for place in [one for one in self._owed if one[1:] == (old.tenant, old.device_id)]:
                del self._owed[place]
        if new is not None:
            self.deriving.place_device(new)

    # --- projection -----------------------------------------------------------------------

    @property
    def position(self) -> int:
        """Durable position; where nothing is computed nothing needs to be read again.

        But what is on disk as owed is looked for in the journal, until the disk says otherwise.
        """
        return self._applied if self._is_idle and not self._stored_rest else self._position

    @property
    def applied(self) -> int:
        """Position of the newest message taken in."""
        return self._applied

    @property
    def backlog(self) -> int:
        """Messages applied and not yet durable, and what is still to be written."""
        return 0 if self._is_idle else self._applied - self._position + len(self._owed)

    @property
    def _is_idle(self) -> bool:
        return self.deriving.idle and not self._owed

    def apply(self, batch: Committed) -> None:
        """Compute what a batch brings about; what was seen before is passed over."""
        if batch.last <= self._applied:
            return
        after, self._applied = self._applied, batch.last
        if self._is_idle:
            return
        if self._owed:
            self._strike_off(batch)
            self.send_lost()
        found = self.deriving.take(batch, after=after)
        for one in found:
            self._owed[one.position, one.tenant, one.device_id] = one
        if found and self._add is not None:
            for one in found:
                self._send(one)
            self._be_told()

    def _strike_off(self, batch: Committed) -> None:
        """Owe no more what stands in the journal."""
        for envelope in batch.envelopes:
            if envelope.session == DERIVED:
                route = envelope.route
                self._owed.pop((position_of(envelope), route.tenant, route.device_id), None)
        self._paid.set()

    async def checkpoint(self) -> None:
        """Make everything applied so far durable, with what is owed for it."""
        self.send_lost()
        dirty, self.deriving.dirty = self.deriving.dirty, []
        gone, self._gone = self._gone, []
        for state in dirty:
            state.dirty = False
        rows = [
            (one.tenant, one.device_id, one.row()) for one in dirty if self.deriving.is_held(one)
        ]
        late = self.deriving.unfinished()
        progress = Progress(self._applied, [_kept(one) for one in self._owed.values()], late)
        rest = bool(progress.owed or progress.late)
        # What was owed must not stay on disk once it is not: it would be added again.
        is_stored = progress.position == self._stored and rest == self._stored_rest
        if is_stored and not rows and not gone:
            self._position = progress.position
            return

        def work(writer: Writer) -> None:
            for tenant, device_id in gone:
                writer.delete(ROWS, tenant, device_id)
            for tenant, device_id, row in rows:
                writer.put(ROWS, tenant, device_id, row)
            writer.put(PROGRESS, PLATFORM, _KEY, progress)
            # Also where nothing is computed: backups look at it for what the journal must hold.
            writer.put(POSITION, PLATFORM, self.name, progress.position)

        try:
            await self._records.write(work)
        except BaseException:
            self._gone = gone + self._gone
            self.deriving.dirty += [one for one in dirty if not one.dirty]
            for state in dirty:
                state.dirty = True
            raise
        self._position = self._stored = progress.position
        self._stored_rest = rest

    async def wait_done(self, until: int) -> None:
        """Wait until all that is owed for messages up to a position stands in the journal.

        Before `start` nothing is written, and nobody waits: what is owed then is owed later.
        """
        if self._add is None:
            return
        try:
            async with asyncio.timeout(SETTLE_S):
                while any(position <= until for position, _tenant, _device in self._owed):
                    self._paid.clear()
                    await self._paid.wait()
        except TimeoutError:
            raise StorageError("Derived telemetry is still to be written.") from None

    # --- towards the journal --------------------------------------------------------------

    def committed(self, tokens: list[Any], first: int) -> None:
        """All of it is on disk; it is struck off when it comes by."""

    def commit_failed(self, tokens: list[Any], error: StorageError) -> None:  # noqa: ARG002  all of it
        """Nothing that we had added is on disk: it is added again, unless Weft is stopping."""
        self._lost.update(self._owed)

    def send_lost(self) -> None:
        """Add again what a failed commit has lost; at the next commit or checkpoint."""
        if not self._lost or self._add is None:
            return
        lost, self._lost = self._lost, set()
        self._send_again([one for place, one in self._owed.items() if place in lost])

    def _send_again(self, owed: Sequence[Derived | Owed]) -> None:
        for one in owed:
            self._send(one)
        self._be_told()

    def _send(self, one: Derived | Owed) -> None:
        if self._add is None:
            return
        payload = one.payload if isinstance(one, Owed) else payload_of(one.readings)
        decoded = _readings(one)
        envelope = Envelope(
            self._route(one),
            self._clock.now(),
            payload,
            qos=1,
            session=DERIVED,
            origin=origin_of(one.position),
        )
        self._add(envelope, decoded)

    def _be_told(self) -> None:
        if self._tell is not None and self._owed:
            self._tell(self)

    def _route(self, one: Derived | Owed) -> Route:
        key = (one.tenant, one.device_id, one.type_name, one.type_version)
        route = self._routes.get(key)
        if route is None:
            if len(self._routes) >= ROUTES_MAX:
                self._routes.clear()
            route = self._routes[key] = route_of(*key)
        return route


def route_of(tenant: TenantId, device_id: DeviceId, type_name: str, version: int) -> Route:
    """Return where derived telemetry of a device comes from and what it is."""
    return Route(
        tenant,
        PrincipalKind.SYSTEM.value,
        "weft",
        f"devices/{device_id}/telemetry",
        Operation.TELEMETRY,
        device_id,
        type_name,
        version,
    )


def _readings(one: Derived | Owed) -> list[Reading]:
    if isinstance(one, Derived):
        return one.readings
    items: list[Mapping[str, Any]] = msgspec.json.decode(one.payload)
    return [Reading(from_rfc3339(item["ts"]), item["values"]) for item in items]


def _kept(one: Derived | Owed) -> Owed:
    if isinstance(one, Owed):
        return one
    return Owed(
        position=one.position,
        tenant=one.tenant,
        device_id=one.device_id,
        type_name=one.type_name,
        type_version=one.type_version,
        payload=payload_of(one.readings),
    )


def _all(reader: Reader, kind: Kind[V]) -> list[tuple[TenantId, str, V]]:
    found: list[tuple[TenantId, str, V]] = []
    for tenant in reader.tenants(kind):
        after = ""
        while page := reader.list(kind, tenant, after=after, limit=_PAGE):
            found += [(tenant, record.key, record.value) for record in page]
            after = page[-1].key
    return found
