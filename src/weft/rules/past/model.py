"""A replay as a record: what was asked, how far it is, and what was found."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct, field

from weft.model.alarm import Evidence, Severity
from weft.model.ids import AlarmId, DeviceId, TenantId
from weft.ports import Kind

FINDINGS_AT_ONCE: Final = 100  # in one record: some 50 KB


class ReplayState(StrEnum):
    """Where a replay stands; the last three are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


ENDED: Final = frozenset({ReplayState.DONE, ReplayState.CANCELLED, ReplayState.FAILED})


class Against(StrEnum):
    """What the result is compared with."""

    RECORDED = "recorded"  # the alarms that the rule of that name has raised
    VERSION = "version"  # what another version of the rule would have raised
    NOTHING = "nothing"


class ReplayPath(StrEnum):
    """How history was looked at; the alarms are the same."""

    FAST = "fast"  # windows in loops of their own, and of the samples those that move a rule
    EXACT = "exact"  # sample by sample: what the fast one does not know, and the journal


class Verdict(StrEnum):
    """One episode, against what it is compared with."""

    ADDED = "added"  # the replay has it, the other has not
    MISSING = "missing"  # the other has it, the replay has not
    SAME = "same"  # on one device, at overlapping times


class Asked(Struct, frozen=True):
    """What to replay. Moments are ns UTC; `start` is in, `end` is out."""

    rule_id: str  # the name in the document
    document: dict[str, Any]
    version: int  # 0: a document that is not saved
    start: int
    end: int
    warm_up_ns: int  # read before `start`, so that windows and waits are filled
    devices: tuple[str, ...] = ()  # of those that the rule watches; empty: all
    against: Against = Against.RECORDED
    against_version: int = 0
    against_document: dict[str, Any] | None = None
    measured: bool = False  # history alone, in the order in which it was measured
    late: bool = False  # asked for because data came late
    open: bool = False  # no start was asked for: what was measured before the journal counts too

    @property
    def since(self) -> int:
        """The moment from which on episodes count."""
        return 0 if self.open else self.start


class Counts(Struct, frozen=True):
    """What was found."""

    raised: int = 0
    subjects: int = 0  # devices, groups or assets
    added: int = 0
    missing: int = 0
    same: int = 0


class Replay(Struct, frozen=True):
    """One replay."""

    tenant: TenantId
    replay_id: str
    asked: Asked
    actor: str
    created_at: int
    state: ReplayState = ReplayState.QUEUED
    started_at: int | None = None
    ended_at: int | None = None
    percent: float = 0.0
    samples: int = 0
    samples_per_s: float = 0.0
    counts: Counts = Counts()
    failures: int = 0
    last_failure: str = ""
    complete: bool = True  # False: stopped at the most firings that are kept
    problem: str = ""  # why it failed
    path: ReplayPath = ReplayPath.EXACT


class Finding(Struct, frozen=True):
    """One episode that the replay found, or that it is compared with, or both."""

    verdict: Verdict
    subject: str
    device_id: DeviceId  # empty for an alarm of a group or an asset
    severity: Severity
    message: str
    raised_at: int
    cleared_at: int | None
    evidence: tuple[Evidence, ...] = ()  # a position below zero: read from history
    actions: int = 0
    recorded: AlarmId | None = None
    recorded_raised_at: int | None = None
    recorded_cleared_at: int | None = None


class Findings(Struct, frozen=True):
    """Some findings in one record, in the order of `raised_at`."""

    items: list[Finding] = field(default_factory=list)


def _index(replay: Replay) -> Mapping[str, str]:
    return {"state": replay.state, "rule": replay.asked.rule_id}


# Keyed by the replay's id.
REPLAYS: Final = Kind("replay", Replay, index=_index)
# Keyed by replay/number.
FINDINGS: Final = Kind("replay_findings", Findings)


def findings_key(replay_id: str, place: int) -> str:
    """Return the key of a record of findings."""
    return f"{replay_id}/{place:06d}"
