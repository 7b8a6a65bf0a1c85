"""Maintenance windows: times in which alarms of a part of the plant are recorded and held back.

A window says where (devices, assets with all below them, groups) and when: once, from a
moment to another, or again and again by the wall clock of a place, its summer time
included. An alarm raised inside is kept and marked, tells nobody and orders no work; what
still holds when the window ends comes forth then (`suppressing`).
"""

import builtins
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from weft.errors import AlreadyExists, Invalid, NotFound, QuotaExceeded, StaleVersion
from weft.model.ids import TenantId, require_name
from weft.model.principal import Principal
from weft.ports import Clock, Kind, Reader, Records, Writer
from weft.rules.feeds.schedule import read_schedule
from weft.security.audit import Audit

WINDOWS_MAX: Final = 1_000  # of one tenant
TARGETS_MAX: Final = 100  # of one window
REASON_MAX: Final = 500

InGroup = Callable[[TenantId, str, str], Awaitable[bool]]  # tenant, group, device id

Names = Annotated[tuple[str, ...], Meta(max_length=TARGETS_MAX)]


class WindowTimes(Struct, frozen=True):
    """When a window is: from and until a moment, or times of the week, or both."""

    from_at: int | None = None  # ns; not before
    until_at: int | None = None  # ns; not from then on
    times: str = ""  # "Sat 22:00-04:00, Sun 06:00-08:00"; empty: all the time between the two
    zone: str = "UTC"


class Window(Struct, frozen=True):
    """A part of the plant that is being worked on at times."""

    tenant: TenantId
    name: str
    reason: str
    devices: tuple[str, ...]
    assets: tuple[str, ...]  # and all below them: a site, a line, a machine
    groups: tuple[str, ...]
    when: WindowTimes
    created_at: int
    created_by: str
    version: int = 1

    def holds_at(self, at: int) -> bool:
        """Whether it is within the window at a moment (ns)."""
        when = self.when
        if when.from_at is not None and at < when.from_at:
            return False
        if when.until_at is not None and at >= when.until_at:
            return False
        return not when.times or read_schedule(when.times, when.zone).at(at)[0]


WINDOWS: Final = Kind("maintenance_window", Window)


class Where(Struct, frozen=True):
    """Where an alarm's subject stands: by its own name, its gateway's, and its assets'."""

    device_id: str
    gateway_id: str = ""
    assets: tuple[str, ...] = ()  # from the root to what it observes
    group: str = ""  # whose alarm it is, where it is no device's


