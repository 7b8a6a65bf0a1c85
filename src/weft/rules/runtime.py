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
- What Weft computes of a sample in time is in time, though newer samples may stand before it.
- A late sample still reaches what looks back over a window, which has a place for it.
- Time alone does not move a device's own time. What it finds is of the moment of receipt,
  less how late the newest sample was.
- `twin.reported.x` is what the device reported last, `device.attributes.x` what operators
  say now.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET

from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.model.message import DERIVED, NOT_HEARD, REDRIVEN, Committed, Envelope, Operation
from weft.model.telemetry import Reading, items_of
from weft.rules.asking import Now, clear_of, inputs_of, raise_of
from weft.rules.bindings import Bindings
from weft.rules.cells import Cell, Moment, Outcome, Phase
from weft.rules.conditions import Compiled
from weft.rules.feeding import Feeder
from weft.rules.feeds.base import NEVER
from weft.rules.health import Health, RuleHealth
from weft.rules.language.syntax import Path
from weft.rules.loading import NOW, mark_place
from weft.rules.model import Rule
from weft.rules.program import BITS, ERROR, MASK, coerced
from weft.rules.requests import Pause, Request
from weft.rules.state import DeviceState, Row
from weft.rules.subjects import SubjectState
from weft.rules.surroundings import Surroundings
from weft.rules.timers import Timers
from weft.rules.waiting import Waiting

_Moment = tuple[int, int]  # (at, received)


class _Source(NamedTuple):
    """What made a rule be looked at: a reading, a report, or time alone."""

    received: int
    reading: Reading | None
    readings: Sequence[Reading]
    by_time: bool = False
    member: DeviceId = DeviceId("")  # who said it, where a group or an asset is looked at


