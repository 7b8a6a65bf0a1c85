"""Views: records as the API shows them, field by field (AZ-2).

What is not named in a view does not leave: a record that grows a secret one day does not
show it. Moments are RFC 3339 outside.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, Protocol, TypeVar

from msgspec import Meta, Struct

from weft.api.cursors import make_cursor, read_cursor
from weft.api.operation import Call
from weft.model.moments import to_rfc3339

T = TypeVar("T")
V = TypeVar("V")
F_co = TypeVar("F_co", covariant=True)

LIMIT_MAX = 1000

Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Limit = Annotated[int, Meta(ge=1, le=LIMIT_MAX, description="How many at most.")]
Cursor = Annotated[
    str,
    Meta(
        max_length=2048, description="`next` of the page before; leave it out for the first page."
    ),
]


FilterText = Annotated[
    str,
    Meta(max_length=4096, description="An expression, as 'critical' in device.tags && connected."),
]


class Page(Struct, Generic[T]):
    """Some of a list, and where the next ones begin."""

    items: list[T]
    next: str | None = None  # cursor of the next page; none when this is the last


class Paging(Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of a list."""

    limit: Limit = 100
    cursor: Cursor | None = None


def moment(at_ns: int | None) -> str | None:
    """Write a moment, where there is one."""
    return None if not at_ns else to_rfc3339(at_ns)


def after_of(call: Call, listing: str) -> str:
    """Return the key behind which the asked page begins."""
    if call.query.cursor is None:
        return ""
    return str(read_cursor(call.principal.tenant, listing, call.query.cursor, str))


class Found(Protocol[F_co]):
    """Some of a list, and the name behind which it goes on, if it does."""

    @property
    def items(self) -> Sequence[F_co]:
        """What was found."""
        ...

    @property
    def after(self) -> str | None:
        """Where to go on."""
        ...


def found_page(call: Call, listing: str, found: Found[T], view: Callable[[T], V]) -> Page[V]:
    """Make a page of what a search found; it may be empty and yet go on."""
    following = found.after
    if following is not None:
        following = make_cursor(call.principal.tenant, listing, following)
    return Page([view(item) for item in found.items], following)


def page_of(
    call: Call,
    listing: str,
    found: Sequence[Any],
    view: Callable[[Any], V],
    key: Callable[[Any], str],
) -> Page[V]:
    """Make a page of what was found with a limit of one more than was asked for."""
    limit = call.query.limit
    following: str | None = None
    if len(found) > limit:
        found = found[:limit]
        following = make_cursor(call.principal.tenant, listing, key(found[-1]))
    return Page([view(item) for item in found], following)
