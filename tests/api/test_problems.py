"""Every error has a status, a title and a code."""

import inspect

from weft import errors
from weft.api import problems
from weft.api.problems import STATUS, TITLES, headers_of, problem_of, status_of
from weft.errors import RateLimited, Unauthenticated, WeftError

CLASSES = [
    value
    for module in (errors, problems)
    for value in vars(module).values()
    if inspect.isclass(value) and issubclass(value, WeftError)
]


def test_every_error_is_in_the_table_by_itself_or_an_ancestor() -> None:
    """Peers' faults are 4xx; ours are 5xx."""
    for kind in CLASSES:
        status = status_of(kind)
        assert status in TITLES
        assert (status < 500) == issubclass(kind, errors.PeerError), kind
    assert set(STATUS.values()) <= set(TITLES)


def test_codes_are_unique() -> None:
    """A client decides by code."""
    codes = [kind.code for kind in dict.fromkeys(CLASSES)]
    assert len(set(codes)) == len(codes)


def test_a_credential_that_fails_learns_nothing() -> None:
    """Whatever the error knew."""
    problem = problem_of(Unauthenticated("alice's key was revoked at noon"), "r")
    assert "alice" not in problem.detail
    assert problem.code == "unauthenticated"


def test_what_is_not_ours_is_internal() -> None:
    """Neither class nor text leaves."""
    problem = problem_of(KeyError("secret"), "r")
    assert (problem.status, problem.code) == (500, "internal")
    assert "secret" not in problem.detail


def test_waiting_is_told_in_whole_seconds_and_never_zero() -> None:
    """Retry-After has no fractions (RFC 9110, 10.2.3)."""
    for wait, told in ((0.01, b"1"), (1.0, b"1"), (1.2, b"2"), (30.0, b"30")):
        assert headers_of(RateLimited("x", retry_after_s=wait)) == [(b"retry-after", told)]
