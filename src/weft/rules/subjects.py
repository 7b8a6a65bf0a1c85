"""Subjects: groups and assets that rules speak of, each with what its members say.

A message of a member moves its own part of each of its subjects (`tallies`) and nobody
else's. What members say is kept with their own state, so it has one position on disk with
everything else of them; a subject keeps where its rule stands, and is put together again
from its members at start.

Who is a member is asked when a rule, group, asset, attachment or device changes, and not at
every message. A member that leaves is counted no more, though it never speaks again. One
that is silent for longer than `stale_after` does not count until it speaks: silence is
measured on the clock of receipt, and begins when the rule was saved or the device was made
where it has said nothing since.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import UNSET

from weft.errors import Invalid
from weft.model.alarm import Subject
from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.rules.conditions import compile_over
from weft.rules.feeds.base import NEVER
from weft.rules.health import Health
from weft.rules.language.members import MemberCall
from weft.rules.language.syntax import Path
from weft.rules.model import Rule
from weft.rules.program import Program
from weft.rules.state import DeviceState
from weft.rules.surroundings import Surroundings
from weft.rules.tallies import NAMED_MAX, Numbers, Tally, Truths

Key = tuple[TenantId, DeviceId]


def key_of(subject: Subject, rule_id: str) -> DeviceId:
    """Return under which name a subject's state stands; no device is called so."""
    return DeviceId(f"{subject.kind.value}/{subject.name}/{rule_id}")


class SubjectState(DeviceState):
    """Where one rule stands on one group or asset."""

    __slots__ = ("_calls", "_heard", "_silent", "_tallies", "after", "rule_id", "stale_after")

    def __init__(self, rule: Rule, subject: Subject, program: Program) -> None:
        super().__init__(rule.tenant, key_of(subject, rule.rule_id), program)
        self.subject = subject
        self.rule_id = rule.rule_id
        self.heard = 0  # silence has been looked at up to here
        self.take_rule(rule)

    def take_rule(self, rule: Rule) -> None:
        """Begin to count for a rule, or for a new version of it."""
        scope = rule.document.scope
        self.stale_after = scope.stale_after_ns if scope else 0
        self.after = rule.effective_after
        self._calls: dict[int, tuple[MemberCall, Tally]] = {}
        self._tallies: dict[tuple[str, bool], Tally] = {}
        for call in self.program.rules[0].calls:
            tally = self._tallies.setdefault(
                (call.inner, call.asks), Truths() if call.asks else Numbers()
            )
            self._calls[self.program.slots[call.path]] = (call, tally)
        self._heard: OrderedDict[DeviceId, int] = OrderedDict()  # longest silent first
        self._silent: set[DeviceId] = set()

    @property
    def members(self) -> list[DeviceId]:
        """All members, those that are silent too."""
        return [*self._heard, *self._silent]

    def has(self, member: DeviceId) -> bool:
        """Return whether a device is a member."""
        return member in self._heard or member in self._silent

    def join(self, member: DeviceId, told: Mapping[str, object], heard: int) -> None:
        """Count a member, with what it has said before and when it was heard last."""
        self._heard[member] = heard
        for (inner, _asks), tally in self._tallies.items():
            tally.put(member, told.get(inner, UNSET))

    def rejoin(self, member: DeviceId, told: Mapping[str, object], heard: int) -> None:
        """Count a member again, as it was when it was kept on disk."""
        self._silent.discard(member)
        self.join(member, told, max(heard, self._heard.get(member, 0)))

    def settle(self, until: int) -> None:
        """Put members into the order of their silence, once all have joined.

        Those that had been silent for too long at `until` do not count.
        """
        self._heard = OrderedDict(sorted(self._heard.items(), key=lambda one: (one[1], one[0])))
        self.heard = max(self.heard, until, max(self._heard.values(), default=0) - 1)
        if self.stale_after:
            self.silence(self.heard)
        self.refresh()

    def leave(self, member: DeviceId) -> None:
        """Count a member no more."""
        if member not in self._silent:
            del self._heard[member]
            self._drop(member)
        self._silent.discard(member)
        self.refresh()

    def hear(
        self, member: DeviceId, told: Mapping[str, object], changed: Sequence[str], received: int
    ) -> bool:
        """Take in what a member says now; return whether anything of it is news here."""
        self.heard = max(self.heard, received - 1)  # our own clock may be set back
        back = member in self._silent
        if back:
            self._silent.discard(member)
        else:
            self._heard.pop(member, None)
        self._heard[member] = self.heard + 1
        return self.take(member, told, None if back else changed)

    def take(
        self, member: DeviceId, told: Mapping[str, object], changed: Sequence[str] | None
    ) -> bool:
        """Replace what a member says of these arguments (None: of all); return if any is here."""
        if member in self._silent:
            return False
        news = False
        for (inner, _asks), tally in self._tallies.items():
            if changed is None or inner in changed:
                tally.put(member, told.get(inner, UNSET))
                news = True
        if news:
            self.refresh()
        return news

    def silence(self, now: int) -> bool:
        """Count those no more that are silent for too long; return whether there are any."""
        gone = False
        self.heard = max(self.heard, now)
        while self._heard:
            member, heard = next(iter(self._heard.items()))
            if heard + self.stale_after > now:
                break
            del self._heard[member]
            self._drop(member)
            self._silent.add(member)
            gone = True
        if gone:
            self.refresh()
        return gone

    def silence_due(self) -> int:
        """Return when the next member will have been silent for too long."""
        if not self.stale_after or not self._heard:
            return NEVER
        return next(iter(self._heard.values())) + self.stale_after

    @property
    def knows(self) -> bool:
        """Whether anything is known of any member."""
        return any(tally.tell(call.name) is not UNSET for call, tally in self._calls.values())

    def named(self) -> tuple[DeviceId, ...]:
        """Return who made it so, a bounded number, in the order of the calls."""
        found: dict[DeviceId, None] = {}
        for call, tally in self._calls.values():
            found.update(dict.fromkeys(tally.named(call.name)))
        return tuple(found)[:NAMED_MAX]

    def call_of(self, path: Path) -> tuple[MemberCall, Tally]:
        """Return the call that is an input of the condition, with what it counts."""
        return self._calls[self.program.slots[path]]

    def refresh(self) -> None:
        """Let the condition see what is told now."""
        for slot, (call, tally) in self._calls.items():
            self.slots[slot] = tally.tell(call.name)

    def _drop(self, member: DeviceId) -> None:
        for tally in self._tallies.values():
            tally.drop(member)


