"""Comparing: by device and overlapping time, each episode once."""

from tests.rules.support import START, S

from weft.model.alarm import Severity, Subject, SubjectKind
from weft.model.ids import DeviceId
from weft.rules.ledger import Firing
from weft.rules.past.compare import compare, count, within
from weft.rules.past.model import Verdict


def episode(raised: float, cleared: float | None, device: str = "pump-7") -> Firing:
    """An episode between seconds."""
    return Firing(
        device_id=DeviceId(device),
        severity=Severity.MAJOR,
        message="hot",
        episode=1,
        raised_at=START + round(raised * S),
        evidence=(),
        actions=0,
        subject=Subject(SubjectKind.DEVICE, device),
        cleared_at=None if cleared is None else START + round(cleared * S),
    )


def test_episodes_that_overlap_are_the_same() -> None:
    """A shorter wait raises earlier: the same fault, not one more."""
    found = compare([episode(0, 10)], [episode(5, 20)])
    assert [(one.verdict, one.recorded_raised_at) for one in found] == [
        (Verdict.SAME, START + 5 * S)
    ]


def test_what_one_side_lacks_is_added_or_missing() -> None:
    """In the order of their moments, on both sides."""
    found = compare([episode(0, 1), episode(30, None)], [episode(10, 20), episode(40, 50)])
    assert [one.verdict for one in found] == [Verdict.ADDED, Verdict.MISSING, Verdict.SAME]
    counts = count(found)
    assert (counts.raised, counts.subjects) == (2, 1)
    assert (counts.added, counts.missing, counts.same) == (1, 1, 1)


def test_another_device_is_another_fault() -> None:
    """Two pumps are hot at once."""
    found = compare([episode(0, 10)], [episode(0, 10, "pump-8")])
    assert {one.verdict for one in found} == {Verdict.ADDED, Verdict.MISSING}


def test_each_episode_meets_one_of_the_other_side() -> None:
    """The old rule held where the new one flaps: one is the same, two are added."""
    flaps = [episode(0, 1), episode(2, 3), episode(4, 5)]
    counts = count(compare(flaps, [episode(0, 9)]))
    assert (counts.same, counts.added, counts.missing) == (1, 2, 0)


def test_an_episode_counts_where_some_of_it_lies_within() -> None:
    """One that stands since before the time that is asked for is in it."""
    assert within(0, None, 10, 20)
    assert within(0, 10, 10, 20)
    assert not within(0, 9, 10, 20)
    assert not within(20, None, 10, 20)
