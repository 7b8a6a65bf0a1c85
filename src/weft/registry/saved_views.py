"""Saved views: what somebody looks at again and again, kept under a name.

A view says what is asked for, and is no right to see it: each opening asks again, as whoever
opens it. It belongs to the person who made it, who alone changes it; shared, all of the tenant may
open it. What it asks for is a document of the page that it belongs to.
"""

import builtins
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from weft.errors import Forbidden, Invalid, NotFound, QuotaExceeded, StaleVersion, TooLarge
from weft.model.ids import TenantId, new_id
from weft.model.principal import Principal
from weft.ports import Clock, Kind, Reader, Record, Records, Writer
from weft.registry.device_checks import require_label
from weft.security.audit import Audit

VIEWS_MAX: Final = 200  # of one owner
QUERY_MAX_BYTES: Final = 32 * 1024
PAGES: Final = ("explore", "map", "facilities", "devices", "alarms", "work-orders", "overview")

Query = Annotated[dict[str, Any], Meta(description="What the page asks for; a document of it.")]
Label = Annotated[str, Meta(min_length=1, max_length=128)]


class NewView(Struct, frozen=True, forbid_unknown_fields=True):
    """A view to save."""

    name: Label
    query: Query
    page: Annotated[str, Meta(description=", ".join(PAGES))] = "explore"
    shared: Annotated[bool, Meta(description="All of the tenant may open it.")] = False


class ViewPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be changed of a view."""

    name: Label | UnsetType = UNSET
    query: Query | UnsetType = UNSET
    shared: bool | UnsetType = UNSET


class SavedView(Struct, frozen=True):
    """A view as it is kept."""

    tenant: TenantId
    view_id: str
    name: str
    page: str
    query: dict[str, Any]
    shared: bool
    owner: str  # as it is shown
    owner_uid: str
    created_at: int
    updated_at: int


def _index(view: SavedView) -> dict[str, str]:
    return {"owner": view.owner_uid, "seen": "all" if view.shared else view.owner_uid}


VIEWS: Final = Kind("saved_view", SavedView, _index)


class SavedViews:
    """The views of all tenants."""

    def __init__(self, records: Records, audit: Audit, clock: Clock) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock

    async def list(
        self, caller: Principal, *, after: str = "", limit: int = 100
    ) -> builtins.list[Record[SavedView]]:
        """Return the caller's own views and those that are shared, oldest first."""
        tenant = caller.tenant

        def read(reader: Reader) -> builtins.list[Record[SavedView]]:
            own = reader.list(VIEWS, tenant, where=("owner", caller.uid), after=after, limit=limit)
            shared = reader.list(VIEWS, tenant, where=("seen", "all"), after=after, limit=limit)
            return sorted({one.key: one for one in (*own, *shared)}.values())[:limit]

        return await self._records.read(read)

    async def get(self, caller: Principal, view_id: str) -> Record[SavedView]:
        """Return a view, or raise `NotFound`: also for another's that is not shared."""
        return await self._records.read(lambda reader: _seen(reader, caller, view_id))

    async def create(self, actor: Principal, new: NewView) -> Record[SavedView]:
        """Save a view."""
        if new.page not in PAGES:
            raise Invalid(
                f"{new.page!r} is no page with views.", remedy=f"Write one of {', '.join(PAGES)}."
            )
        now = self._clock.now()
        view = SavedView(
            tenant=actor.tenant,
            view_id=new_id(),
            name=require_label(new.name),
            page=new.page,
            query=_require_query(new.query),
            shared=new.shared,
            owner=str(actor),
            owner_uid=actor.uid,
            created_at=now,
            updated_at=now,
        )

        def work(writer: Writer) -> Record[SavedView]:
            if writer.count(VIEWS, actor.tenant, where=("owner", actor.uid)) >= VIEWS_MAX:
                raise QuotaExceeded(
                    f"{actor} has {VIEWS_MAX} views, as many as one may have.",
                    remedy="Delete views that are out of use.",
                )
            record = writer.insert(VIEWS, actor.tenant, view.view_id, view)
            detail = {"name": view.name, "shared": view.shared}
            self._audit.entry(writer, actor, "view.create", f"view:{view.view_id}", detail=detail)
            return record

        return await self._records.write(work)

    async def patch(
        self, actor: Principal, view_id: str, patch: ViewPatch, *, version: int | None = None
    ) -> Record[SavedView]:
        """Change one's own view."""
        query = patch.query if patch.query is UNSET else _require_query(patch.query)

        def work(writer: Writer) -> Record[SavedView]:
            held = _own(writer, actor, view_id)
            if version not in {None, held.version}:
                raise StaleVersion(
                    f"The view is at version {held.version}, not {version}.",
                    remedy="Read it again and repeat the change on it.",
                )
            old = held.value
            new = replace(
                old,
                name=old.name if patch.name is UNSET else require_label(patch.name),
                query=old.query if query is UNSET else query,
                shared=old.shared if patch.shared is UNSET else patch.shared,
                updated_at=self._clock.now(),
            )
            detail = {"name": new.name, "shared": new.shared}
            self._audit.entry(writer, actor, "view.update", f"view:{view_id}", detail=detail)
            return writer.put(VIEWS, actor.tenant, view_id, new, version=held.version)

        return await self._records.write(work)

    async def delete(self, actor: Principal, view_id: str) -> None:
        """Delete one's own view."""

        def work(writer: Writer) -> None:
            held = _own(writer, actor, view_id)
            writer.delete(VIEWS, actor.tenant, view_id)
            detail = {"name": held.value.name}
            self._audit.entry(writer, actor, "view.delete", f"view:{view_id}", detail=detail)

        await self._records.write(work)


def _seen(reader: Reader, caller: Principal, view_id: str) -> Record[SavedView]:
    found = reader.find(VIEWS, caller.tenant, view_id)
    if found is None or not (found.value.shared or found.value.owner_uid == caller.uid):
        raise NotFound(f"There is no view {view_id!r}.", remedy="See weft view list.")
    return found


def _own(reader: Reader, actor: Principal, view_id: str) -> Record[SavedView]:
    found = _seen(reader, actor, view_id)
    if found.value.owner_uid != actor.uid:
        raise Forbidden(
            f"The view belongs to {found.value.owner}.", remedy="Save one of your own from it."
        )
    return found


def _require_query(query: dict[str, Any]) -> dict[str, Any]:
    size = len(msgspec.json.encode(query))
    if size > QUERY_MAX_BYTES:
        raise TooLarge(
            f"The view takes {size} bytes; at most {QUERY_MAX_BYTES} are kept.",
            remedy="Ask for a group instead of many devices.",
        )
    return query
