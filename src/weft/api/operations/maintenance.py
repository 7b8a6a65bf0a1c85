"""Operations on maintenance windows: when alarms of a part of the plant are held back."""

from typing import Annotated

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import AlreadyExists, Invalid, NotFound, QuotaExceeded
from weft.model.ids import TenantId
from weft.model.moments import from_rfc3339
from weft.rules.maintenance import Names, Window, WindowTimes

Times = Annotated[
    str,
    Meta(max_length=1000, description='On the wall clock of its zone: "Sat 22:00-04:00, Sun".'),
]
Zone = Annotated[str, Meta(max_length=64, description="As Europe/Berlin.")]
Name = Annotated[str, Meta(max_length=128)]


class WindowBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Where, when and why."""

    reason: Annotated[str, Meta(max_length=500)] = ""
    devices: Names = ()
    assets: Annotated[Names, Meta(description="With all below them.")] = ()
    groups: Annotated[Names, Meta(description="Whoever belongs to them then.")] = ()
    start: Annotated[Moment, Meta(description="RFC 3339; not before.")] | None = None
    end: Annotated[Moment, Meta(description="RFC 3339; not from then on.")] | None = None
    times: Times = ""
    zone: Zone = "UTC"


class NewWindow(WindowBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A maintenance window to be made."""

    name: Name


class WindowView(Struct, frozen=True):
    """A maintenance window as the API shows it."""

    name: str
    reason: str
    devices: list[str]
    assets: list[str]
    groups: list[str]
    start: Moment | None
    end: Moment | None
    times: str
    zone: str
    in_force: bool  # now
    created_at: Moment
    created_by: str
    version: int


def _view(services: Services, window: Window) -> WindowView:
    when = window.when
    return WindowView(
        name=window.name,
        reason=window.reason,
        devices=list(window.devices),
        assets=list(window.assets),
        groups=list(window.groups),
        start=moment(when.from_at),
        end=moment(when.until_at),
        times=when.times,
        zone=when.zone,
        in_force=services.alarm_work.windows.in_force(window),
        created_at=moment(window.created_at) or "",
        created_by=window.created_by,
        version=window.version,
    )


def _window_of(name: str, body: WindowBody) -> Window:
    return Window(
        tenant=TenantId(""),
        name=name,
        reason=body.reason,
        devices=body.devices,
        assets=body.assets,
        groups=body.groups,
        when=WindowTimes(
            from_at=None if body.start is None else from_rfc3339(body.start),
            until_at=None if body.end is None else from_rfc3339(body.end),
            times=body.times,
            zone=body.zone,
        ),
        created_at=0,
        created_by="",
    )


def _reply(services: Services, window: Window) -> Reply:
    return Reply(_view(services, window), version=window.version)


async def list_windows(services: Services, call: Call) -> Page[WindowView]:
    """Answer with a page of windows."""
    found = services.alarm_work.windows.list(
        call.principal.tenant, after=after_of(call, "windows"), limit=call.query.limit + 1
    )
    return page_of(
        call, "windows", found, lambda one: _view(services, one), lambda window: window.name
    )


async def create_window(services: Services, call: Call) -> Reply:
    """Save a window."""
    body: NewWindow = call.body
    window = await services.alarm_work.windows.create(call.principal, _window_of(body.name, body))
    return _reply(services, window)


async def get_window(services: Services, call: Call) -> Reply:
    """Answer with a window."""
    return _reply(
        services, services.alarm_work.windows.get(call.principal.tenant, call.path["window"])
    )


async def replace_window(services: Services, call: Call) -> Reply:
    """Put another in its place."""
    window = _window_of(call.path["window"], call.body)
    return _reply(
        services,
        await services.alarm_work.windows.update(call.principal, window, version=call.if_match),
    )


async def delete_window(services: Services, call: Call) -> None:
    """End it and forget it."""
    await services.alarm_work.windows.delete(
        call.principal, call.path["window"], version=call.if_match
    )


_ONE = "/maintenance-windows/{window}"
_TARGET = "maintenance:{window}"
_EXAMPLE = {
    "reason": "weekly cleaning",
    "assets": ["line-1"],
    "times": "Sat 22:00-04:00",
    "zone": "Europe/Berlin",
}

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_windows",
        "GET",
        "/maintenance-windows",
        "List maintenance windows",
        list_windows,
        action="maintenance.read",
        tag="alarms",
        query=Paging,
        result=Page[WindowView],
        command=Command(
            "maintenance",
            "list",
            columns=("name", "assets", "devices", "groups", "times", "zone", "in_force", "reason"),
        ),
    ),
    Operation(
        "create_window",
        "POST",
        "/maintenance-windows",
        "Plan a maintenance window",
        create_window,
        action="maintenance.write",
        description=(
            "Alarms raised inside it are kept and marked as suppressed; nobody is notified and no "
            "work is ordered. What still holds at its end comes forth. It is for devices (and "
            "what a gateway speaks for), for assets with all below them, and for groups; once, "
            "from start to end, or by times of the week."
        ),
        tag="alarms",
        body=NewWindow,
        result=WindowView,
        status=201,
        etag=True,
        errors=(AlreadyExists, Invalid, QuotaExceeded),
        example={"name": "cleaning", **_EXAMPLE},
        command=Command("maintenance", "add", arguments=("name",)),
    ),
    Operation(
        "get_window",
        "GET",
        _ONE,
        "Show a maintenance window",
        get_window,
        action="maintenance.read",
        target=_TARGET,
        tag="alarms",
        result=WindowView,
        etag=True,
        errors=(NotFound,),
        command=Command("maintenance", "show"),
    ),
    Operation(
        "replace_window",
        "PUT",
        _ONE,
        "Change a maintenance window",
        replace_window,
        action="maintenance.write",
        target=_TARGET,
        description="The whole of it: what is left out is as if it had never been said.",
        tag="alarms",
        body=WindowBody,
        result=WindowView,
        if_match="optional",
        etag=True,
        errors=(NotFound, Invalid),
        example=_EXAMPLE,
        command=Command("maintenance", "update"),
    ),
    Operation(
        "delete_window",
        "DELETE",
        _ONE,
        "End a maintenance window",
        delete_window,
        action="maintenance.write",
        target=_TARGET,
        description="What it held back and still holds comes forth.",
        tag="alarms",
        if_match="optional",
        errors=(NotFound,),
        command=Command("maintenance", "delete", confirm="Delete the window {window}?"),
    ),
)
