"""What the engine remembers of a device: the last known inputs and where each rule stands."""

from typing import Any

from msgspec import UNSET, Struct, field

from weft.model.ids import DeviceId, TenantId
from weft.ports import Kind
from weft.rules.cells import Cell, Phase
from weft.rules.language.syntax import Path
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


class Chunk(Struct, frozen=True):
    """States of some devices of a tenant in one record: one write for many."""

    rows: dict[str, Row]


CHUNKS: Kind[Chunk] = Kind("rule_state", Chunk)
POSITIONS: Kind[int] = Kind("projection", int)


class DeviceState:
    """The state of one device while the engine runs."""

    __slots__ = (
        "at", "busy", "cells", "device_id", "dirty", "errors", "evaluate", "label", "mask",
        "program", "slots", "tenant", "values_class",
    )  # fmt: skip

    def __init__(self, tenant: TenantId, device_id: DeviceId, program: Program) -> None:
        self.tenant = tenant
        self.device_id = device_id
        self.label = ""
        self.at = 0  # the newest sample seen; older ones are late
        self.mask = -1  # -1: not evaluated since it was made
        self.busy = True  # a cell waits, or a rule fails: look at every sample
        self.dirty = False
        self.cells: dict[str, Cell] = {}
        self.errors: dict[str, int] = {}  # in a row, by rule
        self.values_class: type | None = None
        self.program = program
        self.slots: list[Any] = [UNSET] * len(program.paths)
        self.evaluate: Evaluator = program.function(None)

    def bind(self, program: Program) -> None:
        """Go on with other rules: known inputs stay, a pending episode of another rule ends."""
        known = self.values()
        self.program = program
        self.slots = [known.get(path, UNSET) for path in program.paths]
        self.values_class, self.evaluate = None, program.function(None)
        self.mask, self.busy = -1, True
        versions: dict[str, int] = {one.rule.rule_id: one.rule.version for one in program.rules}
        for rule_id, cell in list(self.cells.items()):
            if cell.phase is Phase.PENDING and versions.get(rule_id) != cell.version:
                del self.cells[rule_id]

    def take_class(self, values_class: type) -> Evaluator:
        """Evaluate values of this class from now on."""
        self.values_class = values_class
        self.evaluate = self.program.function(values_class)
        return self.evaluate

    def values(self) -> dict[Path, Any]:
        """Return the known inputs."""
        return {
            path: value
            for path, value in zip(self.program.paths, self.slots, strict=True)
            if value is not UNSET
        }

    def restore(self, row: Row) -> None:
        """Take back what was kept on disk."""
        self.at = row.at
        for source, key, value in row.values:
            slot = self.program.slots.get((source, key))
            if slot is not None:
                self.slots[slot] = value
        self.cells = {kept.rule_id: kept.cell for kept in row.cells}

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
    )