class Subjects:
    """All subjects of all rules with a scope, and who is a member of which."""

    def __init__(
        self, around: Surroundings, states: dict[Key, DeviceState], health: Health
    ) -> None:
        self._around = around
        self._states = states  # shared with the devices' own: timers and chunks find them there
        self._health = health
        self._rules: dict[TenantId, dict[str, Rule]] = {}
        self._of_device: dict[Key, dict[str, tuple[SubjectState, ...]]] = {}
        self._of_rule: dict[tuple[TenantId, str], dict[DeviceId, SubjectState]] = {}
        self.gone: list[Key] = []  # subjects without members: their rows are to be dropped

    def rules(self, tenant: TenantId) -> Iterable[Rule]:
        """Return the rules of a tenant that have a scope."""
        return list(self._rules.get(tenant, {}).values())

    def has(self, tenant: TenantId, device_id: DeviceId, rule_id: str) -> bool:
        """Return whether a device is a member of a subject of a rule."""
        return rule_id in self._of_device.get((tenant, device_id), {})

    def of_device(self, tenant: TenantId, device_id: DeviceId) -> Iterable[SubjectState]:
        """Return the subjects that a device is a member of, in the order of the rules."""
        held = self._of_device.get((tenant, device_id), {})
        return [subject for subjects in held.values() for subject in subjects]

    def of_rule(self, rule: Rule) -> list[SubjectState]:
        """Return the subjects of a rule, those without members too."""
        return list(self._of_rule.get((rule.tenant, rule.rule_id), {}).values())

    def set_rule(self, rule: Rule, *, since: int) -> list[SubjectState]:
        """Find the members of a rule; return its subjects. Silence is counted from `since`."""
        self.drop_rule(rule)
        scope = rule.document.scope
        if scope is None:
            return self.of_rule(rule)
        try:
            program = Program([compile_over(rule)])
        except Invalid as error:  # saved by an older Weft that took it
            self._health.unfit(rule, error.detail)
            return []
        self._rules.setdefault(rule.tenant, {})[rule.rule_id] = rule
        for one in self.of_rule(rule):
            one.bind(program)
            one.take_rule(rule)
        for device in self._around.members.members_of(scope, rule.tenant):
            self._place(rule, device, program, since)
        subjects = self.of_rule(rule)
        for one in subjects:
            one.settle(since - 1)
        return subjects

    def drop_rule(self, rule: Rule) -> None:
        """Forget who is a member for a rule; what it has raised stays in the states."""
        for one in self.of_rule(rule):
            one.take_rule(rule)
        self._rules.get(rule.tenant, {}).pop(rule.rule_id, None)
        for (tenant, _device), held in self._of_device.items():
            if tenant == rule.tenant:
                held.pop(rule.rule_id, None)

    def place(self, device: Device, *, since: int) -> list[SubjectState]:
        """Find again whose member a device is; return the subjects that it left or joined."""
        moved: list[SubjectState] = []
        key = (device.tenant, device.device_id)
        for rule in self.rules(device.tenant):
            before = self._of_device.get(key, {}).get(rule.rule_id, ())
            wanted = self._wanted(rule, device)
            if [one.subject for one in before] == wanted:
                continue
            for one in before:
                if one.subject not in wanted:
                    one.leave(device.device_id)
                    moved.append(one)
            joined = self._place(rule, device, None, since)
            for one in joined:
                one.settle(since - 1)
            moved += joined
        return moved

    def forget(self, tenant: TenantId, device_id: DeviceId) -> list[SubjectState]:
        """Count a device that is no more nowhere; return the subjects that it left."""
        left = list(self.of_device(tenant, device_id))
        for one in left:
            one.leave(device_id)
        self._of_device.pop((tenant, device_id), None)
        return left

    def drop(self, state: SubjectState) -> None:
        """Forget a subject that has no members."""
        self._states.pop((state.tenant, state.device_id), None)
        self._of_rule.get((state.tenant, state.rule_id), {}).pop(state.device_id, None)
        self.gone.append((state.tenant, state.device_id))

    def _wanted(self, rule: Rule, device: Device) -> list[Subject]:
        document = rule.document
        if document.scope is None or not document.selector.matches(
            device.device_id, device.type_name or "", device
        ):
            return []
        return sorted(set(self._around.members.subjects_of(document.scope, device)))

    def _place(
        self, rule: Rule, device: Device, program: Program | None, since: int
    ) -> list[SubjectState]:
        """Make a device a member of what it belongs to; return the subjects that it joined."""
        key = (device.tenant, device.device_id)
        own = self._states.get(key)
        joined: list[SubjectState] = []
        found: list[SubjectState] = []
        for subject in self._wanted(rule, device):
            state = self._state(rule, subject, program)
            found.append(state)
            if not state.has(device.device_id):
                heard = max(
                    rule.updated_at or since,
                    device.created_at,
                    own.heard if own is not None else 0,
                )
                state.join(device.device_id, own.told if own is not None else {}, heard)
                joined.append(state)
        held = self._of_device.setdefault(key, {})
        if found:
            held[rule.rule_id] = tuple(found)
        else:
            held.pop(rule.rule_id, None)
        return joined

    def _state(self, rule: Rule, subject: Subject, program: Program | None) -> SubjectState:
        key = (rule.tenant, key_of(subject, rule.rule_id))
        state = self._states.get(key)
        if isinstance(state, SubjectState):
            return state
        made = SubjectState(rule, subject, program or Program([compile_over(rule)]))
        made.label = self._around.members.label_of(rule.tenant, subject)
        if state is not None:  # read from disk while its rule was stopped
            made.restore(state.row())
        self._states[key] = made
        self._of_rule.setdefault((rule.tenant, rule.rule_id), {})[key[1]] = made
        return made

    def restored(self) -> list[SubjectState]:
        """Count what members had said, now that all states are read; return all subjects."""
        found: dict[Key, SubjectState] = {}
        for (tenant, device_id), held in self._of_device.items():
            own = self._states.get((tenant, device_id))
            for one in (one for subjects in held.values() for one in subjects):
                found[tenant, one.device_id] = one
                if own is not None:
                    one.rejoin(device_id, own.told, own.heard)
        for one in found.values():
            one.settle(0)
        return list(found.values())
