"""Steps: each makes a new version, and the same answer twice makes none."""

from tests.model.test_command import COMMAND

from weft.commands import steps
from weft.model.command import CommandState, LateResult, Outcome

RESULT = LateResult(9, 100, Outcome(CommandState.FAILED, None, "stuck"))


def test_each_step_says_when_and_counts_the_version() -> None:
    sent = steps.sent(COMMAND, 7, 50)
    delivered = steps.delivered(sent, 60)
    ended = steps.answered(delivered, RESULT, "device")
    assert (sent.position, sent.sent_at, delivered.delivered_at) == (7, 50, 60)
    assert (ended.state, ended.ended_at, ended.error) == ("failed", 100, "stuck")
    assert [one.version for one in (sent, delivered, ended)] == [2, 3, 4]


def test_an_expiry_is_at_the_moment_it_was_due_whoever_finds_out_when() -> None:
    expired = steps.expired(COMMAND)
    assert (expired.ended_at, expired.ended_by) == (COMMAND.expires_at, "time")


def test_the_answer_that_ended_it_is_no_late_one_and_a_late_one_is_noted_once() -> None:
    """After a crash the journal is read again: nothing may be counted twice."""
    ended = steps.answered(COMMAND, RESULT, "device")
    assert steps.noted(ended, RESULT) is ended
    later = LateResult(10, 200, Outcome(CommandState.SUCCEEDED))
    noted = steps.noted(ended, later)
    assert (noted.late, noted.late_count, noted.state) == (later, 1, "failed")
    assert steps.noted(noted, later) is noted


def test_a_cancel_is_a_rejection_by_its_sender() -> None:
    ended = steps.cancelled(COMMAND, "user:alice", 5, "Cancelled.")
    assert (ended.state, ended.ended_by) == ("rejected", "user:alice")


def test_a_repeat_counts_and_moves_the_moment_of_the_hand_out_only() -> None:
    first = steps.handed_out(COMMAND, 60)
    again = steps.handed_out(first, 90)
    assert (again.state, again.delivered_at) == ("delivered", 60)
    assert (again.handed_out_at, again.hand_outs, again.version) == (90, 2, 3)
