"""Commands: the moves there are, and no others."""

import pytest

from weft.errors import Conflict
from weft.model.command import ENDS, MOVES, Command, CommandState, require_move
from weft.model.ids import DeviceId, DeviceUid, TenantId

COMMAND = Command(
    TenantId("acme"), DeviceId("pump-7"), DeviceUid("u7"), "r-1", "set_speed", {}, "user:a", 1, 2
)


def test_an_end_is_the_end() -> None:
    """A command has one outcome: nothing leads out of any of the four."""
    assert {state for state, moves in MOVES.items() if not moves} == ENDS


def test_no_step_is_gone_back() -> None:
    order = list(CommandState)
    for old, moves in MOVES.items():
        assert all(order.index(new) > order.index(old) for new in moves)


def test_a_move_that_is_not_listed_is_told_with_what_is() -> None:
    require_move(CommandState.SENT, CommandState.DELIVERED)
    with pytest.raises(Conflict, match="delivered cannot become sent") as refused:
        require_move(CommandState.DELIVERED, CommandState.SENT)
    assert "succeeded" in refused.value.remedy


def test_a_command_knows_where_it_goes_and_where_its_answer_comes() -> None:
    assert COMMAND.topic == "devices/pump-7/commands/r-1/set_speed"
    assert COMMAND.result_topic == "devices/pump-7/commands/r-1/result"
    assert not COMMAND.has_ended
