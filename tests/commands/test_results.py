"""Results: a device's answer is understood, or refused with what to send."""

from typing import Any

import pytest

from weft.commands.results import ERROR_MAX_CHARACTERS, read_outcome, require_result
from weft.errors import PayloadInvalid
from weft.model.command import CommandState, Outcome

SUCCEEDED, FAILED = CommandState.SUCCEEDED, CommandState.FAILED
REJECTED = CommandState.REJECTED


@pytest.mark.parametrize(
    ("payload", "outcome"),
    [
        ({"status": "succeeded"}, Outcome(SUCCEEDED)),
        ({"status": "succeeded", "output": {"rpm": 9}}, Outcome(SUCCEEDED, {"rpm": 9})),
        ({"status": "failed", "error": "stuck"}, Outcome(FAILED, None, "stuck")),
        ({"status": "rejected", "error": {"code": 5}}, Outcome(REJECTED, None, "{'code': 5}")),
        ({"rpm": 9}, Outcome(SUCCEEDED, {"rpm": 9})),
        ({}, Outcome(SUCCEEDED, {})),
    ],
)  # fmt: skip
def test_an_answer_is_read(payload: dict[str, Any], outcome: Outcome) -> None:
    assert read_outcome(payload) == outcome


@pytest.mark.parametrize("status", ["ok", "expired", 5, None, ["succeeded"]])
def test_a_status_that_is_none_of_ours_is_refused_with_the_remedy(status: Any) -> None:
    """To take `{"status": "error"}` for a success would be worse than to ask."""
    with pytest.raises(PayloadInvalid) as refused:
        require_result({"status": status})
    assert "succeeded, failed, rejected" in refused.value.remedy


def test_an_error_without_an_end_is_cut() -> None:
    outcome = read_outcome({"status": "failed", "error": "x" * 10_000})
    assert len(outcome.error) == ERROR_MAX_CHARACTERS
