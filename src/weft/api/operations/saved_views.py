"""Operations on saved views: what people look at again and again."""

from typing import Any

from msgspec import Struct

from weft.api.operation import Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import Forbidden, Invalid, NotFound, QuotaExceeded, TooLarge
from weft.ports import Record
from weft.registry.saved_views import NewView, SavedView, SavedViews, ViewPatch


class SavedViewView(Struct, frozen=True):
    """A saved view as the API shows it."""

    view_id: str
    name: str
    page: str
    query: dict[str, Any]
    shared: bool
    owner: str
    own: bool  # whether the caller may change it
    created_at: Moment
    updated_at: Moment
    version: int


def _views(services: Services) -> SavedViews:
    return SavedViews(services.records, services.audit, services.clock)


def _view(call: Call, record: Record[SavedView]) -> SavedViewView:
    view = record.value
    return SavedViewView(
        view.view_id,
        view.name,
        view.page,
        view.query,
        view.shared,
        view.owner,
        view.owner_uid == call.principal.uid,
        moment(view.created_at) or "",
        moment(view.updated_at) or "",
        record.version,
    )


def _reply(call: Call, record: Record[SavedView]) -> Reply:
    return Reply(_view(call, record), version=record.version)


async def list_views(services: Services, call: Call) -> Page[SavedViewView]:
    """Answer with a page of views."""
    found = await _views(services).list(
        call.principal, after=after_of(call, "views"), limit=call.query.limit + 1
    )
    return page_of(call, "views", found, lambda one: _view(call, one), lambda one: str(one.key))


async def create_view(services: Services, call: Call) -> Reply:
    """Save a view."""
    return _reply(call, await _views(services).create(call.principal, call.body))


async def get_view(services: Services, call: Call) -> Reply:
    """Answer with one view."""
    return _reply(call, await _views(services).get(call.principal, call.path["view_id"]))


async def update_view(services: Services, call: Call) -> Reply:
    """Change a view."""
    changed = await _views(services).patch(
        call.principal, call.path["view_id"], call.body, version=call.if_match
    )
    return _reply(call, changed)


async def delete_view(services: Services, call: Call) -> None:
    """Delete a view."""
    await _views(services).delete(call.principal, call.path["view_id"])


_ONE = "/views/{view_id}"
_TARGET = "view:{view_id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_views",
        "GET",
        "/views",
        "List saved views: one's own, and those that are shared",
        list_views,
        action="view.read",
        query=Paging,
        result=Page[SavedViewView],
        command=Command("view", "list", columns=("view_id", "name", "page", "owner", "shared")),
    ),
    Operation(
        "create_view",
        "POST",
        "/views",
        "Save a view",
        create_view,
        action="view.write",
        description=(
            "A view says what is asked for; whoever opens a shared one asks with their own rights."
        ),
        body=NewView,
        result=SavedViewView,
        status=201,
        etag=True,
        errors=(Invalid, QuotaExceeded, TooLarge),
        example={
            "name": "Pumps, this week",
            "page": "explore",
            "query": {"devices": ["pump-7"], "keys": ["temperature"], "bucket": "1h"},
            "shared": True,
        },
    ),
    Operation(
        "get_view",
        "GET",
        _ONE,
        "Show a saved view",
        get_view,
        action="view.read",
        target=_TARGET,
        result=SavedViewView,
        etag=True,
        errors=(NotFound,),
        command=Command("view", "show"),
    ),
    Operation(
        "update_view",
        "PATCH",
        _ONE,
        "Change one's own saved view",
        update_view,
        action="view.write",
        target=_TARGET,
        body=ViewPatch,
        result=SavedViewView,
        if_match="optional",
        etag=True,
        errors=(Forbidden, NotFound, TooLarge),
        example={"shared": False},
    ),
    Operation(
        "delete_view",
        "DELETE",
        _ONE,
        "Delete one's own saved view",
        delete_view,
        action="view.write",
        target=_TARGET,
        errors=(Forbidden, NotFound),
        command=Command("view", "delete", confirm="Delete the view {view_id}?"),
    ),
)
