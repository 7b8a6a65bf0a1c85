"""Traces: why an alarm was raised or cleared, as the condition with every value that it saw.

A trace is the tree of the condition at that moment: each part with its value, or why it had
none, and each input with the place and the moment of the sample that it came from. Of a group
or an asset the members that made it so stand below their call. It is copied, and so it
outlives the journal; its size is bounded.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from weft.model.ids import DeviceId, TenantId
from weft.rules.conditions import Compiled
from weft.rules.language.evaluate import FAILURES, evaluator
from weft.rules.language.members import SOURCE
from weft.rules.language.render import render
from weft.rules.language.syntax import Checked, Const, Feed, Has, Input
from weft.rules.language.trees import parts_of
from weft.rules.state import DeviceState
from weft.rules.subjects import SubjectState
from weft.rules.tracing import Part, Trace

PARTS_MAX = 200
TEXT_MAX = 300
MEMBERS_MAX = 5  # below one call

States = Mapping[tuple[TenantId, DeviceId], DeviceState]


def trace_of(
    state: DeviceState, rule_id: str, condition: str, at: int, states: States
) -> Trace | None:
    """Return why `when` holds, or why what was raised is over; None where nothing says so."""
    found = [one for one in state.program.rules if one.rule.rule_id == rule_id]
    if not found:
        return None
    compiled: Compiled = found[0]
    if condition == "clear" and compiled.clear is not None:
        tree = compiled.clear.tree
    else:
        condition, tree = "when", compiled.when.tree
    tracer = _Tracer(states)
    root = tracer.part(state, tree)
    return Trace(condition, at, root, truncated=tracer.cut)


class _Tracer:
    def __init__(self, states: States) -> None:
        self.left = PARTS_MAX
        self.cut = False
        self._states = states

    def part(self, state: DeviceState, tree: Checked, device_id: str = "") -> Part:
        self.left -= 1
        value, unknown = _ask(state, tree)
        position = at = None
        if isinstance(tree, Input | Has):
            position, at = state.mark_of(tree.path)
        return Part(
            text=render(tree)[:TEXT_MAX],
            value=value,
            unknown=unknown,
            position=position,
            at=at,
            device_id=device_id,
            parts=self._below(state, tree),
        )

    def _below(self, state: DeviceState, tree: Checked) -> tuple[Part, ...]:
        if isinstance(tree, Input) and tree.path[0] == SOURCE and isinstance(state, SubjectState):
            return self._members(state, tree)
        below = tree.samples if isinstance(tree, Feed) else parts_of(tree)
        return tuple(
            self.part(state, one) for one in below if not isinstance(one, Const) and self._room()
        )

    def _room(self) -> bool:
        """Return whether one more part is kept."""
        self.cut = self.cut or self.left <= 0
        return not self.cut

    def _members(self, state: SubjectState, tree: Input) -> tuple[Part, ...]:
        call, tally = state.call_of(tree.path)
        names = tally.named(call.name) or tuple(sorted(tally.words))
        found: list[Part] = []
        for name in names[:MEMBERS_MAX]:
            own = self._states.get((state.tenant, name))
            asked = own.program.members if own is not None else ()
            found += [
                self.part(own, member.tree, name)
                for member in asked
                if own is not None and member.inner == call.inner and self._room()
            ]
        return tuple(found)


def _ask(state: DeviceState, tree: Checked) -> tuple[Any, str]:
    try:
        value = evaluator(tree, state.program.slots)(state.slots)
    except FAILURES as error:
        return None, (str(error) or type(error).__name__)[:TEXT_MAX]
    if value is UNSET:
        return None, "unknown"
    return (value if value.__class__ in {bool, int, float} else str(value)[:TEXT_MAX]), ""
