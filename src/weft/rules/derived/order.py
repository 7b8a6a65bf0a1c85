"""Order: which derivation stands on which; a loop is refused by name, and depth has an end.

A derivation stands on another where it reads the key that the other gives and some device
may be meant by both. Of derivations of single devices that is judged by what their selectors
say, so what might become a loop when a device changes its type or attributes is refused on
save as well. Of roll-ups it is judged by who is a member when one is saved.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from weft.errors import Conflict, Invalid
from weft.rules.derived.model import DEPTH_MAX, Derivation
from weft.rules.model import Selector

# Whether a derivation reads of a device: by its selector, or as of a member.
Reads = Callable[[Derivation, str], bool]


def _never(_derivation: Derivation, _device: str) -> bool:
    return False


NO_ROLL_UPS: Final[Reads] = _never


def may_meet(one: Selector, other: Selector) -> bool:
    """Return whether a device can be meant by both selectors."""
    if one.type_name and other.type_name and one.type_name != other.type_name:
        return False
    if one.devices and other.devices and not set(one.devices) & set(other.devices):
        return False
    shared = one.attributes.keys() & other.attributes.keys()
    return all(one.attributes[key] == other.attributes[key] for key in shared)


def feeds(one: Derivation, other: Derivation, reads: Reads = NO_ROLL_UPS) -> bool:
    """Return whether `other` may read what `one` gives."""
    if one.key not in other.inputs:
        return False
    if one.is_rolled_up:
        return reads(other, one.document.device)
    return may_meet(one.document.selector, other.document.selector)


def _gives_the_same(one: Derivation, other: Derivation, reads: Reads) -> bool:
    """Return whether both may give one key of one device."""
    if one.key != other.key:
        return False
    if one.is_rolled_up and other.is_rolled_up:
        return one.document.device == other.document.device
    if one.is_rolled_up:
        return reads(other, one.document.device)
    if other.is_rolled_up:
        return reads(one, other.document.device)
    return may_meet(one.document.selector, other.document.selector)


def require_ordered(
    new: Derivation, others: Sequence[Derivation], reads: Reads = NO_ROLL_UPS
) -> None:
    """Raise `Invalid` for a loop or too many steps, `Conflict` for a key that is given twice."""
    for other in others:
        if _gives_the_same(new, other, reads):
            raise Conflict(
                f"key: {new.key!r} is given by the derivation {other.name!r} already, and some"
                " device may be meant by both.",
                remedy="Choose another key, or set the selectors apart.",
            )
    every = [*others, new]
    cycle = _cycle(new, every, reads)
    if cycle:
        shown = " -> ".join(f"{one.name} ({one.key})" for one in cycle)
        raise Invalid(
            f"value: {new.key!r} would be computed from itself: {shown}.",
            remedy="Give one of them a key that the others do not read.",
        )
    depth = max(levels(every, reads).values(), default=0)
    if depth >= DEPTH_MAX:
        raise Invalid(
            f"value: derivations would stand on one another {depth + 1} deep; at most {DEPTH_MAX}"
            " do.",
            remedy="Join some of the steps into one expression.",
        )


def _cycle(new: Derivation, every: Iterable[Derivation], reads: Reads) -> list[Derivation]:
    """Return a way from a derivation back to itself, both ends included; empty without one."""
    found = list(every)
    ways: list[list[Derivation]] = [[new]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for other in found:
            if not feeds(way[-1], other, reads):
                continue
            if other.name == new.name:
                return [*way, new]
            if other.name not in seen:
                seen.add(other.name)
                ways.append([*way, other])
    return []


def levels(derivations: Sequence[Derivation], reads: Reads = NO_ROLL_UPS) -> Mapping[str, int]:
    """Return how many stand below each, by name; what is in a loop is left out."""
    below = {
        one.name: {other.name for other in derivations if feeds(other, one, reads)}
        for one in derivations
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
