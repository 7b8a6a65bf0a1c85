"""The evaluation of rules: pure over (message, state, virtual clock). No I/O, no records.

The same code runs live, after a crash and over last month's journal. Its clock is the
time of receipt of the messages: a timer fires when the next message was received after
it is due (one received just then is looked at first), or when `advance` says that
everything received before has been applied.

The words, precisely:

- A sample's time is its own `at`, but never later than its receipt, so a device with a
  clock in the future cannot make all its later samples late.
- A sample older than the newest one of its device is late: it is kept in history and
  neither raises nor clears. One of the same moment counts.
- A sample received before the newest one was received is not late: our own clock was set
  back, and rules that waited for it to catch up would be blind. One that was refused before
  and is redriven is late.
- A key that a message lacks has the value that the device sent last, as far as the rules
  have seen it. A key that was never sent is absent: the condition is unknown, which
  neither raises nor clears.
- `twin.reported.x` is what the device reported last, `device.attributes.x` what operators
  say now.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import UNSET, Struct

from weft.errors import Invalid
from weft.model.device import Device, DeviceType
from weft.model.ids import AlarmId, DeviceId, TenantId
from weft.model.message import REDRIVEN, Committed, Envelope, Operation, Route
from weft.model.telemetry import Reading, items_of
from weft.rules.cells import Cell, Moment, Outcome, Phase
from weft.rules.conditions import Compiled, compile_rule
from weft.rules.health import Health, RuleHealth
from weft.rules.language import scope_of
from weft.rules.language.values import plain
from weft.rules.model import Rule
from weft.rules.program import BITS, ERROR, MASK, Program, coerced
from weft.rules.requests import Clear, Pause, Raise, Request
from weft.rules.state import DeviceState, Row

NEVER = 2**63
ROUTES_MAX = 200_000
PROGRAMS_MAX = 10_000
TIMERS_MAX = 500_000  # one a device and rule that waits, and some that no longer do


class DeviceFinder(Protocol):
    """What is asked of the registry's devices."""

    def find(self, tenant: TenantId, device_id: str) -> Device | None:
        """Return a device, or None."""
        ...


class TypeFinder(Protocol):
    """What is asked of the registry's device types."""

    def find(self, tenant: TenantId, name: str, version: int | None = None) -> DeviceType | None:
        """Return a type at a version (None: the current one), or None."""
        ...

    def followed_by(self, device: Device) -> DeviceType | None:
        """Return the version that a device follows, or None."""
        ...


Reported = Callable[[TenantId, DeviceId], Mapping[str, Any]]


class Surroundings(Struct, frozen=True, eq=False):
    """What the evaluation looks up and never changes."""

    devices: DeviceFinder
    types: TypeFinder
    # Asked once, when a device is first met: what it had reported before there were rules.
    reported: Reported | None = None


