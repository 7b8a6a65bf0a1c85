"""The tree of errors: told apart by class, named by a code that never changes, safe to show."""

import re
from collections.abc import Iterator

import pytest

from weft import errors
from weft.errors import (
    ConnectorError,
    Damaged,
    Forbidden,
    PeerError,
    RateLimited,
    StaleVersion,
    StorageError,
    WeftError,
)


def tree(kind: type[WeftError] = WeftError) -> Iterator[type[WeftError]]:
    """Yield the errors of the core, parents first."""
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == "weft.errors":
            yield from tree(below)


def test_an_error_says_what_happened_and_what_to_do() -> None:
    """A person reads both; the text of the exception is what happened."""
    error = Forbidden("pump-7 may not write here.", remedy="Ask for the right twin.write.")
    assert str(error) == error.detail == "pump-7 may not write here."
    assert error.remedy == "Ask for the right twin.write."
    assert Forbidden("no").remedy == ""


@pytest.mark.parametrize("kind", list(tree()), ids=lambda kind: kind.__name__)
def test_every_error_has_a_code_and_a_meaning_of_its_own(kind: type[WeftError]) -> None:
    """A client switches on the code, so no two kinds share one."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)
    assert "code" in vars(kind)
    assert kind.__doc__
    assert [other.code for other in tree()].count(kind.code) == 1


def test_the_drawing_in_the_docstring_is_the_tree() -> None:
    """Who reads the module's head sees every error, below the right parent."""
    drawn = [
        (len(match[1]) // 4, match[2])
        for line in (errors.__doc__ or "").splitlines()
        if (match := re.match(r"^([\s│├└─]*)([A-Z]\w+)(\s{2,}|$)", line))
    ]
    names = [name for _, name in drawn if name != "WeftError"]
    assert sorted(names) == sorted(kind.__name__ for kind in tree() if kind is not WeftError)
    root = drawn[0][0]
    for kind in tree():
        depth = next(depth for depth, name in drawn if name == kind.__name__) - root
        assert depth == len(kind.__mro__) - len(WeftError.__mro__), kind


def test_whose_fault_it_is_shows_in_the_class() -> None:
    """A boundary tells the peer of its faults, and nobody of ours."""
    assert issubclass(StaleVersion, PeerError)
    assert not issubclass(StorageError, PeerError)
    assert issubclass(Damaged, StorageError)


def test_too_often_says_when_to_come_back() -> None:
    """In seconds for programs, in words for people."""
    error = RateLimited("100 requests a second are allowed.", retry_after_s=2.5)
    assert error.retry_after_s == 2.5
    assert error.remedy == "Try again in 2.5 s."


def test_a_connector_says_whether_trying_again_can_help() -> None:
    """By default it can: most faults of a far side pass."""
    assert not ConnectorError("The ERP answers 503.", retry_after_s=30).permanent
    assert ConnectorError("The ERP knows no such project.", permanent=True).permanent
