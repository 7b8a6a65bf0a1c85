"""What the engine remembers of a device: the last known inputs and where each rule stands."""

from collections.abc import Collection, Mapping
from typing import Any

from msgspec import UNSET, Struct, field

from weft.model.alarm import Subject, SubjectKind
from weft.model.ids import DeviceId, TenantId
from weft.ports import Kind
from weft.rules.cells import Cell, Phase
from weft.rules.feeding import Feeder
from weft.rules.feeds.base import NEVER, Feed, Origin
from weft.rules.language.syntax import Path
from weft.rules.loading import mark_place
from weft.rules.program import Evaluator, Program

_SOURCES_KEPT = frozenset({"telemetry", "reported"})


class KeptCell(Struct, frozen=True):
    """A cell that is not idle, on disk."""

    rule_id: str
    cell: Cell


class Row(Struct, frozen=True, omit_defaults=True):
    """A device's state on disk."""

    at: int
    values: list[tuple[str, str, Any]] = field(default_factory=list)  # source, key, value
    cells: list[KeptCell] = field(default_factory=list)
    feeds: dict[str, Any] = field(default_factory=dict)  # what each remembers, by its text
    position: int = 0  # of the newest message that fed one
    told: dict[str, Any] = field(default_factory=dict)  # as a member of groups and assets
    heard: int = 0  # when it was heard last, by the clock of receipt; 0: no member
    # Source, key, position and moment: the sample that each value came from.
    marks: list[tuple[str, str, int, int]] = field(default_factory=list)
    received: int = 0  # when the newest sample was received; 0: as it was measured


class Chunk(Struct, frozen=True):
    """States of some devices of a tenant in one record: one write for many."""

    rows: dict[str, Row]


CHUNKS: Kind[Chunk] = Kind("rule_state", Chunk)
POSITIONS: Kind[int] = Kind("projection", int)


