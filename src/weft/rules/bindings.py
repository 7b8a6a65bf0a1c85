"""Which rules watch which device: found once for each, kept until a rule, device or type changes.

A route leads to the state of its device, and the state to a program that evaluates all rules
of the device together. Devices of one type under the same rules share one program.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import UNSET

from weft.errors import Invalid
from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Operation, Route
from weft.rules.conditions import Compiled, CompiledMember, compile_members, compile_rule
from weft.rules.feeds.table import FUNCTIONS
from weft.rules.health import Health
from weft.rules.language.values import plain
from weft.rules.model import Rule
from weft.rules.program import Program, coerced
from weft.rules.state import DeviceState, Row
from weft.rules.subjects import Subjects, SubjectState
from weft.rules.surroundings import Surroundings

ROUTES_MAX = 200_000
_PAGE = 1_000
_UNPROMPTED = tuple(one.name for one in FUNCTIONS.values() if one.unprompted)
PROGRAMS_MAX = 10_000


class Bindings:
    """The rules of all tenants, the states of all devices, and the programs between them."""

    def __init__(self, around: Surroundings, health: Health) -> None:
        self.states: dict[tuple[TenantId, DeviceId], DeviceState] = {}
        self.routes: dict[Route, DeviceState | None] = {}  # None: no rule watches it
        self.now = 0  # the clock of receipt, when a state is looked up
        self._around = around
        self._health = health
        self._rules: dict[TenantId, dict[str, Rule]] = {}
        self._watchful: dict[TenantId, dict[str, Rule]] = {}  # may speak of silent devices
        self._bound_as: dict[
            tuple[TenantId, DeviceId], tuple[tuple[str, int], DeviceState | None]
        ] = {}
        self._programs: dict[tuple[Any, ...], Program] = {}
        self._generation = 0  # of what was looked up; a state of another looks up again
        self.subjects = Subjects(around, self.states, health)

    def rules(self, tenant: TenantId) -> Mapping[str, Rule]:
        """Return the rules that are evaluated for a tenant."""
        return self._rules.get(tenant, {})

    def set_rule(self, rule: Rule) -> None:
        """Bind a rule, or a new version of it, from the next message on."""
        self._rules.setdefault(rule.tenant, {})[rule.rule_id] = rule
        watchful = self._watchful.setdefault(rule.tenant, {})
        watchful.pop(rule.rule_id, None)
        texts = (rule.document.when, rule.document.clear or "")
        if any(name in text for name in _UNPROMPTED for text in texts):
            watchful[rule.rule_id] = rule
        self.invalidate()

    def drop_rule(self, rule: Rule) -> None:
        """Bind a rule no more; what it has raised stays in the states."""
        self._rules.get(rule.tenant, {}).pop(rule.rule_id, None)
        self._watchful.get(rule.tenant, {}).pop(rule.rule_id, None)
        self.invalidate()

    def holders(self, rule: Rule) -> list[DeviceState]:
        """Return the states of the devices on which a rule waits or has raised."""
        return [
            state
            for (tenant, _device), state in self.states.items()
            if tenant == rule.tenant and rule.rule_id in state.cells
        ]

    def watches(self, rule: Rule, state: DeviceState) -> bool:
        """Return whether a rule's selector still takes in the device of a state."""
        if isinstance(state, SubjectState):
            return rule.document.scope is not None and bool(state.members)
        device = self._around.devices.find(state.tenant, state.device_id)
        type_name = (device.type_name or "") if device else ""
        matches = rule.document.selector.matches(state.device_id, type_name, device)
        return matches and rule.document.scope is None

    def invalidate(self) -> None:
        """Forget what was looked up: a rule, device or type has changed."""
        self.routes.clear()
        self._bound_as.clear()
        self._generation += 1

    def forget_programs(self) -> None:
        """Compile afresh: a device type was saved or deleted."""
        self._programs.clear()
        self.invalidate()

    def restore(self, tenant: TenantId, device_id: DeviceId, row: Row) -> DeviceState:
        """Take back the state of a device, as it was kept on disk."""
        held = self.states.get((tenant, device_id))
        if isinstance(held, SubjectState):
            held.restore(row)
            return held
        device = self._around.devices.find(tenant, device_id)
        type_name = (device.type_name or "") if device else ""
        kind = self._around.types.followed_by(device) if device else None
        program = self.program(tenant, device_id, type_name, kind.version if kind else 0)
        made = Program((), marked=True) if program is None else program
        state = DeviceState(tenant, device_id, made, now=row.at)
        state.restore(row)
        self.states[tenant, device_id] = state
        return state

    def find_state(self, route: Route) -> DeviceState | None:
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
        if len(self.routes) >= ROUTES_MAX:
            self.invalidate()
        self.routes[route] = state
        return state

    def _bound(self, route: Route) -> DeviceState | None:
        version = route.type_version
        return self._bind(route.tenant, DeviceId(route.device_id), route.type_name, version)

    def bind_device(self, device: Device, *, now: int) -> DeviceState | None:
        """Return the state of a device that has not said anything just now."""
        kind = self._around.types.followed_by(device)
        self.now = max(now, device.created_at)
        version = kind.version if kind else 0
        return self._bind(device.tenant, device.device_id, device.type_name or "", version)

    def bind_again(self, state: DeviceState) -> bool:
        """Give a state the rules of today; return whether there are any for it."""
        if state.generation == self._generation:
            return True
        device = self._around.devices.find(state.tenant, state.device_id)
        if device is None or device.lifecycle is not Lifecycle.ACTIVE:
            return False
        return self.bind_device(device, now=self.now) is state

    def unprompted(self, rule: Rule) -> Iterator[Device]:
        """Return the devices that a rule judges though they say nothing; for most rules none."""
        if rule.rule_id not in self._watchful.get(rule.tenant, {}):
            return
        after = ""
        while page := self._around.devices.behind(rule.tenant, after, _PAGE):
            yield from (one for one in page if self.judges(rule, one))
            after = page[-1].device_id

    def watchful(self, tenant: TenantId) -> list[Rule]:
        """Return the rules that may say something of a device that says nothing."""
        return list(self._watchful.get(tenant, {}).values())

    def judges(self, rule: Rule, device: Device) -> bool:
        """Return whether a rule judges a device that says nothing: one that might speak."""
        selector = rule.document.selector
        matches = selector.matches(device.device_id, device.type_name or "", device)
        return (
            matches
            and device.lifecycle is Lifecycle.ACTIVE
            and self._reaches(rule, device.device_id)
        )

    def _reaches(self, rule: Rule, device_id: DeviceId) -> bool:
        """Return whether a rule with a scope counts a device; one without reaches all."""
        within = self.subjects.has(rule.tenant, device_id, rule.rule_id)
        return within or rule.document.scope is None

    def _bind(
        self, tenant: TenantId, device_id: DeviceId, type_name: str, type_version: int
    ) -> DeviceState | None:
        program = self.program(tenant, device_id, type_name, type_version)
        state = self.states.get((tenant, device_id))
        if program is None:
            return None
        if state is None:
            state = self.states[tenant, device_id] = DeviceState(
                tenant, device_id, program, now=self.now
            )
            self._seed(state)
        elif state.program is not program:
            state.bind(program, now=self.now)
            self._seed(state)
        state.generation = self._generation
        self._describe(state, type_name)
        return state

    def _seed(self, state: DeviceState) -> None:
        known = (
            self._around.reported(state.tenant, state.device_id) if self._around.reported else {}
        )
        for slot, path in enumerate(state.program.paths):
            if path[0] == "reported" and known.get(path[1]) is not None:
                state.slots[slot] = coerced(known[path[1]], state.program.type_of(path))

    def _describe(self, state: DeviceState, type_name: str) -> None:
        state.known.clear()
        device = self._around.devices.find(state.tenant, state.device_id)
        state.label = device.label if device else ""
        facts: Mapping[str, Any] = device.attributes if device else {}
        told = {"id": state.device_id, "type": type_name}
        for slot, (source, key) in enumerate(state.program.paths):
            if source == "attribute":
                state.slots[slot] = plain(facts[key]) if key in facts else UNSET
            elif source == "device":
                state.slots[slot] = told[key]

    def program(
        self, tenant: TenantId, device_id: DeviceId, type_name: str, type_version: int
    ) -> Program | None:
        """Return what evaluates the rules that watch a device; None when no rule does."""
        device = self._around.devices.find(tenant, device_id)
        rules = [
            rule
            for rule in self.rules(tenant).values()
            if rule.document.selector.matches(device_id, type_name, device)
            and self._reaches(rule, device_id)
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
            made = self._compile(rules, type_name, type_version)
            program = Program(*made, places=self._around.places, marked=True)
            self._programs[key] = program
        return program if program.rules or program.members else None

    def _compile(
        self, rules: Iterable[Rule], type_name: str, type_version: int
    ) -> tuple[list[Compiled], list[CompiledMember]]:
        made: list[Compiled] = []
        members: list[CompiledMember] = []
        for rule in rules:
            kind = (
                self._around.types.find(rule.tenant, type_name, type_version or None)
                if type_name
                else None
            )
            scope = self._around.scope_of(rule.tenant, kind)
            if rule.document.scope is not None:
                asked, problem = compile_members(rule, scope)
                members += asked
                if problem:
                    self._health.unfit(rule, f"{type_name} {type_version}: {problem}")
                continue
            try:
                made.append(compile_rule(rule, scope))
            except Invalid as error:
                # Saved against another version or type: this kind of device is not watched.
                self._health.unfit(rule, f"{type_name} {type_version}: {error.detail}")
        return made, members
