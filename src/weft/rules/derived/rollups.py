"""Roll-ups: one value over the members of a group or an asset, of what each said last.

A message of a member moves its own part (`tallies`, as of rules over members), and the value
is telemetry of the device that stands for them all. That device is never a member itself. One
that is silent for longer than `stale_after` does not count until it speaks; that is looked at
when another one speaks.

Who is a member is asked when a derivation, device, group, asset or attachment changes.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import UNSET

from weft.errors import Invalid
from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.rules.derived.formulas import GIVES, SENT, Formula
from weft.rules.derived.model import Derivation, DerivationDocument
from weft.rules.derived.stages import telemetry
from weft.rules.language.condition import Condition, compiled
from weft.rules.language.evaluate import FAILURES, evaluator
from weft.rules.language.members import (
    MemberCall,
    MemberTree,
    OverMembers,
    compile_member,
    compile_value_over_members,
)
from weft.rules.language.scope import ANY, Scope
from weft.rules.language.syntax import Path
from weft.rules.surroundings import MemberFinder
from weft.rules.tallies import Numbers, Tally, Truths

MARK: Final = "\x00"  # before what a member is asked: no telemetry key begins so


def compile_roll_up(text: str) -> OverMembers:
    """Read and check an expression over members; raise `Invalid` with the column and a remedy."""
    over = compile_value_over_members(text)
    if over.condition.tree.type not in GIVES:
        raise Invalid(
            f"The expression gives {over.condition.tree.type}, and telemetry is computed as a"
            " number, a text or true or false.",
            remedy="Write sum_of(power), or share(rpm > 0).",
        )
    if not over.calls:
        raise Invalid(
            "The expression asks nothing of any member.",
            remedy="Write sum_of(power), mean_of(temperature) or count(rpm > 0).",
        )
    return over


def asked_of_members(over: OverMembers, scope: Scope = ANY) -> list[MemberTree]:
    """Return what the calls ask of one kind of device, each once."""
    return list({call.inner: compile_member(call, scope) for call in over.calls}.values())


def word_of(name: str, call: MemberCall) -> str:
    """Return under which name a member keeps what it says to a call of a roll-up."""
    return f"{MARK}{name}{MARK}{int(call.asks)}{call.inner}"


def questions(derivation: Derivation, scope: Scope) -> list[tuple[str, Formula]]:
    """Return what a roll-up asks of one kind of device; nothing where it does not fit."""
    found: dict[str, Formula] = {}
    for call in compile_roll_up(derivation.document.value).calls:
        try:
            member = compile_member(call, scope)
        except Invalid:
            continue  # of this kind of device nothing is known
        found[word_of(derivation.name, call)] = Formula(derivation, _condition(call, member), scope)
    return [
        (word, one) for word, one in found.items() if any(p[0] in SENT for p in one.value.paths)
    ]


def _condition(call: MemberCall, member: MemberTree) -> Condition:
    return compiled(call.inner, member.tree)


class RollUp:
    """Where one roll-up stands."""

    def __init__(self, derivation: Derivation) -> None:
        self.derivation = derivation
        scope = derivation.document.scope
        self._stale_after = scope.stale_after_ns if scope else 0
        over = compile_roll_up(derivation.document.value)
        self._tallies: dict[str, Tally] = {}
        slots: dict[Path, int] = {}
        self._told: list[Callable[[], Any]] = []
        for call in over.calls:
            word = word_of(derivation.name, call)
            tally = self._tallies.setdefault(word, Truths() if call.asks else Numbers())
            slots[call.path] = len(self._told)
            self._told.append(_telling(tally, call.name))
        self._evaluate = evaluator(over.condition.tree, slots)
        self._heard: OrderedDict[DeviceId, int] = OrderedDict()  # longest silent first
        self._silent: set[DeviceId] = set()

    @property
    def target(self) -> DeviceId:
        """The device whose telemetry it becomes."""
        return DeviceId(self.derivation.document.device)

    @property
    def members(self) -> set[DeviceId]:
        """All members, those that are silent too."""
        return {*self._heard, *self._silent}

    def has(self, device_id: DeviceId) -> bool:
        """Return whether a device is a member."""
        return device_id in self._heard or device_id in self._silent

    def join(self, member: DeviceId, told: Mapping[str, Any], heard: int) -> None:
        """Count a member, with what it has said before and when it was heard last."""
        self._heard[member] = heard
        for word, tally in self._tallies.items():
            tally.put(member, told.get(word, UNSET))

    def leave(self, member: DeviceId) -> None:
        """Count a member no more."""
        if member in self._silent:
            self._silent.discard(member)
            return
        del self._heard[member]
        for tally in self._tallies.values():
            tally.drop(member)

    def settle(self) -> None:
        """Put members into the order of their silence, once all have joined."""
        self._heard = OrderedDict(sorted(self._heard.items(), key=lambda one: (one[1], one[0])))

    def hear(self, member: DeviceId, told: Mapping[str, Any], received: int) -> None:
        """Take in what a member says now."""
        if member in self._silent:
            self._silent.discard(member)
        else:
            self._heard.pop(member, None)
        self._heard[member] = received
        for word, tally in self._tallies.items():
            tally.put(member, told.get(word, UNSET))
        if self._stale_after:
            self._pass_over(received - self._stale_after)

    def _pass_over(self, until: int) -> None:
        while self._heard:
            member, heard = next(iter(self._heard.items()))
            if heard > until:
                return
            del self._heard[member]
            self._silent.add(member)
            for tally in self._tallies.values():
                tally.drop(member)

    def value(self) -> Any:
        """Return what is told now; UNSET while it is unknown."""
        row = [tell() for tell in self._told]
        try:
            return telemetry(self._evaluate(row))
        except FAILURES:
            return UNSET


def _telling(tally: Tally, name: str) -> Callable[[], Any]:
    return lambda: tally.tell(name)


class RollUps:
    """The roll-ups of all tenants, and who is a member of which."""

    def __init__(self, members: MemberFinder) -> None:
        self._members = members
        self._held: dict[TenantId, dict[str, RollUp]] = {}
        self._of_device: dict[tuple[TenantId, DeviceId], tuple[RollUp, ...]] = {}

    def set(self, derivation: Derivation) -> RollUp:
        """Take a roll-up, or a new version of it; it has no members yet."""
        made = RollUp(derivation)
        self._held.setdefault(derivation.tenant, {})[derivation.name] = made
        return made

    def drop(self, derivation: Derivation) -> None:
        """Forget a roll-up."""
        self._held.get(derivation.tenant, {}).pop(derivation.name, None)
        self._index(derivation.tenant)

    def of(self, tenant: TenantId) -> Sequence[RollUp]:
        """Return the roll-ups of a tenant, in the order of their names."""
        held = self._held.get(tenant, {})
        return [held[name] for name in sorted(held)]

    def of_device(self, tenant: TenantId, device_id: DeviceId) -> tuple[RollUp, ...]:
        """Return the roll-ups that a device is a member of."""
        return self._of_device.get((tenant, device_id), ())

    def place(
        self,
        tenant: TenantId,
        known: Callable[[DeviceId], tuple[Mapping[str, Any], int]],
        only: RollUp | None = None,
    ) -> None:
        """Find the members of a tenant's roll-ups again (of one only, where that is given).

        `known` gives what a device has said as a member, and when it was heard last.
        """
        for one in self.of(tenant) if only is None else (only,):
            wanted = {device.device_id for device in self._wanted(one.derivation)}
            for member in one.members - wanted:
                one.leave(member)
            for member in sorted(wanted - one.members):
                one.join(member, *known(member))
            one.settle()
        self._index(tenant)

    def place_device(
        self, device: Device, known: Callable[[DeviceId], tuple[Mapping[str, Any], int]]
    ) -> None:
        """Find again whose member one device is."""
        moved = False
        for one in self.of(device.tenant):
            wanted = is_member(one.derivation.document, device, self._members)
            if wanted is one.has(device.device_id):
                continue
            moved = True
            if wanted:
                one.join(device.device_id, *known(device.device_id))
                one.settle()
            else:
                one.leave(device.device_id)
        if moved:
            self._index_device(device.tenant, device.device_id)

    def forget(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Count a device that is no more nowhere."""
        for one in self._of_device.pop((tenant, device_id), ()):
            one.leave(device_id)

    def _index_device(self, tenant: TenantId, device_id: DeviceId) -> None:
        found = tuple(one for one in self.of(tenant) if one.has(device_id))
        if found:
            self._of_device[tenant, device_id] = found
        else:
            self._of_device.pop((tenant, device_id), None)

    def _wanted(self, derivation: Derivation) -> Iterable[Device]:
        scope = derivation.document.scope
        if scope is None:
            return []
        return [
            device
            for device in self._members.members_of(scope, derivation.tenant)
            if is_member(derivation.document, device, self._members)
        ]

    def _index(self, tenant: TenantId) -> None:
        for place in [one for one in self._of_device if one[0] == tenant]:
            del self._of_device[place]
        for one in self.of(tenant):
            for member in one.members:
                place = (tenant, member)
                self._of_device[place] = (*self._of_device.get(place, ()), one)


def is_member(document: DerivationDocument, device: Device, members: MemberFinder) -> bool:
    """Return whether a device is a member of what is rolled up; the target never is."""
    return (
        document.scope is not None
        and device.device_id != document.device
        and document.selector.matches(device.device_id, device.type_name or "", device)
        and bool(members.subjects_of(document.scope, device))
    )
