"""Places over the API: what geofences, routes and trips have in common, kept in books by name.

Each says how it looks in a list and alone; listing, showing, saving and deleting is the same.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from weft.api.operation import Call, Reply
from weft.api.services import Services
from weft.api.views import Page, after_of, page_of
from weft.rules.places.books import PlaceBooks
from weft.rules.places.kinds import Geofence, PlannedRoute, Trip

K = TypeVar("K", bound=Geofence | PlannedRoute | Trip)


class Shelf(Generic[K]):
    """The handlers of one kind of places; its noun is the parameter of its paths."""

    def __init__(
        self,
        noun: str,
        find: Callable[[PlaceBooks], Any],
        line: Callable[[K], Any],
        view: Callable[[K], Any],
    ) -> None:
        self._noun = noun
        self._find = find
        self._line = line
        self._view = view

    async def list(self, services: Services, call: Call) -> Page[Any]:
        """Answer with a page of places."""
        listed = f"{self._noun}s"
        book, after = self._find(services.places).book, after_of(call, listed)
        found = book.behind(call.principal.tenant, after, call.query.limit + 1)
        return page_of(call, listed, found, self._line, lambda one: one.name)

    async def get(self, services: Services, call: Call) -> Reply:
        """Answer with one place."""
        book = self._find(services.places).book
        return self.reply(book.get(call.principal.tenant, call.path[self._noun]))

    async def save(self, services: Services, call: Call) -> Reply:
        """Save a place."""
        books, name = self._find(services.places), call.path[self._noun]
        return self.reply(await books.save(call.principal, name, call.body, version=call.if_match))

    async def delete(self, services: Services, call: Call) -> None:
        """Delete a place."""
        books, name = self._find(services.places), call.path[self._noun]
        await books.delete(call.principal, name, version=call.if_match)

    def reply(self, place: K) -> Reply:
        """Return a place as it is shown alone, with its version."""
        return Reply(self._view(place), version=place.version)
