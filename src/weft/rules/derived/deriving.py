"""Deriving: what messages bring about, pure over (message, state). No I/O, no records, no clock.

The same code runs live, after a crash and over the past. The words of rules hold: a
sample's time is its own, but never later than its receipt; one that is older than the
newest of its device is late: windows take it in, nothing is computed from it now, and
what was computed since is worked out again (`recomputing`).

A value is computed when a message names an input of it, at the moment of that message.
Time alone computes nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET

from weft.errors import Invalid
from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceId, TenantId
from weft.model.message import (
    DERIVED,
    RECOMPUTED,
    REDRIVEN,
    Committed,
    Decoded,
    Envelope,
    Operation,
    Route,
)
from weft.model.telemetry import Reading
from weft.observability.log import get_logger
from weft.rules.derived.formulas import Formula, compile_formula
from weft.rules.derived.kinds import Row
from weft.rules.derived.model import DEPTH_MAX, Derivation, Derived
from weft.rules.derived.order import levels
from weft.rules.derived.rollups import RollUp, RollUps, questions
from weft.rules.derived.stages import Program
from weft.rules.derived.state import State
from weft.rules.feeds.base import NEVER
from weft.rules.language.syntax import Path
from weft.rules.language.values import plain
from weft.rules.surroundings import Surroundings

log = get_logger(__name__)

ROUTES_MAX: Final = 200_000
PROGRAMS_MAX: Final = 10_000
_HEARD: Final = (Operation.TELEMETRY, Operation.REPORTED)
_FACTS: Final = ("attribute", "device")


class Deriving:
    """All derivations over all devices."""

    def __init__(self, around: Surroundings) -> None:
        self.late: dict[tuple[TenantId, DeviceId], int] = {}  # the oldest moment that came late
        self.working: dict[tuple[TenantId, DeviceId], int] = {}  # of those, what is worked on
        self.dirty: list[State] = []
        self._around = around
        self._derivations: dict[TenantId, dict[str, Derivation]] = {}
        self._states: dict[tuple[TenantId, DeviceId], State] = {}
        self._rows: dict[tuple[TenantId, DeviceId], Row] = {}  # read from disk, not met yet
        self._routes: dict[Route, State | None] = {}  # None: nothing is computed of it
        self._targets: dict[tuple[TenantId, DeviceId], State | None] = {}
        self._programs: dict[tuple[Any, ...], Program] = {}
        self._roll_ups = RollUps(around.members)

    # --- what is computed -----------------------------------------------------------------

    def set(self, derivation: Derivation) -> None:
        """Compute a derivation, or a new version of it, from the next message on."""
        self._derivations.setdefault(derivation.tenant, {})[derivation.name] = derivation
        self._roll_ups.drop(derivation)
        if derivation.is_rolled_up:
            made = self._roll_ups.set(derivation)
            self._roll_ups.place(derivation.tenant, self._known_by(derivation.tenant), made)
        self.forget_programs()

    def drop(self, derivation: Derivation) -> list[tuple[TenantId, DeviceId]]:
        """Compute a derivation no more; return the devices of which nothing is remembered now."""
        held = self._derivations.get(derivation.tenant, {})
        held.pop(derivation.name, None)
        self._roll_ups.drop(derivation)
        self.forget_programs()
        if held:
            return []
        self._derivations.pop(derivation.tenant, None)
        places = [one for one in {**self._states, **self._rows} if one[0] == derivation.tenant]
        for place in places:
            self.forget_device(*place)
        return places

    def of(self, tenant: TenantId) -> Sequence[Derivation]:
        """Return what is computed for a tenant, in the order of the names."""
        held = self._derivations.get(tenant, {})
        return [held[name] for name in sorted(held)]

    @property
    def idle(self) -> bool:
        """Whether nothing is computed for anybody."""
        return not self._derivations

    @property
    def begins_after(self) -> int:
        """Return the position up to which no message can bring anything about."""
        every = [one for held in self._derivations.values() for one in held.values()]
        return min((one.effective_after for one in every), default=0)

    def forget_programs(self) -> None:
        """Compile afresh: a derivation or a device type was saved or deleted."""
        self._programs.clear()
        self._forget_lookups()

    def forget_device(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Drop what is remembered of a device that is no more."""
        self._states.pop((tenant, device_id), None)
        self._rows.pop((tenant, device_id), None)
        self.late.pop((tenant, device_id), None)
        self._roll_ups.forget(tenant, device_id)
        self._forget_lookups()

    def place_members(self, tenant: TenantId) -> None:
        """Find the members of roll-ups again: groups or assets have changed."""
        self._roll_ups.place(tenant, self._known_by(tenant))
        self.forget_programs()

    def place_device(self, device: Device) -> None:
        """Find again whose member a device is: it was made, changed or moved."""
        self._roll_ups.place_device(device, self._known_by(device.tenant))
        self._forget_lookups()

    def _known_by(self, tenant: TenantId) -> Callable[[DeviceId], tuple[Mapping[str, Any], int]]:
        def known(device_id: DeviceId) -> tuple[Mapping[str, Any], int]:
            held = self._states.get((tenant, device_id)) or self._rows.get((tenant, device_id))
            return ({}, 0) if held is None else (held.told, held.received)

        return known

    def restore(self, tenant: TenantId, device_id: DeviceId, row: Row) -> None:
        """Keep what was stored of a device until it is met."""
        self._rows[tenant, device_id] = row

    def is_held(self, state: State) -> bool:
        """Whether a state is still the one of its device."""
        return self._states.get((state.tenant, state.device_id)) is state

    def _forget_lookups(self) -> None:
        self._routes.clear()
        self._targets.clear()

    def members(self, tenant: TenantId) -> list[tuple[DeviceId, frozenset[DeviceId]]]:
        """Return the devices that stand for members, each with these."""
        return [(one.target, frozenset(one.members)) for one in self._roll_ups.of(tenant)]

    def begin_late(self, tenant: TenantId) -> dict[DeviceId, int]:
        """Return the oldest moment of each device that came late; it is being worked on now."""
        found = {device: at for (owner, device), at in self.late.items() if owner == tenant}
        for device, at in found.items():
            del self.late[tenant, device]
            self.working[tenant, device] = at
        return found

    def unfinished(self) -> list[tuple[TenantId, str, int]]:
        """Return what came late and is not worked out yet, with what is being worked on."""
        places = {**self.late, **self.working}
        return [
            (tenant, str(device), min(self.late.get((tenant, device), at), at))
            for (tenant, device), at in places.items()
        ]

    def end_late_of(self, tenant: TenantId, devices: Iterable[DeviceId]) -> None:
        """Take in that the work is done for some of the devices that it was begun with."""
        for device_id in devices:
            self.working.pop((tenant, device_id), None)

    def end_late(self, tenant: TenantId, *, again: bool = False) -> None:
        """Take in that the work is done, or that it has to be begun again."""
        for place in [one for one in self.working if one[0] == tenant]:
            at = self.working.pop(place)
            if again:
                self.late[place] = min(at, self.late.get(place, NEVER))

    # --- messages -------------------------------------------------------------------------

    def take(self, batch: Committed, *, after: int) -> list[Derived]:
        """Take in the messages of a batch behind position `after`; return what they bring about."""
        found: list[Derived] = []
        routes = self._routes
        position = batch.first - 1
        for envelope, decoded in zip(batch.envelopes, batch.decoded, strict=True):
            position += 1
            try:
                state = routes[envelope.route]
            except KeyError:
                state = self._find_state(envelope)
            if state is None or decoded is None or position <= after:
                continue
            if envelope.session in (DERIVED, RECOMPUTED):
                continue  # what stands on it was computed with it
            given = _Given(position, envelope.received_at)
            self._take_one(state, given, envelope, decoded)
            for one, readings in given.found.items():
                found.append(_derived(position, one, readings))
            self._touch(state)
        return found

    def _touch(self, state: State) -> None:
        if not state.dirty:
            state.dirty = True
            self.dirty.append(state)

    def _take_one(
        self, state: State, given: "_Given", envelope: Envelope, decoded: Decoded
    ) -> None:
        received, position = given.received, given.position
        redriven = envelope.session == REDRIVEN
        if envelope.route.operation is Operation.REPORTED:
            if not redriven and isinstance(decoded, Mapping):
                at, made = state.take_report(position, decoded, received)
                self._give(state, given, at, made)
            return
        for reading in decoded:
            at = min(reading.at, received)
            if at < state.at and (received >= state.at or redriven):
                state.take_late(position, reading, received)
                place = (state.tenant, state.device_id)
                self.late[place] = min(reading.at, self.late.get(place, NEVER))
                continue
            made = state.take(position, reading, received)
            if made:
                self._give(state, given, reading.at, made)

    def _give(
        self, state: State, given: "_Given", at: int, made: dict[str, Any], depth: int = 0
    ) -> None:
        """Give what is computed of a device, and move what it is rolled up into."""
        answered = bool(state.program.words) and state.tell_members(made)
        if made:
            given.found.setdefault(state, []).append(Reading(at, made))
        if not answered:
            return
        if depth > DEPTH_MAX:  # it was refused on save; members have changed since
            log.warning("roll_up_too_deep", tenant=state.tenant, device=state.device_id)
            return
        for one in self._roll_ups.of_device(state.tenant, state.device_id):
            if given.position <= one.derivation.effective_after:
                continue
            one.hear(state.device_id, state.told, given.received)
            value = one.value()
            target = self._target(one, given.received) if value is not UNSET else None
            if target is None:
                continue
            # Its time is that of its newest member; a slower one does not set it back.
            moment = max(min(at, given.received), target.at)
            rolled = {one.derivation.key: value}
            if target.program.stages:
                reading = Reading(moment, rolled)
                rolled = rolled | target.take(given.position, reading, given.received)
            target.at, target.received = moment, given.received
            self._touch(target)
            self._give(target, given, moment, rolled, depth + 1)

    def _target(self, roll_up: RollUp, now: int) -> State | None:
        """Return the state of the device that stands for the members; None without it."""
        place = (roll_up.derivation.tenant, roll_up.target)
        if place not in self._targets:
            device = self._around.devices.find(*place)
            found = None
            if device is not None and device.lifecycle is Lifecycle.ACTIVE:
                kind = self._around.types.followed_by(device)
                model = (device.type_name or "", kind.version if kind else 0)
                found = self._bound(place, model, device, now)
            self._targets[place] = found
        return self._targets[place]

    # --- who computes what ----------------------------------------------------------------

    def _find_state(self, envelope: Envelope) -> State | None:
        route = envelope.route
        state = None
        if route.operation in _HEARD and route.device_id and route.tenant in self._derivations:
            state = self._bind(route, envelope.received_at)
        if len(self._routes) >= ROUTES_MAX:
            self._forget_lookups()
        self._routes[route] = state
        return state

    def _bind(self, route: Route, now: int) -> State | None:
        place = (route.tenant, DeviceId(route.device_id))
        device = self._around.devices.find(*place)
        state = self._bound(place, (route.type_name, route.type_version), device, now)
        return state if state.program.stages else None

    def _bound(
        self,
        place: tuple[TenantId, DeviceId],
        model: tuple[str, int],
        device: Device | None,
        now: int,
    ) -> State:
        program = self._program(*place, model, device)
        state = self._states.get(place)
        if state is None or state.program is not program:
            row = self._rows.pop(place, None) if state is None else state.row()
            made = State(place, program, self._around.places, now)
            if row is not None:
                made.restore(row)
            state = self._states[place] = made
            state.type_name, state.type_version = model
        self._describe(state, device, model[0])
        return state

    def _describe(self, state: State, device: Device | None, type_name: str) -> None:
        facts: dict[Path, Any] = {
            ("device", "id"): state.device_id,
            ("device", "type"): type_name,
        }
        if device is not None:
            facts |= {("attribute", key): plain(one) for key, one in device.attributes.items()}
        state.tell(facts, _FACTS)
        if self._around.reported is not None:
            reported = self._around.reported(state.tenant, state.device_id)
            known = {("reported", key): one for key, one in reported.items() if one is not None}
            state.tell(known, ("reported",))

    def _program(
        self, tenant: TenantId, device_id: DeviceId, model: tuple[str, int], device: Device | None
    ) -> Program:
        type_name, _version = model
        meant = [
            one
            for one in self.of(tenant)
            if not one.is_rolled_up and one.document.selector.matches(device_id, type_name, device)
        ]
        asking = [one.derivation for one in self._roll_ups.of_device(tenant, device_id)]
        every = (*meant, *asking)
        key = (tenant, *model, *((one.name, one.version, one.uid) for one in every))
        program = self._programs.get(key)
        if program is None:
            if len(self._programs) >= PROGRAMS_MAX:
                self._programs.clear()
            program = self._programs[key] = self._staged(tenant, model, meant, asking)
        return program

    def _staged(
        self,
        tenant: TenantId,
        model: tuple[str, int],
        meant: Sequence[Derivation],
        asking: Sequence[Derivation],
    ) -> Program:
        """Return the formulas of one kind of device, stage by stage, and what it is asked."""
        type_name, version = model
        kind = self._around.types.find(tenant, type_name, version or None) if type_name else None
        scope = self._around.scope_of(tenant, kind)
        stages: dict[int, list[Formula]] = {}
        for name, level in sorted(levels(meant).items()):
            derivation = next(one for one in meant if one.name == name)
            try:
                stages.setdefault(level, []).append(compile_formula(derivation, scope))
            except Invalid as error:  # saved against another version or type
                log.warning(
                    "derivation_unfit",
                    tenant=tenant,
                    derivation=name,
                    type=f"{type_name} {version}",
                    reason=error.detail,
                )
        asked = [one for derivation in asking for one in questions(derivation, scope)]
        return Program([stages[level] for level in sorted(stages)], asked)


class _Given:
    """What one message brings about, by the device."""

    def __init__(self, position: int, received: int) -> None:
        self.position = position
        self.received = received
        self.found: dict[State, list[Reading]] = {}


def _derived(position: int, state: State, readings: Iterable[Reading]) -> Derived:
    return Derived(
        position=position,
        tenant=state.tenant,
        device_id=state.device_id,
        type_name=state.type_name,
        type_version=state.type_version,
        readings=list(readings),
    )
