"""Kinds: a command is found by its device, its state and the day on which it ended."""

from msgspec.structs import replace
from tests.model.test_command import COMMAND

from weft.commands.kinds import COMMANDS, DAY_NS, NUMBER_MASK, Key, day_of, number_of
from weft.model.command import CommandState


def test_a_key_is_made_of_the_device_and_the_request() -> None:
    assert Key.of(COMMAND).record == "pump-7/r-1"


def test_only_what_has_ended_is_found_by_the_day_of_its_end() -> None:
    """Retention looks at days, and so never at what is open."""
    assert COMMANDS.index(COMMAND) == {"device": "pump-7", "state": "queued"}
    ended = replace(COMMAND, state=CommandState.FAILED, ended_at=3 * DAY_NS + 5, bulk_id="b-1")
    assert COMMANDS.index(ended) == {
        "device": "pump-7",
        "state": "failed",
        "ended_on": "000003",
        "bulk": "b-1/failed",
    }


def test_days_sort_as_they_follow_each_other() -> None:
    assert sorted(day_of(day * DAY_NS) for day in (20_000, 9_999)) == ["009999", "020000"]


def test_a_number_stays_within_31_bits() -> None:
    """It is the same after a restart, and fits what clients of dialects read."""
    command = replace(COMMAND, position=2**31 + 2**40 + 5)
    assert number_of(command) == 5
    assert number_of(replace(COMMAND, position=2**31 - 1)) == NUMBER_MASK
