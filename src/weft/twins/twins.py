"""Twins: what a device last told us, and what we want of it.

A device reports properties and measures; people and rules desire properties. What is
desired but not yet reported is the delta. Every write of the desired side names the
version it read, so no writer undoes another unseen.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct, field

from weft.errors import PeerError, QuotaExceeded, StaleVersion, StorageError
from weft.model.ids import DeviceId, TenantId
from weft.model.message import NOT_HEARD, REDRIVEN, SETTLED, Committed, Envelope, Operation, Route
from weft.model.principal import Principal
from weft.model.twin import Latest, Properties, Stamp, Stamps, Twin
from weft.ports import Clock, Kind, Reader, Records, Writer
from weft.registry.positions import Positioned
from weft.security.audit import Audit
from weft.supervision import SystemClock, run_in_groups
from weft.twins.changes import PropertyChange, Side, TwinChange, differences, stamped
from weft.twins.requests import SETTLED as REQUESTS
from weft.twins.requests import Settled, Settling, TwinRequest, reason_of, refusal_of
from weft.twins.resending import Resending
from weft.twins.state import Reported, TwinState, merge_patch

ROUTES_MAX = 100_000
STORED_AT_ONCE = 64  # twins in one transaction: 2 ms, then others have their turn
SENT_AT_ONCE = 1_000  # deltas that wait for one commit together
REPORTED_MAX_BYTES = 256 * 1024  # of one device, as JSON

V = TypeVar("V")
Key = tuple[TenantId, DeviceId]
Listener = Callable[[TenantId, DeviceId], None]
ChangeListener = Callable[[TwinChange], None]
CheckDesired = Callable[[TenantId, DeviceId, Properties], None]
IsOnline = Callable[[TenantId, DeviceId], bool]
PublishDelta = Callable[[TenantId, DeviceId, bytes], Awaitable[None]]


class Desired(Struct, frozen=True):
    """What we want of a device, at one version."""

    properties: Properties = field(default_factory=dict)
    version: int = 0
    stamps: Stamps = field(default_factory=dict)


TWINS: Kind[Reported] = Kind("twin", Reported)
DESIRED: Kind[Desired] = Kind("desired", Desired)


class Twins(Positioned):
    """All twins: the projection that keeps them, and what callers ask and want."""

    name = "twins"

    def __init__(self, records: Records, audit: Audit, clock: Clock | None = None) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock or SystemClock()
        self._states: dict[Key, TwinState] = {}
        self._desired: dict[Key, Desired] = {}
        self._by_route: dict[Route, TwinState] = {}
        self._dirty: set[Key] = set()
        self._heard: set[Key] = set()
        self._deltas_due: set[Key] = set()
        self._listeners: list[Listener] = []
        self._change_listeners: list[ChangeListener] = []
        self._publish_delta: PublishDelta | None = None
        self._check_desired: CheckDesired | None = None
        self._is_online: IsOnline | None = None
        self._resending = Resending()
        self._settling = Settling()

    async def load(self) -> None:
        """Read all twins; they are few hundred bytes each and asked for all the time."""

        def read(r: Reader) -> None:
            for tenant in r.tenants(TWINS):
                for device_id, reported in _all(r, TWINS, tenant):
                    self._states[tenant, DeviceId(device_id)] = TwinState(reported)
            for tenant in r.tenants(DESIRED):
                for device_id, desired in _all(r, DESIRED, tenant):
                    self._desired[tenant, DeviceId(device_id)] = desired
            self._read_position(r)

        await self._records.read(read)
        # Stored, and perhaps not sent before a crash: a delta is sent until it is gone.
        self._deltas_due = {key for key in self._desired if self.get(*key).delta()}

    def on_change(self, listener: Listener) -> None:
        """Call `listener` with a device whose reported or desired properties changed."""
        self._listeners.append(listener)

    def on_properties(self, listener: ChangeListener) -> None:
        """Call `listener` with each write of properties: which side, what, old and new.

        It is called on the loop, after the write is on disk or in the journal, also when a
        device reported only what it had reported before. After a crash a report that was not
        stored yet may be told again.
        """
        self._change_listeners.append(listener)

    def check_desired_with(self, check: CheckDesired) -> None:
        """Have `check(tenant, device, patch)` raise for a wish that cannot be fulfilled."""
        self._check_desired = check

    def online_with(self, is_online: IsOnline) -> None:
        """Ask `is_online` before a device that has not caught up is told again."""
        self._is_online = is_online

    def publish_delta_with(self, publish: PublishDelta) -> None:
        """Send each delta to its device through `publish`."""
        self._publish_delta = publish

    # --- projection ---

    def apply(self, batch: Committed) -> None:
        """Note what devices sent."""
        by_route = self._by_route
        for number, envelope in enumerate(batch.envelopes):
            route = envelope.route
            decoded = batch.decoded[number]
            if decoded is None:  # no telemetry, or nothing that can be read today
                continue
            if route.operation is Operation.TELEMETRY:
                state = by_route.get(route)
                if state is None:
                    state = self._state_for(route)
                state.note(decoded)
                if envelope.session not in NOT_HEARD:
                    state.stored.last_seen_at = envelope.received_at
                self._dirty.add((route.tenant, route.device_id))
            elif route.operation is Operation.REPORTED:
                self._report(batch.first + number, envelope, decoded)
        self._applied = batch.last

    def _state_for(self, route: Route) -> TwinState:
        if len(self._by_route) >= ROUTES_MAX:
            self._by_route.clear()
        key = (route.tenant, route.device_id)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = TwinState(Reported())
        self._by_route[route] = state
        return state

    def _report(self, position: int, envelope: Envelope, patch: Properties) -> None:
        route = envelope.route
        state = self._by_route.get(route) or self._state_for(route)
        if position <= state.stored.position:  # read again after a crash
            return
        if envelope.session == SETTLED:  # others have to hear of it; here it was done in `settle`
            return
        state.stored.position = position
        before = state.stored.properties
        stamp = Stamp(envelope.received_at, f"{route.principal_kind}:{route.principal_id}")
        if envelope.session == REDRIVEN:
            state.report_late(patch, stamp)
        else:
            state.report(patch, stamp)
            state.stored.last_seen_at = envelope.received_at
        key = (route.tenant, route.device_id)
        self._dirty.add(key)
        if key in self._desired:
            self._deltas_due.add(key)
        self._tell(key, Side.REPORTED, differences(patch, before, state.stored.properties), stamp)

    def _tell(
        self, key: Key, side: Side, changes: tuple[PropertyChange, ...], stamp: Stamp
    ) -> None:
        for listener in self._listeners:
            listener(*key)
        if not self._change_listeners:
            return
        twin = self.get(*key)
        change = TwinChange(
            *key,
            side,
            changes,
            twin.delta(),
            twin.version,
            twin.desired_version,
            stamp.at,
            stamp.by,
        )
        for change_listener in self._change_listeners:
            change_listener(change)

    async def checkpoint(self) -> None:
        """Store the twins that changed, with the position they have reached."""
        applied = self._applied
        if applied == self._durable:
            return
        dirty, self._dirty = self._dirty, set()
        self._heard |= dirty
        waiting = list(dirty)
        try:
            while waiting:
                await self._store(waiting[:STORED_AT_ONCE])
                del waiting[:STORED_AT_ONCE]
            await self._store_position(self._records, applied)
        except BaseException:
            self._dirty.update(waiting)
            raise

    async def _store(self, keys: Sequence[Key]) -> None:
        """Store some twins as they are now, which may be ahead of the position.

        A thousand in one transaction kept an alarm waiting for 140 ms. Reading a message
        again changes nothing: values count by their moments, reports by their positions.
        """
        await self._settling.wait(keys)
        changed = [(key, _copy(self._states[key].merge())) for key in keys if key in self._states]

        def write(w: Writer) -> None:
            for (tenant, device_id), value in changed:
                w.put(TWINS, tenant, device_id, value)

        await self._records.write(write)

    # --- what callers ask ---

    def take_heard(self) -> set[Key]:
        """Return whom something was heard of since the last call, some of them perhaps again.

        For one caller, who follows all twins: what it costs is paid here, not at each message.
        """
        heard, self._heard = self._heard | self._dirty, set()
        return heard

    def get(self, tenant: TenantId, device_id: DeviceId) -> Twin:
        """Return the twin; one of a device that never spoke is empty, at version 0."""
        key = (tenant, device_id)
        state = self._states.get(key)
        stored = state.merge() if state else Reported()
        desired = self._desired.get(key, _NOTHING)
        return Twin(
            tenant,
            device_id,
            stored.version + desired.version,
            stored.properties,
            desired.properties,
            desired.version,
            stored.telemetry,
            stored.last_seen_at,
            stored.stamps,
            desired.stamps,
        )

    def last_seen_at(self, tenant: TenantId, device_id: DeviceId) -> int:
        """Return when the newest message of a device that was kept came in, ns; 0 for none."""
        state = self._states.get((tenant, device_id))
        return state.stored.last_seen_at if state else 0

    def telemetry(self, tenant: TenantId, device_id: DeviceId) -> Mapping[str, Latest]:
        """Return the newest value of each key, as `get` has them; not to be changed."""
        state = self._states.get((tenant, device_id))
        return state.merge().telemetry if state else {}

    async def desire(
        self, actor: Principal, device_id: DeviceId, patch: Properties, *, version: int
    ) -> Twin:
        """Merge `patch` into what we want; `version` is the desired version that was read.

        Raises `StaleVersion` when somebody else was faster, `Invalid` for a wish that is not
        as the device's type declares. The delta goes to the device.
        """
        key = (actor.tenant, device_id)
        if self._check_desired is not None:
            self._check_desired(actor.tenant, device_id, patch)
        stamp = Stamp(self._clock.now(), str(actor))

        def write(w: Writer) -> tuple[Desired, Desired]:
            record = w.find(DESIRED, actor.tenant, device_id)
            old = record.value if record else _NOTHING
            if old.version != version:
                raise StaleVersion(
                    f"The desired properties of {device_id!r} are at version {old.version}, "
                    f"not {version}.",
                    remedy="Read the twin again and repeat the change on it.",
                )
            properties = merge_patch(old.properties, patch)
            stamps = stamped(old.stamps, patch, properties, stamp)
            new = Desired(properties, old.version + 1, stamps)
            w.put(DESIRED, actor.tenant, device_id, new)
            self._audit.entry(
                w,
                actor,
                "twin.desire",
                f"device:{device_id}",
                detail={"names": sorted(patch), "version": new.version},
            )
            return old, new

        old, new = await self._records.write(write)
        self._desired[key] = new
        self._resending.begin(key, stamp.at)
        self._tell(key, Side.DESIRED, differences(patch, old.properties, new.properties), stamp)
        await self._send_delta(key)
        return self.get(actor.tenant, device_id)

    async def settle(self, actor: Principal, request: TwinRequest) -> Settled:
        """Do what a device asked for, on both sides in one transaction; return how it ended.

        A request that was settled before is not done again: what is returned then is how it
        ended, or how a later one of the device did. Raises `StorageError` when nothing could be
        stored.
        """
        key = (actor.tenant, request.device_id)
        if request.desired and self._check_desired is not None and request.refused is None:
            try:
                self._check_desired(*key, request.desired)
            except PeerError as error:
                request = msgspec.structs.replace(request, refused=reason_of(error))
        async with self._settling.alone(key):
            settled, desired = await self._settle(actor, request)
            if settled.position != request.position or desired is None:
                return settled
            old, new = desired
            stamp = _stamp_of(actor, request)
            state = self._states.get(key)
            before = state.stored.properties if state else {}
            if request.reported:
                if state is None:
                    state = self._states[key] = TwinState(Reported())
                state.report_as_of(request.reported, stamp, steps=0 if request.desired else 1)
                self._dirty.add(key)
            if request.desired:
                self._desired[key] = new
                self._resending.begin(key, request.received_at)
        if request.reported and state is not None:
            if key in self._desired:
                self._deltas_due.add(key)
            after = state.stored.properties
            self._tell(key, Side.REPORTED, differences(request.reported, before, after), stamp)
        if request.desired:
            changes = differences(request.desired, old.properties, new.properties)
            self._tell(key, Side.DESIRED, changes, stamp)
            await self._send_delta(key)
        return settled

    async def _settle(
        self, actor: Principal, request: TwinRequest
    ) -> tuple[Settled, tuple[Desired, Desired] | None]:
        """Write what a request changes; return how it ended, and what was desired if it is new."""
        key = (actor.tenant, request.device_id)
        stamp = _stamp_of(actor, request)
        state = self._states.get(key)
        reported = _copy(state.merge()) if state else Reported()
        was_at = reported.version
        if request.reported:
            after = TwinState(reported)
            after.report_as_of(request.reported, stamp, steps=0 if request.desired else 1)

        def write(w: Writer) -> tuple[Settled, tuple[Desired, Desired] | None]:
            known = w.find(REQUESTS, *key)
            if known is not None and known.value.position >= request.position:
                return known.value, None
            record = w.find(DESIRED, *key)
            old = new = record.value if record else _NOTHING
            refused = refusal_of(request, was_at + old.version)
            if refused is not None:
                settled = Settled(request.position, was_at + old.version, refused=refused)
                w.put(REQUESTS, *key, settled)
                return settled, None
            if request.desired:
                properties = merge_patch(old.properties, request.desired)
                stamps = stamped(old.stamps, request.desired, properties, stamp)
                new = Desired(properties, old.version + 1, stamps)
                w.put(DESIRED, *key, new)
                detail = {"names": sorted(request.desired), "version": new.version}
                target = f"device:{request.device_id}"
                self._audit.entry(w, actor, "twin.desire", target, detail=detail)
            if request.reported:
                w.put(TWINS, *key, reported)
            settled = Settled(request.position, reported.version + new.version, request.reported)
            w.put(REQUESTS, *key, settled)
            return settled, (old, new)

        return await self._records.write(write)

    def require_room(self, tenant: TenantId, device_id: DeviceId, patch: Properties) -> None:
        """Raise `QuotaExceeded` for a report that makes a twin too large; the gate asks."""
        state = self._states.get((tenant, device_id))
        before = state.stored.properties if state else {}
        size = len(msgspec.json.encode(merge_patch(before, patch)))
        if size > REPORTED_MAX_BYTES and size > len(msgspec.json.encode(before)):
            raise QuotaExceeded(
                f"The reported properties of {device_id!r} would take {size} bytes; "
                f"at most {REPORTED_MAX_BYTES} are kept.",
                remedy="Report null for properties that are over, and keep bulk data elsewhere.",
            )

    async def send_deltas(self) -> None:
        """Send what is left of the delta to devices that reported since the last call.

        And again to those that are there and did not follow, after a back-off.
        """
        due = list(self._deltas_due)
        self._deltas_due.clear()
        due += self._resending.take(self._clock.now(), self._lags)
        await run_in_groups(self._send_delta, due, at_once=SENT_AT_ONCE)

    async def _send_delta(self, key: Key) -> None:
        """Send a delta; one that cannot be kept just now is sent by the next `send_deltas`."""
        if self._publish_delta is None:
            return
        twin = self.get(*key)
        properties = twin.delta()
        if not properties:
            self._resending.forget(key)
        elif key not in self._resending:
            self._resending.begin(key, self._clock.now())
        delta = {"version": twin.desired_version, "properties": properties}
        try:
            await self._publish_delta(*key, msgspec.json.encode(delta))
        except StorageError:  # the pipeline has said why
            self._deltas_due.add(key)

    def _lags(self, key: Key) -> bool:
        return (
            self._is_online is not None and self._is_online(*key) and bool(self.get(*key).delta())
        )

    async def forget(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Drop the twin of a deleted device."""
        key = (tenant, device_id)
        self._states.pop(key, None)
        self._desired.pop(key, None)
        self._heard.add(key)
        self._dirty.discard(key)
        self._deltas_due.discard(key)
        self._resending.forget(key)
        self._by_route.clear()

        def write(w: Writer) -> None:
            w.delete(TWINS, tenant, device_id)
            w.delete(DESIRED, tenant, device_id)
            w.delete(REQUESTS, tenant, device_id)

        await self._records.write(write)


_NOTHING = Desired()


def _stamp_of(actor: Principal, request: TwinRequest) -> Stamp:
    return Stamp(request.received_at, str(actor))


def _copy(reported: Reported) -> Reported:
    """Copy what the loop goes on changing while the writer's thread stores it."""
    return Reported(
        dict(reported.properties),
        reported.version,
        dict(reported.telemetry),
        reported.last_seen_at,
        reported.position,
        reported.stamps,  # made anew at each report
    )


def _all(r: Reader, kind: Kind[V], tenant: TenantId) -> list[tuple[str, V]]:
    found: list[tuple[str, V]] = []
    after = ""
    while page := r.list(kind, tenant, after=after, limit=1_000):
        found.extend((record.key, record.value) for record in page)
        after = page[-1].key
    return found
