"""A cell: every move of the machine, without an engine around it."""

from typing import Any

import pytest

from weft.rules.cells import EVIDENCE_MAX, Cell, Moment, Outcome, Phase
from weft.rules.model import RuleDocument
from weft.rules.program import CLEAR, ERROR, TRUE

PLAIN = RuleDocument(name="r", when="b")
SLOW = RuleDocument(name="r", when="b", for_ns=10, clear_for_ns=10)


def moment(at: int, **more: Any) -> Moment:
    return Moment(**({"position": at, "ordinal": 0, "at": at, "received": at, "values": {}} | more))


@pytest.mark.parametrize(
    ("rule", "steps", "phase", "outcomes"),
    [
        (PLAIN, [(0, TRUE)], Phase.RAISED, [Outcome.RAISE]),
        (PLAIN, [(0, TRUE), (1, CLEAR)], Phase.IDLE, [Outcome.RAISE, Outcome.CLEAR]),
        (PLAIN, [(0, TRUE), (1, 0)], Phase.RAISED, [Outcome.RAISE, None]),
        (PLAIN, [(0, TRUE), (1, TRUE | CLEAR)], Phase.RAISED, [Outcome.RAISE, None]),
        (PLAIN, [(0, ERROR | TRUE)], Phase.IDLE, [None]),
        (SLOW, [(0, TRUE), (9, TRUE)], Phase.PENDING, [None, None]),
        (SLOW, [(0, TRUE), (10, TRUE)], Phase.RAISED, [None, Outcome.RAISE]),
        (SLOW, [(0, TRUE), (5, ERROR), (10, TRUE)], Phase.RAISED, [None, None, Outcome.RAISE]),
        (SLOW, [(0, TRUE), (5, 0)], Phase.IDLE, [None, None]),
        (
            SLOW,
            [(0, TRUE), (10, TRUE), (11, CLEAR), (15, 0), (16, CLEAR), (25, CLEAR)],
            Phase.CLEARING,
            [None, Outcome.RAISE, None, None, None, None],
        ),
        (
            SLOW,
            [(0, TRUE), (10, TRUE), (11, CLEAR), (21, CLEAR)],
            Phase.IDLE,
            [None, Outcome.RAISE, None, Outcome.CLEAR],
        ),
    ],
)
def test_each_sequence_ends_where_it_must(
    rule: RuleDocument,
    steps: list[tuple[int, int]],
    phase: Phase,
    outcomes: list[Outcome | None],
) -> None:
    """The picture in the module's docstring, arrow by arrow."""
    cell = Cell()
    assert [cell.step(bits, moment(at), rule) for at, bits in steps] == outcomes
    assert cell.phase is phase


def test_time_of_receipt_alone_moves_a_waiting_cell() -> None:
    """Silence after one hot sample raises, and not a moment early."""
    cell = Cell()
    cell.step(TRUE, moment(0, received=100), SLOW)
    assert cell.expire(109, SLOW) is None
    assert cell.expire(110, SLOW) is Outcome.RAISE
    assert cell.expire(999, SLOW) is None
    cell.step(CLEAR, moment(20, received=200), SLOW)
    assert cell.expire(210, SLOW) is Outcome.CLEAR


def test_evidence_is_capped_and_keeps_the_raising_sample() -> None:
    """A thousand samples while waiting; ten are kept, the first and the last among them."""
    cell = Cell()
    rule = RuleDocument(name="r", when="b", for_ns=1_000)
    for at in range(1_001):
        cell.step(TRUE, moment(at), rule)
    assert len(cell.evidence) == EVIDENCE_MAX
    assert (cell.evidence[0].position, cell.evidence[-1].position) == (0, 1_000)


def test_an_episode_is_named_by_its_sample() -> None:
    """Two readings of one message begin two episodes."""
    first, second = Cell(), Cell()
    first.step(TRUE, moment(7), PLAIN)
    second.step(TRUE, moment(7, ordinal=2), PLAIN)
    assert (first.episode, second.episode) == ("7", "7.2")


def test_what_the_clock_finds_is_of_the_time_of_the_samples() -> None:
    """Ninety behind: what is due at 110 is of 20. A sample from the future shifts nothing."""
    cell = Cell()
    cell.step(TRUE, moment(10, received=100), SLOW)
    assert cell.own_time(110) == 20
    assert Cell(since_at=100, since_received=90).own_time(110) == 110
