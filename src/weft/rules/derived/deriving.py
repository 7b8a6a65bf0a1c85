"""Deriving: what messages bring about, pure over (message, state). No I/O, no records, no clock.

The same code runs live, after a crash and over the past. The words of rules hold: a
sample's time is its own, but never later than its receipt; one that is older than the
newest of its device is late: windows take it in, nothing is computed from it now, and
what was computed since is worked out again (`recomputing`).

A value is computed when a message names an input of it, at the moment of that message.
Time alone computes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from weft.errors import Invalid
from weft.model.device import Device
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
from weft.rules.derived.model import Derivation, Derived
from weft.rules.derived.order import levels
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
        self.dirty: list[State] = []
        self._around = around
        self._derivations: dict[TenantId, dict[str, Derivation]] = {}
        self._states: dict[tuple[TenantId, DeviceId], State] = {}
        self._rows: dict[tuple[TenantId, DeviceId], Row] = {}  # read from disk, not met yet
        self._routes: dict[Route, State | None] = {}  # None: nothing is computed of it
        self._programs: dict[tuple[Any, ...], Program] = {}

    # --- what is computed -----------------------------------------------------------------

    def set(self, derivation: Derivation) -> None:
        """Compute a derivation, or a new version of it, from the next message on."""
        self._derivations.setdefault(derivation.tenant, {})[derivation.name] = derivation
        self.forget_programs()

    def drop(self, derivation: Derivation) -> list[tuple[TenantId, DeviceId]]:
        """Compute a derivation no more; return the devices of which nothing is remembered now."""
        held = self._derivations.get(derivation.tenant, {})
        held.pop(derivation.name, None)
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

    def invalidate(self) -> None:
        """Forget what was looked up: a device has changed."""
        self._routes.clear()

    def forget_programs(self) -> None:
        """Compile afresh: a derivation or a device type was saved or deleted."""
        self._programs.clear()
        self._routes.clear()

    def forget_device(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Drop what is remembered of a device that is no more."""
        self._states.pop((tenant, device_id), None)
        self._rows.pop((tenant, device_id), None)
        self.late.pop((tenant, device_id), None)
        self._routes.clear()

    def restore(self, tenant: TenantId, device_id: DeviceId, row: Row) -> None:
        """Keep what was stored of a device until it is met."""
        self._rows[tenant, device_id] = row

    def is_held(self, state: State) -> bool:
        """Whether a state is still the one of its device."""
        return self._states.get((state.tenant, state.device_id)) is state

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
            readings = self._take_one(state, position, envelope, decoded)
            if readings:
                found.append(_derived(position, state, readings))
            if not state.dirty:
                state.dirty = True
                self.dirty.append(state)
        return found

    def _take_one(
        self, state: State, position: int, envelope: Envelope, decoded: Decoded
    ) -> list[Reading]:
        received = envelope.received_at
        redriven = envelope.session == REDRIVEN
        if envelope.route.operation is Operation.REPORTED:
            if redriven or not isinstance(decoded, Mapping):
                return []
            at, made = state.take_report(position, decoded, received)
            return [Reading(at, made)] if made else []
        found: list[Reading] = []
        for reading in decoded:
            at = min(reading.at, received)
            if at < state.at and (received >= state.at or redriven):
                state.take_late(position, reading, received)
                place = (state.tenant, state.device_id)
                self.late[place] = min(reading.at, self.late.get(place, NEVER))
                continue
            made = state.take(position, reading, received)
            if made:
                found.append(Reading(reading.at, made))
        return found

    # --- who computes what ----------------------------------------------------------------

    def _find_state(self, envelope: Envelope) -> State | None:
        route = envelope.route
        state = None
        if route.operation in _HEARD and route.device_id and route.tenant in self._derivations:
            state = self._bind(route, envelope.received_at)
        if len(self._routes) >= ROUTES_MAX:
            self._routes.clear()
        self._routes[route] = state
        return state

    def _bind(self, route: Route, now: int) -> State | None:
        place = (route.tenant, DeviceId(route.device_id))
        device = self._around.devices.find(*place)
        model = (route.type_name, route.type_version)
        program = self._program(route.tenant, place[1], model, device)
        if program is None:
            return None
        state = self._states.get(place)
        if state is None or state.program is not program:
            row = self._rows.pop(place, None) if state is None else state.row()
            made = State(place, program, self._around.places, now)
            if row is not None:
                made.restore(row)
            state = self._states[place] = made
        state.type_name, state.type_version = model
        self._describe(state, device, route.type_name)
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
    ) -> Program | None:
        type_name, _version = model
        meant = [
            one
            for one in self.of(tenant)
            if one.document.selector.matches(device_id, type_name, device)
        ]
        if not meant:
            return None
        key = (tenant, *model, *((one.name, one.version, one.uid) for one in meant))
        program = self._programs.get(key)
        if program is None:
            if len(self._programs) >= PROGRAMS_MAX:
                self._programs.clear()
            program = self._programs[key] = Program(self._staged(tenant, model, meant))
        return program if program.stages else None

    def _staged(
        self, tenant: TenantId, model: tuple[str, int], meant: Sequence[Derivation]
    ) -> list[list[Formula]]:
        """Return the formulas of one kind of device, stage by stage."""
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
        return [stages[level] for level in sorted(stages)]


def _derived(position: int, state: State, readings: Iterable[Reading]) -> Derived:
    return Derived(
        position=position,
        tenant=state.tenant,
        device_id=state.device_id,
        type_name=state.type_name,
        type_version=state.type_version,
        readings=list(readings),
    )
