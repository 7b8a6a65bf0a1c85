"""A cell: where one rule stands on one device. A state machine without clock or I/O.

    idle ── true ──> pending ── true for `for` ──> raised ── clear for `clear_for` ──> idle
                        └─ not true ──> idle          └─ (clearing) ── true or in between ─> raised

Two clocks measure a duration, each against itself: the samples' own times, and the times
of receipt. The first lets a device that buffered an hour be judged by that hour; the
second lets silence count, when a device says "hot" once and then nothing. A failed
evaluation moves nothing.
"""

from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from weft.model.alarm import Evidence
from weft.model.ids import DeviceId
from weft.rules.model import RuleDocument
from weft.rules.program import CLEAR, ERROR, TRUE

EVIDENCE_MAX = 10


class Phase(StrEnum):
    """Where a rule stands on a device."""

    IDLE = "idle"
    PENDING = "pending"
    RAISED = "raised"
    CLEARING = "clearing"


class Moment(Struct, frozen=True):
    """One sample, as a cell sees it: its place, its own time and that of its receipt."""

    position: int
    ordinal: int  # of the reading within the message
    at: int
    received: int
    values: dict[str, Any]
    by_time: bool = False  # no message: time alone; the place is that of the newest one
    device_id: DeviceId = DeviceId("")  # the member that sent it, where it is of many


class Outcome(StrEnum):
    """What a step asks for."""

    RAISE = "raise"
    CLEAR = "clear"


class Cell(Struct):
    """One rule on one device. `since` is of the phase: true since, or clear since."""

    phase: Phase = Phase.IDLE
    version: int = 0  # of the rule by whose words it waits, or began
    position: int = 0
    ordinal: int = 0
    since_at: int = 0
    since_received: int = 0
    alarm_id: str = ""
    evidence: list[Evidence] = field(default_factory=list)
    moved_at: int = 0  # when time alone began the episode; 0: a sample did

    @property
    def waits(self) -> bool:
        """Whether time alone can move it."""
        return self.phase in {Phase.PENDING, Phase.CLEARING}

    @property
    def episode(self) -> str:
        """The name of the episode: the sample that began it, or the moment without one."""
        if self.moved_at:
            return f"{self.position}@{self.moved_at}"
        return f"{self.position}.{self.ordinal}" if self.ordinal else str(self.position)

    def step(self, bits: int, moment: Moment, rule: RuleDocument) -> Outcome | None:
        """Take in one evaluation; return what it asks for."""
        if bits & ERROR:
            return None
        if self.phase is Phase.IDLE:
            return self._begin(moment, rule) if bits & TRUE else None
        if self.phase is Phase.PENDING:
            return self._pend(bits, moment, rule)
        return self._stand(bits, moment, rule)

    def expire(self, due: int, rule: RuleDocument) -> Outcome | None:
        """Let the time of receipt reach `due`; return what it asks for."""
        if self.phase is Phase.PENDING and due >= self.since_received + rule.for_ns:
            self.phase = Phase.RAISED
            return Outcome.RAISE
        if self.phase is Phase.CLEARING and due >= self.since_received + rule.clear_for_ns:
            self.phase = Phase.IDLE
            return Outcome.CLEAR
        return None

    def own_time(self, due: int) -> int:
        """Return a moment of receipt in the time of the samples, by the one it waits since."""
        return due - max(self.since_received - self.since_at, 0)

    def _begin(self, moment: Moment, rule: RuleDocument) -> Outcome | None:
        self.position, self.ordinal = moment.position, moment.ordinal
        self.moved_at = moment.at if moment.by_time else 0
        self._since(moment)
        self.evidence = [_evidence(moment)]
        self.phase = Phase.PENDING if rule.for_ns else Phase.RAISED
        return None if rule.for_ns else Outcome.RAISE

    def _pend(self, bits: int, moment: Moment, rule: RuleDocument) -> Outcome | None:
        if not bits & TRUE:
            self.phase = Phase.IDLE
            return None
        if moment.at - self.since_at >= rule.for_ns:
            self._witness(moment, cap=EVIDENCE_MAX)
            self.phase = Phase.RAISED
            return Outcome.RAISE
        self._witness(moment, cap=EVIDENCE_MAX - 1)  # one place is kept for the raising sample
        return None

    def _stand(self, bits: int, moment: Moment, rule: RuleDocument) -> Outcome | None:
        if bits & TRUE or not bits & CLEAR:
            self.phase = Phase.RAISED
            return None
        if self.phase is Phase.RAISED:
            self._since(moment)
            self.phase = Phase.CLEARING
        if moment.at - self.since_at >= rule.clear_for_ns:
            self.phase = Phase.IDLE
            return Outcome.CLEAR
        return None

    def _since(self, moment: Moment) -> None:
        self.since_at, self.since_received = moment.at, moment.received

    def _witness(self, moment: Moment, *, cap: int) -> None:
        if len(self.evidence) < cap:
            self.evidence.append(_evidence(moment))


def _evidence(moment: Moment) -> Evidence:
    return Evidence(
        position=moment.position,
        at=moment.at,
        values=moment.values,
        device_id=moment.device_id,
    )
