"""Waiting: what becomes of a cell that waits when its rule is edited, paused or taken up again.

A wait goes on, by the durations of the new version, while the words that began it stand and
nothing has passed by unseen. Else it ends: nothing is raised and nothing cleared, and the
next sample decides. A wait that goes on always has its timer.
"""

from collections.abc import Callable, Mapping

from weft.rules.model import Rule
from weft.rules.state import DeviceState
from weft.rules.subjects import SubjectState
from weft.rules.timers import Timers


class Waiting:
    """Keeps or ends what waits, and sets its timers."""

    def __init__(self, timers: Timers, touch: Callable[[DeviceState], None]) -> None:
        self._timers = timers
        self._touch = touch

    def carry_over(self, rule: Rule, old: Rule | None, state: DeviceState) -> None:
        """Let a wait be of the new version where its words are the same; before it is bound."""
        cell = state.cells[rule.rule_id]
        if old is None or not cell.waits or cell.version != old.version:
            return
        if cell.version != rule.version and _same_words(rule, old):
            cell.version = rule.version
            self._touch(state)

    def take_up(self, rule: Rule, old: Rule | None, state: DeviceState) -> None:
        """Take in that a rule is evaluated on a state from now on, as `old` was until now.

        None: it was not evaluated. Then the members of a group or an asset may have spoken;
        a device that spoke has been passed by.
        """
        cell = state.cells[rule.rule_id]
        if not cell.waits:
            return
        unseen = old is None and isinstance(state, SubjectState)
        if unseen or cell.version != rule.version:
            self._end(rule.rule_id, state)
        else:
            self._timers.set(state, rule, cell)

    def restore(self, rules: Mapping[str, Rule], state: DeviceState) -> None:
        """Set the timers of a state that was read from disk."""
        for rule_id, cell in list(state.cells.items()):
            rule = rules.get(rule_id)
            if rule is not None and cell.waits:
                if cell.version == rule.version:
                    self._timers.set(state, rule, cell)
                else:  # edited just before the stop: whether the words are the same is not known
                    self._end(rule_id, state)

    def pass_by(self, rules: Mapping[str, Rule], state: DeviceState) -> None:
        """Take in that a message is seen by these rules only: what others wait for is open."""
        for rule_id, cell in list(state.cells.items()):
            if cell.waits and rule_id not in rules:
                self._end(rule_id, state)

    def _end(self, rule_id: str, state: DeviceState) -> None:
        state.stop_waiting(rule_id)
        self._touch(state)


def _same_words(rule: Rule, old: Rule) -> bool:
    new, before = rule.document, old.document
    return (new.when, new.clear, new.scope) == (before.when, before.clear, before.scope)