class Runtime:
    """All rules over all devices."""

    def __init__(
        self, around: Surroundings, ask: Callable[[Request], None], *, errors_in_a_row: int = 100
    ) -> None:
        self.health = Health()
        self.states: dict[tuple[TenantId, DeviceId], DeviceState] = {}
        self.dirty: list[DeviceState] = []
        self.due = NEVER
        self.looking_at = 0  # position of the message that is being taken in
        self._around = around
        self._ask = ask
        self._errors_in_a_row = errors_in_a_row
        self._rules: dict[TenantId, dict[str, Rule]] = {}
        self._routes: dict[Route, DeviceState | None] = {}
        self._bound_as: dict[
            tuple[TenantId, DeviceId], tuple[tuple[str, int], DeviceState | None]
        ] = {}
        self._programs: dict[tuple[Any, ...], Program] = {}
        self._timers: list[tuple[int, str, str, str, int]] = []

    # --- what it evaluates ----------------------------------------------------------------

    def rules(self, tenant: TenantId) -> Mapping[str, Rule]:
        """Return the rules that are evaluated for a tenant."""
        return self._rules.get(tenant, {})

    def set_rule(self, rule: Rule, *, at: int) -> None:
        """Evaluate a rule, or a new version of it, from the next message on.

        What an older version has raised stays raised and is cleared by the new one, so that
        an edit makes no second alarm; on devices that it no longer watches it is cleared now.
        """
        self._rules.setdefault(rule.tenant, {})[rule.rule_id] = rule
        self.invalidate()
        for state in self._holders(rule):
            device = self._around.devices.find(state.tenant, state.device_id)
            type_name = (device.type_name or "") if device else ""
            if not rule.document.selector.matches(state.device_id, type_name, device):
                self._end(rule, state, at, "the rule no longer watches the device")

    def pause_rule(self, rule: Rule) -> None:
        """Stop evaluating a rule; what it has raised stays raised."""
        self._rules.get(rule.tenant, {}).pop(rule.rule_id, None)
        self.invalidate()

    def drop_rule(self, rule: Rule, *, at: int, reason: str) -> None:
        """Stop evaluating a rule and clear what it has raised."""
        self.pause_rule(rule)
        self.health.forget(rule.tenant, rule.rule_id)
        for state in self._holders(rule):
            self._end(rule, state, at, reason)

    def _holders(self, rule: Rule) -> list[DeviceState]:
        return [
            state
            for (tenant, _device), state in self.states.items()
            if tenant == rule.tenant and rule.rule_id in state.cells
        ]

    def _end(self, rule: Rule, state: DeviceState, at: int, reason: str) -> None:
        """End an episode from outside; an alarm that it raised is cleared."""
        cell = state.cells.pop(rule.rule_id)
        self._touch(state)
        if cell.alarm_id and cell.phase in {Phase.RAISED, Phase.CLEARING}:
            self._clear(rule, state, cell, at, None, reason)

    def invalidate(self) -> None:
        """Forget what was looked up: a rule, device or type has changed."""
        self._routes.clear()
        self._bound_as.clear()

    def forget_device(self, tenant: TenantId, device_id: DeviceId, *, at: int) -> None:
        """Drop the state of a device that is no more; its alarms are cleared."""
        state = self.states.pop((tenant, device_id), None)
        rules = self.rules(tenant)
        for rule_id in list(state.cells) if state else ():
            if state is not None and rule_id in rules:
                self._end(rules[rule_id], state, at, "the device was deleted")
        self.invalidate()

    def forget_programs(self) -> None:
        """Compile afresh: a device type was saved or deleted."""
        self._programs.clear()
        self.invalidate()

    def restore(self, tenant: TenantId, device_id: DeviceId, row: Row) -> None:
        """Take back the state of a device and set its timers."""
        device = self._around.devices.find(tenant, device_id)
        type_name = (device.type_name or "") if device else ""
        kind = self._around.types.followed_by(device) if device else None
        program = self._program(tenant, device_id, type_name, kind.version if kind else 0)
        if program is None:
            program = Program(())
        state = DeviceState(tenant, device_id, program)
        state.restore(row)
        self.states[tenant, device_id] = state
        rules = self.rules(tenant)
        for rule_id, cell in state.cells.items():
            if rule_id in rules:
                self._set_timer(state, rules[rule_id], cell)

    # --- the hot path ---------------------------------------------------------------------

    def apply(self, batch: Committed, *, after: int) -> None:
        """Take in the messages of a batch behind position `after`, in order."""
        position = batch.first - 1
        routes = self._routes
        for envelope, decoded in zip(batch.envelopes, batch.decoded, strict=True):
            self.looking_at = position = position + 1
            if position <= after:
                continue
            if envelope.received_at > self.due:
                self.advance(envelope.received_at)
            try:
                state = routes[envelope.route]
            except KeyError:
                state = self._find_state(envelope.route)
            if state is None or decoded is None:
                continue
            if envelope.route.operation is Operation.REPORTED:
                self._apply_reported(state, position, envelope, decoded)
                continue
            received = envelope.received_at
            for reading in decoded:
                at = reading.at
                at = min(at, received)
                if at < state.at and (received >= state.at or envelope.session == REDRIVEN):
                    continue
                state.at = at
                values = reading.values
                if values.__class__ is state.values_class:
                    mask = state.evaluate(values, state.slots)
                else:
                    mask = state.take_class(values.__class__)(values, state.slots)
                if state.busy or mask != state.mask:
                    self._step(state, mask, position, at, (envelope, reading, decoded))
            if not state.dirty:
                state.dirty = True
                self.dirty.append(state)

    def _apply_reported(
        self, state: DeviceState, position: int, envelope: Envelope, patch: Any
    ) -> None:
        """Merge a patch into the reported inputs (RFC 7396: null removes) and evaluate."""
        if not isinstance(patch, Mapping) or envelope.session == REDRIVEN:
            return
        changed = False
        for slot, (source, key) in enumerate(state.program.paths):
            if source == "reported" and key in patch:
                kind = state.program.type_of((source, key))
                state.slots[slot] = UNSET if patch[key] is None else coerced(patch[key], kind)
                changed = True
        if not changed:
            return
        state.at = at = max(state.at, envelope.received_at)
        mask = state.program.function(None)(None, state.slots)
        if state.busy or mask != state.mask:
            self._step(state, mask, position, at, (envelope, None, ()))
        self._touch(state)

    def advance(self, now: int) -> None:
        """Fire what is due: every message received before `now` has been applied."""
        while self._timers and self._timers[0][0] < now:
            due, tenant, device_id, rule_id, position = heapq.heappop(self._timers)
            state = self.states.get((TenantId(tenant), DeviceId(device_id)))
            rule = self.rules(TenantId(tenant)).get(rule_id)
            cell = state.cells.get(rule_id) if state else None
            if state is None or rule is None or cell is None or cell.position != position:
                continue
            outcome = cell.expire(due, rule.document)
            if outcome is not None:
                self._touch(state)
                self._do(outcome, rule, state, cell, _at(due, None, {}))
        self.due = self._timers[0][0] if self._timers else NEVER

    # --- beside the hot path --------------------------------------------------------------

    def _step(
        self,
        state: DeviceState,
        mask: int,
        position: int,
        at: int,
        source: tuple[Envelope, Reading | None, Sequence[Reading]],
    ) -> None:
        """Move every cell whose answer changed, which waits, or whose rule fails."""
        envelope, reading, readings = source
        ordinal = readings.index(reading) if reading is not None else 0
        changed = state.mask ^ mask if state.mask >= 0 else -1
        state.mask, state.busy = mask, False
        for place, compiled in enumerate(state.program.rules):
            rule = compiled.rule
            bits = mask >> BITS * place & MASK
            if position <= rule.effective_after:
                state.mask, state.busy = -1, True  # older than this version: look again later
                continue
            cell = state.cells.get(rule.rule_id)
            if bits & ERROR:
                self._failed(state, place, compiled, at)
            elif state.errors:
                state.errors.pop(rule.rule_id, None)
            if cell is None or not cell.waits:
                if not changed >> BITS * place & MASK:
                    continue
                if cell is None:
                    if not bits & 1:
                        continue
                    cell = state.cells[rule.rule_id] = Cell()
            values = _inputs(state, compiled)
            moment = Moment(position, ordinal, at, envelope.received_at, values)
            self._move(state, rule, cell, (bits, moment, reading))

    def _move(
        self, state: DeviceState, rule: Rule, cell: Cell, what: tuple[int, Moment, Reading | None]
    ) -> None:
        bits, moment, reading = what
        before = cell.phase
        if before is Phase.IDLE:
            cell.version = rule.version
        outcome = cell.step(bits, moment, rule.document)
        if cell.waits:
            state.busy = True
            if cell.phase is not before:
                self._set_timer(state, rule, cell)
        if outcome is not None:
            sent = dict(items_of(reading.values)) if reading is not None else {}
            self._do(outcome, rule, state, cell, _at(moment.at, moment.position, sent))
        elif cell.phase is Phase.IDLE:
            state.cells.pop(rule.rule_id, None)

    def _do(
        self,
        outcome: Outcome,
        rule: Rule,
        state: DeviceState,
        cell: Cell,
        now: tuple[int, int | None, dict[str, Any]],
    ) -> None:
        at, position, sent = now
        if outcome is Outcome.CLEAR:
            state.cells.pop(rule.rule_id, None)
            self._clear(rule, state, cell, at, position, "")
            return
        known = {key: value for (_source, key), value in state.values().items()}
        request = Raise(
            rule=rule,
            device_id=state.device_id,
            position=cell.position,
            episode=cell.episode,
            began_at=cell.evidence[0].at,
            at=at,
            evidence=tuple(cell.evidence),
            values={
                **known,
                **sent,
                "device": state.device_id,
                "label": state.label or state.device_id,
                "rule": rule.rule_id,
                "severity": rule.document.severity.value,
            },
        )
        cell.alarm_id, cell.evidence = request.alarm_id, []
        self._ask(request)

    def _clear(
        self,
        rule: Rule,
        state: DeviceState,
        cell: Cell,
        at: int,
        position: int | None,
        reason: str,
    ) -> None:
        self._ask(
            Clear(
                rule=rule,
                tenant=state.tenant,
                device_id=state.device_id,
                alarm_id=AlarmId(cell.alarm_id),
                at=at,
                position=position,
                reason=reason,
            )
        )

    def _set_timer(self, state: DeviceState, rule: Rule, cell: Cell) -> None:
        wait = {
            Phase.PENDING: rule.document.for_ns,
            Phase.CLEARING: rule.document.clear_for_ns,
        }.get(cell.phase)
        if wait is None:
            return
        due = cell.since_received + wait
        if len(self._timers) >= TIMERS_MAX:
            self._forget_stale_timers()
        heapq.heappush(
            self._timers, (due, state.tenant, state.device_id, rule.rule_id, cell.position)
        )
        self.due = self._timers[0][0]

    def _forget_stale_timers(self) -> None:
        """Keep the timers of cells that still wait; a flapping condition leaves many others."""

        def lives(timer: tuple[int, str, str, str, int]) -> bool:
            _due, tenant, device_id, rule_id, position = timer
            state = self.states.get((TenantId(tenant), DeviceId(device_id)))
            cell = state.cells.get(rule_id) if state else None
            return cell is not None and cell.waits and cell.position == position

        self._timers = [timer for timer in set(self._timers) if lives(timer)]
        heapq.heapify(self._timers)

    def _failed(self, state: DeviceState, place: int, compiled: Compiled, at: int) -> None:
        """Count a failure; pause a rule that fails on every device it is evaluated on."""
        rule = compiled.rule
        state.busy = True
        problem = state.program.problem(place, state.slots)
        self.health.failed(rule, state.device_id, problem, at)
        row = state.errors[rule.rule_id] = state.errors.get(rule.rule_id, 0) + 1
        if row % self._errors_in_a_row == 0 and not self._works_somewhere(rule):
            self.pause_rule(rule)
            reason = f"{row} evaluations in a row failed on {state.device_id}: {problem}"
            self._ask(Pause(rule=rule, reason=reason, at=at))

    def _works_somewhere(self, rule: Rule) -> bool:
        """Return whether the latest evaluation on any device did not fail."""
        for (tenant, _device), state in self.states.items():
            if tenant != rule.tenant or state.mask < 0:
                continue
            for place, compiled in enumerate(state.program.rules):
                if compiled.rule is rule and not state.mask >> BITS * place & ERROR:
                    return True
        return False

    def _touch(self, state: DeviceState) -> None:
        if not state.dirty:
            state.dirty = True
            self.dirty.append(state)

    # --- looking up -----------------------------------------------------------------------

    def _find_state(self, route: Route) -> DeviceState | None:
        """Return the state that a route's messages change; None when no rule watches it."""
        state = None
        if route.operation in {Operation.TELEMETRY, Operation.REPORTED} and route.device_id:
            # A replay makes new routes for the same devices: bind each device only once.
            device = (route.tenant, route.device_id)
            model = (route.type_name, route.type_version)
            bound = self._bound_as.get(device)
            if bound is None or bound[0] != model:
                bound = self._bound_as[device] = (model, self._bound(route))
            state = bound[1]
        if len(self._routes) >= ROUTES_MAX:
            self.invalidate()
        self._routes[route] = state
        return state

    def _bound(self, route: Route) -> DeviceState | None:
        tenant, device_id = route.tenant, route.device_id
        program = self._program(tenant, device_id, route.type_name, route.type_version)
        state = self.states.get((tenant, device_id))
        if program is None:
            return None
        if state is None:
            state = self.states[tenant, device_id] = DeviceState(tenant, device_id, program)
            self._seed(state)
        elif state.program is not program:
            state.bind(program)
            self._seed(state)
        self._describe(state, route.type_name)
        return state

    def _seed(self, state: DeviceState) -> None:
        known = (
            self._around.reported(state.tenant, state.device_id) if self._around.reported else {}
        )
        for slot, path in enumerate(state.program.paths):
            if path[0] == "reported" and known.get(path[1]) is not None:
                state.slots[slot] = coerced(known[path[1]], state.program.type_of(path))

    def _describe(self, state: DeviceState, type_name: str) -> None:
        device = self._around.devices.find(state.tenant, state.device_id)
        state.label = device.label if device else ""
        facts: Mapping[str, Any] = device.attributes if device else {}
        told = {"id": state.device_id, "type": type_name}
        for slot, (source, key) in enumerate(state.program.paths):
            if source == "attribute":
                state.slots[slot] = plain(facts[key]) if key in facts else UNSET
            elif source == "device":
                state.slots[slot] = told[key]

    def _program(
        self, tenant: TenantId, device_id: DeviceId, type_name: str, type_version: int
    ) -> Program | None:
        device = self._around.devices.find(tenant, device_id)
        rules = [
            rule
            for rule in self.rules(tenant).values()
            if rule.document.selector.matches(device_id, type_name, device)
        ]
        if not rules:
            return None
        key = (
            tenant,
            type_name,
            type_version,
            *((rule.rule_id, rule.version, rule.uid) for rule in rules),
        )
        program = self._programs.get(key)
        if program is None:
            if len(self._programs) >= PROGRAMS_MAX:
                self._programs.clear()
            program = Program(self._compile(rules, type_name, type_version))
            self._programs[key] = program
        return program if program.rules else None

    def _compile(self, rules: Iterable[Rule], type_name: str, type_version: int) -> list[Compiled]:
        made: list[Compiled] = []
        for rule in rules:
            kind = (
                self._around.types.find(rule.tenant, type_name, type_version or None)
                if type_name
                else None
            )
            try:
                made.append(compile_rule(rule, scope_of(kind)))
            except Invalid as error:
                # Saved against another version or type: this kind of device is not watched.
                self.health.unfit(rule, f"{type_name} {type_version}: {error.detail}")
        return made

    def rule_health(self, tenant: TenantId, rule_id: str) -> RuleHealth:
        """Return how a rule is doing since the start."""
        return self.health.of(tenant, rule_id)


def _at(
    at: int, position: int | None, sent: dict[str, Any]
) -> tuple[int, int | None, dict[str, Any]]:
    return at, position, sent


def _inputs(state: DeviceState, compiled: Compiled) -> dict[str, Any]:
    """Return the values that the rule saw, for evidence."""
    values: dict[str, Any] = {}
    for path in sorted(compiled.paths):
        value = state.slots[state.program.slots[path]]
        if value is not UNSET and path[0] != "device":
            values[path[1] if path[0] == "telemetry" else f"{path[0]}.{path[1]}"] = value
    return values