class DeviceState:
    """The state of one device while the engine runs."""

    __slots__ = (
        "at", "busy", "cells", "device_id", "dirty", "due", "errors", "evaluate", "feed", "feeds",
        "fresh", "fresh_after", "generation", "heard", "known", "label", "mask", "position",
        "program", "received", "slots", "subject", "tenant", "told", "values_class",
    )  # fmt: skip

    def __init__(
        self, tenant: TenantId, device_id: DeviceId, program: Program, *, now: int = 0
    ) -> None:
        """`now` is the clock of receipt: what is remembered begins then."""
        self.tenant = tenant
        self.device_id = device_id
        self.label = ""
        self.at = 0  # the newest sample seen; older ones are late
        self.received = 0  # when that one was received
        self.mask = -1  # -1: not evaluated since it was made
        self.known: list[Any] = []  # the evaluator's own; emptied where a slot changes otherwise
        self.busy = True  # a cell waits, or a rule fails: look at every sample
        self.dirty = False
        self.cells: dict[str, Cell] = {}
        self.errors: dict[str, int] = {}  # in a row, by rule
        self.values_class: type | None = None
        self.program = program
        self.slots: list[Any] = program.row()
        self.evaluate: Evaluator = program.function(None)
        self.position = 0  # of the newest message that fed something
        self.generation = -1  # of the lookup that bound it
        self.due = NEVER  # when its timer comes
        self.feed: Feeder | None = None  # None: nothing is remembered
        self.feeds: list[Feed] = []
        # A feed that a rule brought sees nothing that came before that rule was saved.
        self.fresh: dict[str, int] = {}
        self.fresh_after = 0
        # What it said last as a member, by the argument of the calls; unknown where missing.
        self.told: dict[str, Any] = {}
        self.heard = 0
        self.subject = Subject(SubjectKind.DEVICE, device_id)
        self._make_feeds({}, now)

    def bind(self, program: Program, *, now: int = 0) -> None:
        """Go on with other rules: known inputs stay, a pending episode of another rule ends.

        What is remembered stays where the same call stands in the new rules.
        """
        known, marks = self.values(), self._marks()
        kept = {
            node.text: feed
            for node, feed in zip(self.program.feeding.nodes, self.feeds, strict=True)
        }
        self.program = program
        self.slots = program.row()
        for slot, path in enumerate(program.paths):
            self.slots[slot] = known.get(path, UNSET)
            if program.marked:
                self.slots[mark_place(slot)] = marks.get(path)
        self.values_class, self.evaluate = None, program.function(None)
        self.mask, self.busy = -1, True
        self.known = []
        asked = {one.inner for one in program.members}
        self.told = {inner: word for inner, word in self.told.items() if inner in asked}
        self._make_feeds(kept, now)
        versions: dict[str, int] = {one.rule.rule_id: one.rule.version for one in program.rules}
        for rule_id, cell in list(self.cells.items()):
            if cell.phase is Phase.PENDING and versions.get(rule_id) != cell.version:
                del self.cells[rule_id]

    def stop_waiting(self, rule_id: str) -> None:
        """Let a rule begin anew with the next sample: what was seen last tells no more."""
        if self.cells[rule_id].phase is Phase.PENDING:
            del self.cells[rule_id]
        else:
            self.cells[rule_id].phase = Phase.RAISED
        self.mask, self.busy = -1, True

    def take_class(self, values_class: type) -> Evaluator:
        """Evaluate values of this class from now on."""
        self.values_class = values_class
        self.evaluate = self.program.function(values_class)
        if self.feeds:
            self.feed = self.program.feeding.function(values_class)
        return self.evaluate

    def _make_feeds(self, kept: Mapping[str, Feed], now: int) -> None:
        feeding = self.program.feeding
        origin = Origin(
            tenant=self.tenant,
            device_id=self.device_id,
            began_at=now,
            places=self.program.places,
        )
        self.feeds = [
            kept[node.text] if node.text in kept else feeding.make(place, origin)
            for place, node in enumerate(feeding.nodes)
        ]
        self.fresh = {text: after for text, after in self.program.saved.items() if text not in kept}
        self.fresh_after = max(self.fresh.values(), default=-1)
        self.feed = feeding.function(dict) if self.feeds else None

    def own_time(self, now: int) -> int:
        """Return a moment of receipt in the device's own time: as far behind as its newest sample.

        Of a device that sends from its memory, time alone knows no more than that. By the
        plain clock an hour of the past would be over before its samples have been seen.
        """
        return now - max(self.received - self.at, 0)

    def unborn(self, position: int) -> Collection[str]:
        """Return the feeds that a message at this position is too old for."""
        if position > self.fresh_after:
            return ()
        return {text for text, after in self.fresh.items() if position <= after}

    def remembered(self) -> list[Any]:
        """Return the values of what is remembered, UNSET where unknown."""
        slots = self.program.slots
        return [self.slots[slots[node.path]] for node in self.program.feeding.nodes]

    def passed_over(self) -> int:
        """Return how many late samples were too old for a window of this device."""
        return sum(getattr(feed, "ignored", 0) for feed in self.feeds)

    def moment_due(self) -> int:
        """Return when time alone moves something that is remembered."""
        return min((feed.due for feed in self.feeds), default=NEVER)

    def values(self) -> dict[Path, Any]:
        """Return the known inputs."""
        return {
            path: value
            for path, value in zip(self.program.paths, self.slots, strict=False)  # then marks
            if value is not UNSET
        }

    def mark_of(self, path: Path) -> tuple[int | None, int | None]:
        """Return (position, moment) of the sample that an input came from; None where unknown."""
        found = self._marks().get(path)
        return found if found is not None else (None, None)

    def _marks(self) -> dict[Path, tuple[int, int]]:
        if not self.program.marked:
            return {}
        held = {path: self.slots[mark_place(slot)] for path, slot in self.program.slots.items()}
        return {path: mark for path, mark in held.items() if mark is not None}

    def restore(self, row: Row) -> None:
        """Take back what was kept on disk."""
        self.known.clear()
        self.at, self.received = row.at, row.received
        for source, key, value in row.values:
            slot = self.program.slots.get((source, key))
            if slot is not None:
                self.slots[slot] = value
        for source, key, position, at in row.marks if self.program.marked else ():
            slot = self.program.slots.get((source, key))
            if slot is not None:
                self.slots[mark_place(slot)] = (position, at)
        self.cells = {kept.rule_id: kept.cell for kept in row.cells}
        self.position = row.position
        self.told, self.heard = dict(row.told), row.heard
        for node, feed in zip(self.program.feeding.nodes, self.feeds, strict=True):
            if node.text in row.feeds:
                self.slots[self.program.slots[node.path]] = feed.restore(row.feeds[node.text])
                self.fresh.pop(node.text)
        self.fresh_after = max(self.fresh.values(), default=-1)

    def row(self) -> Row:
        """Return what is kept on disk."""
        return Row(
            at=self.at,
            values=[
                (source, key, value)
                for (source, key), value in self.values().items()
                if source in _SOURCES_KEPT
            ],
            cells=[
                KeptCell(rule_id, _copy(cell))
                for rule_id, cell in self.cells.items()
                if cell.phase is not Phase.IDLE
            ],
            feeds={
                node.text: feed.state()
                for node, feed in zip(self.program.feeding.nodes, self.feeds, strict=True)
            },
            position=self.position,
            told=dict(self.told),
            heard=self.heard,
            marks=[(*path, *mark) for path, mark in self._marks().items()],
            received=self.received,
        )


def _copy(cell: Cell) -> Cell:
    return Cell(
        phase=cell.phase,
        version=cell.version,
        position=cell.position,
        ordinal=cell.ordinal,
        since_at=cell.since_at,
        since_received=cell.since_received,
        alarm_id=cell.alarm_id,
        evidence=list(cell.evidence),
        moved_at=cell.moved_at,
    )
