"""Listings: some of a kind's records that match, and where to go on.

An index answers one question; what else is asked sieves what it finds. A sieve that keeps
little would read everything for one page, so a page examines so many records and no more:
it may then be short or empty, and still says where the next one begins.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Final, Generic, TypeVar

from msgspec import Struct

from weft.model.ids import TenantId
from weft.ports import Kind, Reader, Record

V = TypeVar("V")

EXAMINED_MAX: Final = 5_000  # records of one page: some 20 ms of the reading thread
AT_ONCE: Final = 500


class Part(Struct, Generic[V], frozen=True):
    """Some of what matches, and the key behind which the listing goes on, if it does."""

    items: list[V]
    after: str | None = None

    def __len__(self) -> int:
        """How many there are in this part."""
        return len(self.items)

    def __iter__(self) -> Iterator[V]:
        """Go through those of this part."""
        return iter(self.items)


class Wanted(Struct, Generic[V], frozen=True):
    """What a listing asks for: one index at most, and what else a record must be."""

    kind: Kind[V]
    tenant: TenantId
    where: tuple[str, str] | None = None
    keep: Callable[[V], bool] | None = None  # all where None
    descending: bool = False


def examine(reader: Reader, wanted: Wanted[V], *, after: str = "", limit: int = 100) -> Part[V]:
    """Return at most `limit` records that match among those behind `after`, in key order."""
    found: list[Record[V]] = []
    examined = 0
    while examined < EXAMINED_MAX:
        # Without a sieve one more than asked for is enough to know whether it goes on.
        at_once = limit + 1 - len(found) if wanted.keep is None else AT_ONCE
        at_once = min(at_once, EXAMINED_MAX - examined)
        page = reader.list(
            wanted.kind,
            wanted.tenant,
            where=wanted.where,
            after=after,
            limit=at_once,
            descending=wanted.descending,
        )
        examined += len(page)
        found += [one for one in page if wanted.keep is None or wanted.keep(one.value)]
        if len(found) > limit:
            return Part([one.value for one in found[:limit]], found[limit - 1].key)
        if len(page) < at_once:
            return Part([one.value for one in found])
        after = page[-1].key
    return Part([one.value for one in found], after)


async def collect(
    part_of: Callable[[str, int], Awaitable[Part[V]]], *, after: str, limit: int
) -> list[V]:
    """Return as many as `limit`, part by part, for who must have them all."""
    found: list[V] = []
    while True:
        part = await part_of(after, limit - len(found))
        found += part.items
        if part.after is None or len(found) >= limit:
            return found
        after = part.after
