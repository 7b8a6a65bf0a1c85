"""Findings: well means that nothing failed."""

from weft.cli.checks.finding import fail, failed, is_well, ok, warn
from weft.errors import Damaged


def test_a_warning_is_no_failure() -> None:
    """Scripts go by the exit code: it is not for what somebody should look at some day."""
    assert is_well([ok("disk", "1 GB free"), warn("disk", "little", "Make room.")])
    assert not is_well([ok("disk", "1 GB free"), fail("disk", "none", "Make room.")])


def test_an_error_of_ours_keeps_its_words() -> None:
    """What happened and what to do, as everywhere."""
    found = failed("journal", Damaged("It is damaged.", remedy="Repair it."))
    assert (found.state, found.found, found.remedy) == ("fail", "It is damaged.", "Repair it.")
