"""Findings: what a check saw, whether it is well, and what to do where it is not."""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from weft.errors import WeftError


class State(StrEnum):
    """How well it is."""

    OK = "ok"
    WARN = "warn"  # works, and will not for ever or not for everybody
    FAIL = "fail"  # Weft does not start, or something is lost


class Finding(Struct, frozen=True):
    """One line of the diagnosis."""

    state: State
    what: str
    found: str
    remedy: str = ""


def ok(what: str, found: str) -> Finding:
    """All is well."""
    return Finding(State.OK, what, found)


def warn(what: str, found: str, remedy: str) -> Finding:
    """Somebody should look at it, some day."""
    return Finding(State.WARN, what, found, remedy)


def fail(what: str, found: str, remedy: str) -> Finding:
    """Somebody must act."""
    return Finding(State.FAIL, what, found, remedy)


def failed(what: str, error: WeftError) -> Finding:
    """What an error of ours says, as a finding."""
    return Finding(State.FAIL, what, error.detail, error.remedy)


def is_well(findings: Sequence[Finding]) -> bool:
    """Whether nothing failed; warnings do not count."""
    return all(finding.state is not State.FAIL for finding in findings)
