"""Worked: readings whose memory was worked out elsewhere, over many samples at once.

A replay fills windows in a loop of their own and shows the rules only the readings that can
move them. Such a reading carries, for each thing that is remembered, what it tells after that
reading and when silence ends it. In the place of the memory itself stands a `Told`, which
knows that much and no more.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from weft.rules.feeds.base import NEVER, Feed

Told = tuple[Any, int]  # what it tells (UNSET: unknown), and when silence ends it (NEVER)


class Worked(dict[str, Any]):
    """What a reading sent, with what is remembered after it, by the text of the call."""

    __slots__ = ("told",)

    def __init__(self, sent: Mapping[str, Any], told: Mapping[str, Told]) -> None:
        super().__init__(sent)
        self.told = told


class Standing:
    """Stands in the place of a memory that is filled elsewhere."""

    __slots__ = ("_empty", "due")

    def __init__(self, empty: Any) -> None:
        """`empty` is what silence leaves."""
        self._empty = empty
        self.due = NEVER

    def take(self, at: int, received: int, value: Any) -> Any:
        """Refuse a sample: whoever mixes both ways of feeding would lose it."""
        raise AssertionError(f"a sample ({value!r} at {at}, {received}) for what stands in")

    def advance(self, now: int) -> Any:
        """Let silence end what is remembered."""
        if now >= self.due:
            self.due = NEVER
        return self._empty

    def state(self) -> Any:
        """Refuse: what stands in is never kept."""
        raise AssertionError("what stands in for a memory has no state")

    def restore(self, state: Any) -> Any:
        """Refuse: what stands in is never kept."""
        raise AssertionError(f"what stands in for a memory has no state ({state!r})")


def feeder_of(
    slots: Sequence[tuple[str, int]], keep: Callable[[list[Any], Mapping[str, Any]], None]
) -> Callable[[Any, list[Any], Any, int, int], int]:
    """Return what puts the memory that a `Worked` carries into its slots, by text.

    `keep` puts what was sent into its slots, as every feeder does.
    """

    def feed(
        values: Worked,
        row: list[Any],
        feeds: Any,
        at: int,  # noqa: ARG001  as of every feeder
        received: int,  # noqa: ARG001
    ) -> int:
        keep(row, values)
        soonest = NEVER
        for place, (text, slot) in enumerate(slots):
            row[slot], due = values.told[text]
            standing = feeds[place]
            if standing.__class__ is not Standing:
                standing = feeds[place] = Standing(standing.advance(NEVER - 1))
            standing.due = due
            soonest = min(soonest, due)
        return soonest

    return feed


def settle(
    feeds: list[Feed], row: list[Any], slots: Sequence[int], memories: Sequence[Feed | None]
) -> None:
    """Put the memories themselves where others stood in, as far as time has gone there."""
    for place, (slot, memory) in enumerate(zip(slots, memories, strict=True)):
        if memory is None or feeds[place].__class__ is not Standing:
            continue
        if feeds[place].due == NEVER and memory.due < NEVER:
            row[slot] = memory.advance(memory.due)
        feeds[place] = memory