class Windows:
    """The windows of all tenants, in memory as well: who raises an alarm asks without waiting."""

    def __init__(self, records: Records, audit: Audit, clock: Clock, in_group: InGroup) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._in_group = in_group
        self._cache: dict[TenantId, dict[str, Window]] = {}

    async def load(self) -> None:
        """Read all windows; call once, before the first alarm."""
        for window in await self._records.read(_all):
            self._cache.setdefault(window.tenant, {})[window.name] = window

    async def find_covering(self, tenant: TenantId, where: Where, at: int) -> Window | None:
        """Return a window that holds back alarms of a device at a moment, or None."""
        in_force = [one for one in self._of(tenant).values() if one.holds_at(at)]
        places = {where.device_id, where.gateway_id} - {""}
        for window in in_force:
            if not places.isdisjoint(window.devices) or not set(where.assets).isdisjoint(
                window.assets
            ):
                return window
        for window in in_force:
            for group in window.groups:
                if group == where.group or await self._in_group(tenant, group, where.device_id):
                    return window
        return None

    def get(self, tenant: TenantId, name: str) -> Window:
        """Return a window, or raise `NotFound`."""
        found = self._of(tenant).get(name)
        if found is None:
            raise _no_window(name)
        return found

    def list(self, tenant: TenantId, *, after: str = "", limit: int = 100) -> builtins.list[Window]:
        """Return windows in the order of their names."""
        names = sorted(name for name in self._of(tenant) if name > after)
        return [self._of(tenant)[name] for name in names[:limit]]

    def in_force(self, window: Window) -> bool:
        """Whether a window holds alarms back now."""
        return window.holds_at(self._clock.now())

    async def create(self, actor: Principal, window: Window) -> Window:
        """Save a window; raise `AlreadyExists` for a name that is taken, `Invalid` for nonsense."""
        tenant = actor.tenant
        window = replace(
            window, tenant=tenant, created_at=self._clock.now(), created_by=str(actor), version=1
        )
        _require_sound(window)

        def work(writer: Writer) -> None:
            if writer.find(WINDOWS, tenant, window.name) is not None:
                raise AlreadyExists(
                    f"There is a maintenance window {window.name!r} already.",
                    remedy="Choose another name, or update it.",
                )
            if writer.count(WINDOWS, tenant) >= WINDOWS_MAX:
                raise QuotaExceeded(
                    f"The tenant has {WINDOWS_MAX} maintenance windows, as many as fit.",
                    remedy="Delete those that are over.",
                )
            writer.insert(WINDOWS, tenant, window.name, window)
            self._entry(writer, actor, "maintenance.create", window)

        await self._records.write(work)
        self._cache.setdefault(tenant, {})[window.name] = window
        return window

    async def update(
        self, actor: Principal, window: Window, *, version: int | None = None
    ) -> Window:
        """Put a window in the place of the one of its name; raise `StaleVersion` on a race."""
        tenant = actor.tenant

        def work(writer: Writer) -> Window:
            old = _get(writer, tenant, window.name)
            _require_version(old, version)
            new = replace(
                window,
                tenant=tenant,
                created_at=old.created_at,
                created_by=old.created_by,
                version=old.version + 1,
            )
            _require_sound(new)
            writer.put(WINDOWS, tenant, new.name, new, version=old.version)
            self._entry(writer, actor, "maintenance.update", new)
            return new

        new = await self._records.write(work)
        self._cache.setdefault(tenant, {})[new.name] = new
        return new

    async def delete(self, actor: Principal, name: str, *, version: int | None = None) -> None:
        """End a window and forget it; what it held back comes forth."""
        tenant = actor.tenant

        def work(writer: Writer) -> None:
            old = _get(writer, tenant, name)
            _require_version(old, version)
            writer.delete(WINDOWS, tenant, name, version=old.version)
            self._entry(writer, actor, "maintenance.delete", old)

        await self._records.write(work)
        self._cache.get(tenant, {}).pop(name, None)

    def _entry(self, writer: Writer, actor: Principal, action: str, window: Window) -> None:
        detail = {"reason": window.reason, "times": window.when.times, "zone": window.when.zone}
        self._audit.entry(writer, actor, action, f"maintenance:{window.name}", detail=detail)

    def _of(self, tenant: TenantId) -> dict[str, Window]:
        return self._cache.get(tenant, {})


def _require_sound(window: Window) -> None:
    require_name(window.name, "name of a maintenance window")
    if len(window.reason) > REASON_MAX:
        raise Invalid(
            f"The reason has {len(window.reason)} characters; at most {REASON_MAX} fit.",
            remedy="Write a shorter one.",
        )
    targets = [*window.devices, *window.assets, *window.groups]
    for name in targets:
        require_name(name, "name of a device, asset or group")
    if not 0 < len(targets) <= TARGETS_MAX:
        raise Invalid(
            f"A maintenance window is for 1 to {TARGETS_MAX} devices, assets and groups.",
            remedy="Name an asset: it stands for all below it. For more, save a group.",
        )
    when = window.when
    if when.times:
        read_schedule(when.times, when.zone)
    elif when.from_at is None or when.until_at is None:
        raise Invalid(
            "A window without times of the week has a beginning and an end.",
            remedy='Give from and until, or times such as "Sat 22:00-04:00".',
        )
    if when.from_at is not None and when.until_at is not None and when.until_at <= when.from_at:
        raise Invalid("The window ends before it begins.", remedy="Exchange the two moments.")


def _require_version(window: Window, version: int | None) -> None:
    if version is not None and window.version != version:
        raise StaleVersion(
            f"The maintenance window is at version {window.version}, not {version}.",
            remedy="Read it again, then make your change on top.",
        )


def _get(reader: Reader, tenant: TenantId, name: str) -> Window:
    record = reader.find(WINDOWS, tenant, name)
    if record is None:
        raise _no_window(name)
    return record.value


def _no_window(name: str) -> NotFound:
    return NotFound(
        f"There is no maintenance window {name!r}.", remedy="See weft maintenance list."
    )


def _all(reader: Reader) -> Sequence[Window]:
    return list(_windows(reader))


def _windows(reader: Reader) -> Iterable[Window]:
    for tenant in reader.tenants(WINDOWS):
        for record in reader.list(WINDOWS, tenant, limit=WINDOWS_MAX):
            yield record.value
