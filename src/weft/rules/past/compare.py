"""Comparing: episodes of a replay against those of another, by subject and overlapping time.

Each episode meets at most one of the other side, the earliest that overlaps. So a rule that
flaps where another held still shows one as the same and the rest as added.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from weft.model.alarm import Alarm, Subject
from weft.rules.ledger import Firing
from weft.rules.past.model import Counts, Finding, Verdict

_FOREVER = 2**63


def within(raised_at: int, cleared_at: int | None, start: int, end: int) -> bool:
    """Whether an episode lies, with some of it, between `start` and `end`."""
    return raised_at < end and (cleared_at is None or cleared_at >= start)


def compare(found: Iterable[Firing], others: Sequence[Alarm | Firing]) -> list[Finding]:
    """Return both sides, matched, in the order of their moments."""
    waiting: dict[Subject, list[Alarm | Firing]] = defaultdict(list)
    for one in sorted(others, key=lambda one: one.raised_at):
        waiting[one.subject].append(one)
    findings: list[Finding] = []
    for firing in sorted(found, key=lambda one: one.raised_at):
        left = waiting[firing.subject]
        match = next((one for one in left if _overlap(firing, one)), None)
        if match is not None:
            left.remove(match)
        findings.append(_finding(firing, match))
    findings += [_missing(one) for left in waiting.values() for one in left]
    return sorted(findings, key=lambda one: (one.raised_at, one.subject))


def count(findings: Sequence[Finding]) -> Counts:
    """Count what was found."""
    verdicts = [one.verdict for one in findings]
    raised = [one for one in findings if one.verdict is not Verdict.MISSING]
    return Counts(
        raised=len(raised),
        subjects=len({one.subject for one in raised}),
        added=verdicts.count(Verdict.ADDED),
        missing=verdicts.count(Verdict.MISSING),
        same=verdicts.count(Verdict.SAME),
    )


def _overlap(one: Firing, other: Alarm | Firing) -> bool:
    ends = one.cleared_at or _FOREVER, other.cleared_at or _FOREVER
    return one.raised_at <= ends[1] and other.raised_at <= ends[0]


def _finding(firing: Firing, match: Alarm | Firing | None) -> Finding:
    return Finding(
        verdict=Verdict.ADDED if match is None else Verdict.SAME,
        subject=str(firing.subject),
        device_id=firing.device_id,
        severity=firing.severity,
        message=firing.message,
        raised_at=firing.raised_at,
        cleared_at=firing.cleared_at,
        evidence=firing.evidence,
        actions=firing.actions,
        recorded=match.alarm_id if isinstance(match, Alarm) else None,
        recorded_raised_at=match.raised_at if match is not None else None,
        recorded_cleared_at=match.cleared_at if match is not None else None,
    )


def _missing(one: Alarm | Firing) -> Finding:
    return Finding(
        verdict=Verdict.MISSING,
        subject=str(one.subject),
        device_id=one.device_id,
        severity=one.severity,
        message=one.message,
        raised_at=one.raised_at,
        cleared_at=one.cleared_at,
        evidence=one.evidence,
        recorded=one.alarm_id if isinstance(one, Alarm) else None,
        recorded_raised_at=one.raised_at,
        recorded_cleared_at=one.cleared_at,
    )
