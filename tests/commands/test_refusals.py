"""Refusals: each says how the command ended, when, and what to do."""

import pytest
from msgspec.structs import replace
from tests.model.test_command import COMMAND

from weft.commands.kinds import Key
from weft.commands.refusals import late, repeats, unknown
from weft.model.command import CommandState, Outcome
from weft.model.moments import to_rfc3339

SUCCEEDED, REJECTED = CommandState.SUCCEEDED, CommandState.REJECTED


@pytest.mark.parametrize(
    ("state", "by", "position", "said", "remedy"),
    [
        (CommandState.EXPIRED, "time", 0, "had expired at", "longer time to live"),
        (REJECTED, "user:alice", 0, "was rejected (by user:alice) at", "It was taken back"),
        (REJECTED, "device", 9, "was rejected (by device) at", "each request id once"),
        (SUCCEEDED, "device", 9, "had succeeded (by device) at", "each request id once"),
        (CommandState.FAILED, "device", 9, "had failed (by device) at", "each request id once"),
    ],
)
def test_a_late_answer_is_told_how_its_command_ended(
    state: CommandState, by: str, position: int, said: str, remedy: str
) -> None:
    ended = replace(COMMAND, state=state, ended_by=by, ended_at=5, result_position=position)
    reason = late(ended)
    assert f"{said} {to_rfc3339(5)}" in reason.detail
    assert remedy in reason.remedy
    assert f"weft command show {COMMAND.device_id} {COMMAND.request_id}" in reason.remedy


def test_an_unknown_request_says_how_long_known_ones_are_remembered() -> None:
    reason = unknown(Key.of(COMMAND), keep_days=30)
    assert "more than 30 days ago" in reason.detail
    assert reason.code == "unknown_command"


def test_only_the_very_outcome_that_the_device_gave_is_a_repeat() -> None:
    ended = replace(COMMAND, state=SUCCEEDED, output=7, result_position=9)
    assert repeats(ended, Outcome(SUCCEEDED, 7))
    assert not repeats(ended, Outcome(SUCCEEDED, 8))
    taken_back = replace(COMMAND, state=REJECTED, error="Cancelled.")
    assert not repeats(taken_back, Outcome(REJECTED, None, "Cancelled."))
