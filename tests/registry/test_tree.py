"""The tree against a model that only knows parents: no cycle, no orphan, never too deep."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from weft.errors import Conflict
from weft.model.asset import DEPTH_MAX
from weft.registry.tree import Tree

NAMES = st.sampled_from([f"a{number}" for number in range(24)])


def test_a_name_is_reached_from_its_root() -> None:
    """As people write a place: site, hall, line."""
    tree = _tree(("site", None), ("hall", "site"), ("line", "hall"))
    assert tree.chain("line") == ["site", "hall", "line"]
    assert tree.levels("site") == [["site"], ["hall"], ["line"]]
    assert list(tree.children(None)) == ["site"]


@pytest.mark.parametrize("parent", ["site", "hall", "line"])
def test_nothing_stands_below_itself(parent: str) -> None:
    """Nor below what stands below it."""
    tree = _tree(("site", None), ("hall", "site"), ("line", "hall"))
    with pytest.raises(Conflict, match="itself or below"):
        tree.require_place("site", parent)


def test_the_whole_of_what_moves_must_fit() -> None:
    """A deep machine park does not fit below a deep line, though its top would."""
    chain = [(f"l{n}", f"l{n - 1}" if n else None) for n in range(DEPTH_MAX - 1)]
    tree = _tree(*chain, ("top", None), ("low", "top"))
    tree.require_place("low", f"l{DEPTH_MAX - 2}")
    with pytest.raises(Conflict, match=f"at most {DEPTH_MAX}"):
        tree.require_place("top", f"l{DEPTH_MAX - 2}")


def _tree(*pairs: tuple[str, str | None]) -> Tree:
    tree = Tree()
    for name, parent in pairs:
        tree.put(name, parent)
    return tree


class TreeMachine(RuleBasedStateMachine):
    """Any placing, moving and dropping; the model is a mapping to parents."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = Tree()
        self.parents: dict[str, str | None] = {}

    def _above(self, name: str | None) -> list[str]:
        found: list[str] = []
        while name is not None:
            found.append(name)
            name = self.parents[name]
        return found

    def _below(self, name: str) -> set[str]:
        return {one for one in self.parents if name in self._above(one)}

    @rule(name=NAMES, parent=st.none() | NAMES)
    def place(self, name: str, parent: str | None) -> None:
        if parent is not None and parent not in self.parents:
            return
        moving = self._below(name) if name in self.parents else {name}
        height = max(
            (len(self._above(one)) - len(self._above(name)) + 1 for one in moving)
            if name in self.parents
            else (1,)
        )
        fits = parent not in moving and len(self._above(parent)) + height <= DEPTH_MAX
        try:
            self.tree.require_place(name, parent)
        except Conflict:
            assert not fits
            return
        assert fits
        self.tree.put(name, parent)
        self.parents[name] = parent

    @rule(name=NAMES)
    def drop(self, name: str) -> None:
        if name in self.parents:
            going = [one for level in reversed(self.tree.levels(name)) for one in level]
            assert set(going) == self._below(name)
            for one in going:
                self.tree.drop(one)
                del self.parents[one]

    @invariant()
    def agrees(self) -> None:
        for name, parent in self.parents.items():
            assert self.tree.chain(name) == self._above(name)[::-1]
            assert name in self.tree.children(parent)
        placed = sum(len(list(self.tree.children(one))) for one in [None, *self.parents])
        assert placed == len(self.parents)


def test_any_moves_leave_a_tree() -> None:
    """No cycle, no orphan, no name in two places, and the depth holds."""
    run_state_machine_as_test(
        TreeMachine, settings=settings(max_examples=60, stateful_step_count=60, deadline=None)
    )
