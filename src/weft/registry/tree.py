"""The tree of one tenant's assets: who stands below whom, without cycles, never too deep.

Pure: names in, names out. Each asset has one parent or none; what is moved takes all below
it along. `require_place` says no before anything is stored.
"""

from collections.abc import Iterable

from weft.errors import Conflict
from weft.model.asset import DEPTH_MAX


class Tree:
    """Parents and children by name."""

    def __init__(self) -> None:
        self._parents: dict[str, str | None] = {}
        self._children: dict[str | None, set[str]] = {}

    def put(self, name: str, parent: str | None) -> None:
        """Place a name below its parent, or take it there with all below it."""
        self._leave(name)
        self._parents[name] = parent
        self._children.setdefault(parent, set()).add(name)

    def drop(self, name: str) -> None:
        """Forget a name; what stands below it is dropped by the caller."""
        self._leave(name)
        self._parents.pop(name, None)

    def _leave(self, name: str) -> None:
        if name in self._parents:
            parent = self._parents[name]
            siblings = self._children[parent]
            siblings.discard(name)
            if not siblings:
                del self._children[parent]

    def chain(self, name: str) -> list[str]:
        """Return the names from the root down to this one."""
        found = [name]
        while (parent := self._parents.get(found[-1])) is not None:
            found.append(parent)
        found.reverse()
        return found

    def children(self, name: str | None) -> Iterable[str]:
        """Return the names right below one, or the roots."""
        return self._children.get(name, frozenset())

    def levels(self, name: str) -> list[list[str]]:
        """Return a name and all below it, level by level."""
        found = [[name]]
        while below := [child for one in found[-1] for child in self.children(one)]:
            found.append(below)
        return found

    def require_place(self, name: str, parent: str | None) -> None:
        """Raise `Conflict` unless a name, with all below it, may stand below `parent`."""
        above = [] if parent is None else self.chain(parent)
        if name in above:
            raise Conflict(
                f"{name!r} cannot stand below {parent!r}, which is {name!r} itself or below it.",
                remedy="Name a parent outside of what is moved.",
            )
        depth = len(above) + len(self.levels(name))
        if depth > DEPTH_MAX:
            raise Conflict(
                f"Below {parent!r} it would reach level {depth}; a tree has at most {DEPTH_MAX}.",
                remedy="Place it higher, or say with a relation or a tag what belongs together.",
            )
