"""Pages and moments."""

from weft.api.operation import Call
from weft.api.views import Paging, after_of, moment, page_of
from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind

VERA = Principal(TenantId("main"), PrincipalKind.USER, "vera", "uid")


def call(limit: int, cursor: str | None = None) -> Call:
    return Call(VERA, "", "", {}, query=Paging(limit=limit, cursor=cursor))


def test_one_more_than_asked_means_a_next_page() -> None:
    """Which begins behind the last one shown."""
    page = page_of(call(2), "things", ["a", "b", "c"], str.upper, str)
    assert page.items == ["A", "B"]
    assert page.next is not None
    assert after_of(call(2, page.next), "things") == "b"
    assert page_of(call(3), "things", ["a", "b", "c"], str.upper, str).next is None


def test_a_moment_that_never_was_is_none() -> None:
    """Neither None nor the year 1970."""
    assert moment(None) is moment(0) is None
    assert moment(1_000_000_000) == "1970-01-01T00:00:01Z"
