"""Reach: what has to be read to work out devices again, and into which parts that is cut.

A member of a roll-up has all other members read. So what is too much is cut between roll-ups,
and only where the parts together read little more than the whole: a roll-up that is too much
itself stays whole, however few of its members came late.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from weft.model.ids import DeviceId
from weft.rules.derived.model import DEPTH_MAX

MORE_MAX: Final = 1.5  # times the whole, that two parts of it may read together

# The devices that stand for members, each with these.
Members = Sequence[tuple[DeviceId, frozenset[DeviceId]]]


def reach_of(devices: Iterable[DeviceId], members: Members) -> tuple[set[str], set[str]]:
    """Return whose derived telemetry may change, and whose telemetry that is made of."""
    affected: set[str] = {str(one) for one in devices}
    read = set(affected)
    for _ in range(DEPTH_MAX):
        for target, some in members:
            if not some.isdisjoint(affected):
                affected.add(str(target))
                read |= {str(one) for one in some}
    return affected, read | affected


def parts_of(devices: Iterable[DeviceId], members: Members) -> list[list[DeviceId]]:
    """Return devices in two parts that each read less; all in one where that cannot be."""
    targets = {
        one: tuple(target for target, some in members if one in some) for one in sorted(devices)
    }
    alone = [one for one, stand in targets.items() if not stand]
    if len(alone) == len(targets):
        middle = len(alone) // 2
        return [alone[:middle], alone[middle:]] if middle else [alone]
    if alone:
        return [alone, [one for one, stand in targets.items() if stand]]
    ordered = sorted(targets, key=lambda one: (targets[one], one))
    parts = _between_groups([list(some) for _, some in groupby(ordered, targets.__getitem__)])
    whole = len(reach_of(ordered, members)[1])
    reads = [len(reach_of(part, members)[1]) for part in parts]
    return parts if max(reads) < whole and sum(reads) <= MORE_MAX * whole else [ordered]


def _between_groups(groups: Sequence[list[DeviceId]]) -> list[list[DeviceId]]:
    """Return two parts about as large as one another, each of whole groups."""
    middle = sum(map(len, groups)) / 2
    first: list[DeviceId] = list(groups[0])
    rest = list(groups[1:])
    while len(rest) > 1 and len(first) + len(rest[0]) / 2 <= middle:
        first += rest.pop(0)
    return [first, [one for group in rest for one in group]] if rest else [first]