class Runtime:
    """All rules over all devices."""

    def __init__(
        self, around: Surroundings, ask: Callable[[Request], None], *, errors_in_a_row: int = 100
    ) -> None:
        self.health = Health()
        self.dirty: list[DeviceState] = []
        self.late: dict[tuple[TenantId, DeviceId], int] = {}  # the oldest moment that came late
        self.looking_at = 0  # position of the message that is being taken in
        self.passed_over = 0  # late samples that were older than a window, since the start
        self._ask = ask
        self._asleep: list[Rule] = []
        self._errors_in_a_row = errors_in_a_row
        self._bindings = Bindings(around, self.health)
        self.states = self._bindings.states
        self.subjects = self._bindings.subjects
        self._timers = Timers(self.states.get)
        self._waiting = Waiting(self._timers, self._touch)

    # --- what it evaluates ----------------------------------------------------------------

    def set_rule(self, rule: Rule, *, at: int) -> None:
        """Evaluate a rule, or a new version of it, from the next message on.

        What an older version has raised stays raised and is cleared by the new one, so that
        an edit makes no second alarm; on devices that it no longer watches it is cleared now.
        What waits goes on or ends, as `waiting` says.
        """
        old = self._bindings.rules(rule.tenant).get(rule.rule_id)
        if old is not None and old.document.dry_run is not rule.document.dry_run:
            for state in self._bindings.holders(old):  # what was tried is not what is raised
                self._end(old, state, at, "the rule's mode was changed")
        for state in self._bindings.holders(rule):
            self._waiting.carry_over(rule, old, state)
        self._bindings.set_rule(rule)
        if rule.updated_at:
            self._count(rule, rule.updated_at)
            self._wake(rule, rule.updated_at)
        else:
            self._asleep.append(rule)  # a trial: its clock begins with the first message
        for state in self._bindings.holders(rule):
            if not self._bindings.watches(rule, state):
                self._end(rule, state, at, f"the rule no longer watches the {state.subject.kind}")
            else:
                self._waiting.take_up(rule, old, state)
        self._drop_empty(rule, at)

    def device_changed(self, device: Device, *, at: int) -> None:
        """Judge a device that was made or changed, by the rules that judge silent ones too."""
        self.place_device(device, at=at)
        for rule in self._bindings.watchful(device.tenant):
            if self._bindings.judges(rule, device):
                self._wake_device(device, at)
                return

    def place_device(self, device: Device, *, at: int) -> None:
        """Look again whose member a device is; the groups and assets it left or joined change."""
        self.invalidate()
        self._moved(self.subjects.place(device, since=at), at)

    def place_members(self, rule: Rule, *, at: int) -> None:
        """Look again who the members of a rule are: its group has changed, or the assets have."""
        self._count(rule, at)
        self.invalidate()
        self._moved(self.subjects.of_rule(rule), at)
        self._wake(rule, at)

    def _count(self, rule: Rule, since: int) -> None:
        for subject in self.subjects.set_rule(rule, since=since):
            self._timers.set_device(subject, subject.silence_due())

    def _moved(self, subjects: Iterable[SubjectState], at: int) -> None:
        """Look at subjects whose members are others now."""
        for subject in subjects:
            rule = self._bindings.rules(subject.tenant).get(subject.rule_id)
            if subject.members:
                self._timers.set_device(subject, subject.silence_due())
                own = subject.own_time(at)
                self._look(subject, own, _Source(at, None, (), by_time=True))
            elif rule is not None:
                self._drop_empty(rule, at)

    def _drop_empty(self, rule: Rule, at: int) -> None:
        """Forget the subjects of a rule that have no members; what was raised on them ends."""
        for subject in self.subjects.of_rule(rule):
            if not subject.members:
                if rule.rule_id in subject.cells:
                    self._end(rule, subject, at, f"the {subject.subject.kind} has no members")
                self.subjects.drop(subject)

    def _wake(self, rule: Rule, at: int) -> None:
        """Begin to judge the devices that a rule judges though they say nothing."""
        for device in self._bindings.unprompted(rule):
            self._wake_device(device, at)

    def _wake_device(self, device: Device, at: int) -> None:
        state = self._bindings.bind_device(device, now=at)
        if state is not None:
            self._touch(state)  # since when it is silent must outlive a restart
            # What an older rule remembers already may answer a new one: look soon.
            known = any(feed is not UNSET for feed in state.remembered())
            due = min(state.moment_due(), at + 1) if known else state.moment_due()
            if due < state.due:
                self._timers.set_device(state, due)

    def pause_rule(self, rule: Rule) -> None:
        """Stop evaluating a rule; what it has raised stays raised."""
        self._bindings.drop_rule(rule)
        self.subjects.drop_rule(rule)

    def pause_version(self, rule: Rule) -> None:
        """Stop evaluating a rule that was paused, unless a newer version is evaluated."""
        held = self._bindings.rules(rule.tenant).get(rule.rule_id)
        if held is not None and held.version == rule.version:
            self.pause_rule(held)

    def drop_rule(self, rule: Rule, *, at: int, reason: str) -> None:
        """Stop evaluating a rule and clear what it has raised."""
        self.pause_rule(rule)
        self.health.forget(rule.tenant, rule.rule_id)
        for state in self._bindings.holders(rule):
            self._end(rule, state, at, reason)
        self._drop_empty(rule, at)

    def _end(self, rule: Rule, state: DeviceState, at: int, reason: str) -> None:
        """End an episode from outside; an alarm that it raised is cleared."""
        cell = state.cells.pop(rule.rule_id)
        self._touch(state)
        if cell.alarm_id and cell.phase in {Phase.RAISED, Phase.CLEARING}:
            self._ask(clear_of(rule, state, cell, Now(at), reason))

    def invalidate(self) -> None:
        """Forget what was looked up: a rule, device or type has changed."""
        self._bindings.invalidate()

    def forget_device(self, tenant: TenantId, device_id: DeviceId, *, at: int) -> None:
        """Drop the state of a device that is no more; its alarms are cleared."""
        state = self.states.pop((tenant, device_id), None)
        rules = self._bindings.rules(tenant)
        for rule_id in list(state.cells) if state else ():
            if state is not None and rule_id in rules:
                self._end(rules[rule_id], state, at, "the device was deleted")
        self.invalidate()
        self._moved(self.subjects.forget(tenant, device_id), at)

    def forget_programs(self) -> None:
        """Compile afresh: a device type was saved or deleted."""
        self._bindings.forget_programs()

    def restore(self, tenant: TenantId, device_id: DeviceId, row: Row) -> None:
        """Take back the state of a device and set its timers."""
        state = self._bindings.restore(tenant, device_id, row)
        self._timers.set_device(state, state.moment_due())
        self._waiting.restore(self._bindings.rules(tenant), state)

    def restored(self) -> None:
        """Put groups and assets together again; call once, when all states are restored."""
        for subject in self.subjects.restored():
            self._timers.set_device(subject, subject.silence_due())
        for (tenant, key), state in list(self.states.items()):
            if "/" in key and not isinstance(state, SubjectState):  # its members have all gone
                for rule in [self._bindings.rules(tenant).get(one) for one in state.cells]:
                    if rule is not None:
                        self._end(rule, state, state.at, "nothing is left to watch")

    def rule_health(self, tenant: TenantId, rule_id: str) -> RuleHealth:
        """Return how a rule is doing since the start."""
        return self.health.of(tenant, rule_id)

    def remember_again(self, state: DeviceState) -> None:
        """Go on with memories that were put into a state from outside."""
        state.known.clear()
        if state.moment_due() < state.due:
            self._timers.set_device(state, state.moment_due())

    # --- the hot path ---------------------------------------------------------------------

    def apply(self, batch: Committed, *, after: int) -> None:  # noqa: C901, PLR0912  a call costs more
        """Take in the messages of a batch behind position `after`, in order."""
        while self._asleep:
            rule = self._asleep.pop()
            self._count(rule, batch.envelopes[0].received_at)
            self._wake(rule, batch.envelopes[0].received_at)
        position = batch.first - 1
        routes, timers = self._bindings.routes, self._timers
        for envelope, decoded in zip(batch.envelopes, batch.decoded, strict=True):
            self.looking_at = position = position + 1
            if position <= after:
                continue
            if envelope.received_at > timers.due:
                self.advance(envelope.received_at)
            try:
                state = routes[envelope.route]
            except KeyError:
                state = self._find_state(envelope)
            if state is None or decoded is None:
                continue
            if envelope.route.operation is Operation.REPORTED:
                self._apply_reported(state, position, envelope, decoded)
                continue
            received = envelope.received_at
            for reading in decoded:
                at = reading.at
                at = min(at, received)
                if at < state.at and (received >= state.at or envelope.session in NOT_HEARD):
                    if envelope.session != DERIVED:
                        self._feed_late(state, position, reading, received)
                        continue
                else:  # what was computed of a sample in time may be overtaken by newer ones
                    state.at = at
                state.received = received
                values = reading.values
                if values.__class__ is not state.values_class:
                    state.take_class(values.__class__)
                state.slots[NOW] = (position, at)
                if state.feed is not None:
                    self._feed(state, state.feed, position, reading, (at, received))
                mask = state.evaluate(values, state.slots, state.known)
                if state.busy or mask != state.mask:
                    source = _Source(received, reading, decoded)
                    self._step(state, mask, position, state.at, source)
            if not state.dirty:
                state.dirty = True
                self.dirty.append(state)

    def _apply_reported(
        self, state: DeviceState, position: int, envelope: Envelope, patch: Any
    ) -> None:
        """Merge a patch into the reported inputs (RFC 7396: null removes) and evaluate."""
        if not isinstance(patch, Mapping) or envelope.session == REDRIVEN:
            return
        named: list[Path] = []
        for slot, path in enumerate(state.program.paths):
            if path[0] == "reported" and path[1] in patch:
                value = patch[path[1]]
                kind = state.program.type_of(path)
                state.slots[slot] = UNSET if value is None else coerced(value, kind)
                state.slots[mark_place(slot)] = (position, envelope.received_at)
                named.append(path)
        if not named:
            return
        state.known.clear()
        received = envelope.received_at
        state.at = at = max(state.at, received)
        state.received = received
        if state.feed is not None:
            self._feed_named(state, position, named, (received, received))
        mask = state.program.function(None)(None, state.slots)
        if state.busy or mask != state.mask:
            self._step(state, mask, position, at, _Source(received, None, ()))
        self._touch(state)

    def _find_state(self, envelope: Envelope) -> DeviceState | None:
        self._bindings.now = envelope.received_at
        route = envelope.route
        held = self.states.get((route.tenant, DeviceId(route.device_id)))
        if held is not None and route.operation in {Operation.TELEMETRY, Operation.REPORTED}:
            self._waiting.pass_by(self._bindings.rules(route.tenant), held)
        state = self._bindings.find_state(route)
        if state is not None and state.moment_due() < state.due:
            self._timers.set_device(state, state.moment_due())
        return state

    def _feed(
        self, state: DeviceState, feed: Feeder, position: int, reading: Reading, moment: _Moment
    ) -> None:
        """Let what is remembered take a reading in."""
        at, received = moment
        if position > state.fresh_after:
            due = feed(reading.values, state.slots, state.feeds, at, received)
        else:  # older than a rule: only what an older rule remembers
            values = dict(items_of(reading.values))
            state.program.keep(state.slots, values)
            state.known.clear()
            named = [("telemetry", key) for key in values]
            skip = state.unborn(position)
            due = state.program.feeding.take(state.slots, state.feeds, named, moment, skip)
        state.position = position
        if due < state.due:
            self._timers.set_device(state, due)

    def _feed_named(
        self, state: DeviceState, position: int, named: list[Path], moment: _Moment
    ) -> None:
        feeding, skip = state.program.feeding, state.unborn(position)
        due = feeding.take(state.slots, state.feeds, named, moment, skip)
        state.position = position
        if due < state.due:
            self._timers.set_device(state, due)

    def _feed_late(
        self, state: DeviceState, position: int, reading: Reading, received: int
    ) -> None:
        """Let windows put a late sample in its place; it neither raises nor clears."""
        place = (state.tenant, state.device_id)
        self.late[place] = min(reading.at, self.late.get(place, NEVER))
        if state.feed is None:
            return
        skip = state.unborn(position)
        late = dict(items_of(reading.values))
        moment = (min(reading.at, state.at), max(received, state.at))
        before = state.passed_over()
        state.known.clear()
        due = state.program.feeding.take_late(state.slots, state.feeds, late, moment, skip)
        self.passed_over += state.passed_over() - before
        state.position = position
        if due < state.due:
            self._timers.set_device(state, due)

    def advance(self, now: int) -> None:
        """Fire what is due: every message received before `now` has been applied."""
        while timer := self._timers.pop(now):
            state = self.states.get((timer.tenant, timer.device_id))
            if not timer.rule_id:
                if state is not None and state.due == timer.due:
                    self._remember(state, timer.due)
                continue
            rule = self._bindings.rules(timer.tenant).get(timer.rule_id)
            cell = timer.cell_in(state)
            if state is None or rule is None or cell is None:
                continue
            if cell.phase is Phase.PENDING and cell.version != rule.version:
                state.cells.pop(rule.rule_id)  # what began under other words raises nothing now
                self._touch(state)
                continue
            outcome = cell.expire(timer.due, rule.document)
            if outcome is not None:
                self._touch(state)
                self._do(outcome, rule, state, cell, Now(cell.own_time(timer.due)))

    def _remember(self, state: DeviceState, due: int) -> None:
        """Let time move what is remembered of a device, and look at its rules again."""
        if isinstance(state, SubjectState):
            silent = state.silence(due)
            self._timers.set_device(state, state.silence_due())
            if silent:
                own = state.own_time(due)
                self._look(state, own, _Source(due, None, (), by_time=True))
            return
        self._bindings.now = due
        if not self._bindings.bind_again(state):
            state.due = NEVER
            return
        soonest = state.moment_due()
        if soonest > due and state.mask >= 0:  # samples have moved on what the timer was set for
            self._timers.set_device(state, soonest)
            return
        own = state.own_time(due)
        state.known.clear()
        state.program.feeding.advance(state.slots, state.feeds, (own, due))
        self._timers.set_device(state, state.moment_due())
        mask = state.program.function(None)(None, state.slots)
        if state.busy or mask != state.mask:
            self._step(state, mask, state.position, own, _Source(due, None, (), by_time=True))
        self._touch(state)

    # --- beside the hot path --------------------------------------------------------------

    def _step(
        self,
        state: DeviceState,
        mask: int,
        position: int,
        at: int,
        source: "_Source",
    ) -> None:
        """Move every cell whose answer changed, which waits, or whose rule fails."""
        received, reading, readings, by_time, member = source
        ordinal = readings.index(reading) if reading is not None else 0
        changed = state.mask ^ mask if state.mask >= 0 else -1
        state.mask, state.busy = mask, False
        program = state.program
        now, newest = (
            (received, program.newest_saved) if by_time else (position, program.newest_version)
        )
        waiting = [rule_id for rule_id, one in state.cells.items() if one.waits]
        for place in program.to_look_at(changed, mask, waiting, all_of_them=now <= newest):
            compiled = program.rules[place]
            rule = compiled.rule
            bits = mask >> BITS * place & MASK
            if received <= rule.updated_at if by_time else position <= rule.effective_after:
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
            values = inputs_of(state, compiled)
            moment = Moment(position, ordinal, at, received, values, by_time, member)
            self._move(state, rule, cell, (bits, moment, reading))
        if state.program.members:
            self._speak(state, position, at, source)

    def _speak(self, state: DeviceState, position: int, at: int, source: _Source) -> None:
        """Let a device speak as a member of its groups and assets."""
        state.busy = True  # though no condition of its own changes, what it says may
        changed = self._words(state, position, at, by_time=source.by_time)
        if not source.by_time:
            state.heard = max(state.heard, source.received)
        spoken = source._replace(member=state.device_id)
        for subject in self.subjects.of_device(state.tenant, state.device_id):
            if source.by_time:
                news = subject.take(state.device_id, state.told, changed)
            elif position <= subject.after:
                continue
            else:
                subject.position = position
                news = subject.hear(state.device_id, state.told, changed, source.received)
                if subject.due == NEVER and subject.stale_after:  # all had been silent
                    self._timers.set_device(subject, subject.silence_due())
            if news or subject.busy:
                self._look(subject, at, spoken)

    def _words(self, state: DeviceState, position: int, at: int, *, by_time: bool) -> list[str]:
        """Keep what a device says as a member now; return of which arguments that is news."""
        changed: list[str] = []
        for member in state.program.members:
            if not by_time and position <= member.saved:
                continue
            word, problem = member.word(state.slots)
            if problem:
                self._failed_member(member.rules, state, problem, at)
            elif state.errors:
                for rule in member.rules:
                    state.errors.pop(rule.rule_id, None)
            before = state.told.get(member.inner, UNSET)
            if word is before or (word == before and word.__class__ is before.__class__):
                continue
            changed.append(member.inner)
            if word is UNSET:
                del state.told[member.inner]
            else:
                state.told[member.inner] = word
        return changed

    def _look(self, subject: SubjectState, at: int, source: _Source) -> None:
        """Look at a group or an asset; its time is that of its newest member.

        Time alone does not set it on: samples of its members may still be on their way.
        """
        if at >= subject.at and not source.by_time:
            subject.at, subject.received = at, source.received
        at = max(subject.at, at)
        mask = subject.evaluate(None, subject.slots)
        if subject.busy or mask != subject.mask:
            self._step(subject, mask, subject.position, at, source)
        self._touch(subject)

    def _failed_member(
        self, rules: Iterable[Rule], state: DeviceState, problem: str, at: int
    ) -> None:
        """Count a failure on a member; pause a rule of which no member says anything."""
        for rule in rules:
            self.health.failed(rule, state.device_id, problem, at)
            row = state.errors[rule.rule_id] = state.errors.get(rule.rule_id, 0) + 1
            if row % self._errors_in_a_row == 0 and not any(
                subject.knows for subject in self.subjects.of_rule(rule)
            ):
                self.pause_rule(rule)
                reason = f"{row} evaluations in a row failed on {state.device_id}: {problem}"
                self._ask(Pause(rule=rule, reason=reason, at=at))

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
                cell.version = rule.version
                self._timers.set(state, rule, cell)
        if outcome is not None:
            sent = dict(items_of(reading.values)) if reading is not None else {}
            place = None if moment.by_time else moment.position
            self._do(outcome, rule, state, cell, Now(moment.at, place, sent))
        elif cell.phase is Phase.IDLE:
            state.cells.pop(rule.rule_id, None)

    def _do(self, outcome: Outcome, rule: Rule, state: DeviceState, cell: Cell, now: Now) -> None:
        if outcome is Outcome.CLEAR:
            state.cells.pop(rule.rule_id, None)
            self._ask(clear_of(rule, state, cell, now, states=self.states))
            return
        request = raise_of(rule, state, cell, now, self.states)
        cell.alarm_id, cell.evidence = request.alarm_id, []
        self._ask(request)

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
