"""Order: which derivation stands on which; a loop is refused by name, and depth has an end.

A derivation stands on another where it reads the key that the other gives and some device
may be meant by both. That is judged by what their selectors say, so what might become a
loop when a device changes its type or attributes is refused on save as well.
"""

from collections.abc import Iterable, Mapping, Sequence

from weft.errors import Conflict, Invalid
from weft.rules.derived.model import DEPTH_MAX, Derivation
from weft.rules.model import Selector


def may_meet(one: Selector, other: Selector) -> bool:
    """Return whether a device can be meant by both selectors."""
    if one.type_name and other.type_name and one.type_name != other.type_name:
        return False
    if one.devices and other.devices and not set(one.devices) & set(other.devices):
        return False
    shared = one.attributes.keys() & other.attributes.keys()
    return all(one.attributes[key] == other.attributes[key] for key in shared)


def feeds(one: Derivation, other: Derivation) -> bool:
    """Return whether `other` may read what `one` gives."""
    return one.key in other.inputs and may_meet(one.document.selector, other.document.selector)


def require_ordered(new: Derivation, others: Sequence[Derivation]) -> None:
    """Raise `Invalid` for a loop or too many steps, `Conflict` for a key that is given twice."""
    for other in others:
        if other.key == new.key and may_meet(other.document.selector, new.document.selector):
            raise Conflict(
                f"key: {new.key!r} is given by the derivation {other.name!r} already, and some"
                " device may be meant by both.",
                remedy="Choose another key, or set the selectors apart.",
            )
    every = [*others, new]
    cycle = _cycle(new, every)
    if cycle:
        shown = " -> ".join(f"{one.name} ({one.key})" for one in cycle)
        raise Invalid(
            f"value: {new.key!r} would be computed from itself: {shown}.",
            remedy="Give one of them a key that the others do not read.",
        )
    depth = max(levels(every).values(), default=0)
    if depth >= DEPTH_MAX:
        raise Invalid(
            f"value: derivations would stand on one another {depth + 1} deep; at most {DEPTH_MAX}"
            " do.",
            remedy="Join some of the steps into one expression.",
        )


def _cycle(new: Derivation, every: Iterable[Derivation]) -> list[Derivation]:
    """Return a way from a derivation back to itself, both ends included; empty without one."""
    found = list(every)
    ways: list[list[Derivation]] = [[new]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for other in found:
            if not feeds(way[-1], other):
                continue
            if other.name == new.name:
                return [*way, new]
            if other.name not in seen:
                seen.add(other.name)
                ways.append([*way, other])
    return []


def levels(derivations: Sequence[Derivation]) -> Mapping[str, int]:
    """Return how many stand below each, by name; what is in a loop is left out."""
    below = {
        one.name: {other.name for other in derivations if feeds(other, one)} for one in derivations
    }
    found: dict[str, int] = {}
    while True:
        ready = {
            name: 1 + max((found[other] for other in under), default=-1)
            for name, under in below.items()
            if name not in found and under <= found.keys()
        }
        if not ready:
            return found
        found.update(ready)
