"""Working calendars: when people of a tenant or site are there, and by when work is to be done.

A due date is the moment a work order is made plus a response time, counted in working hours
only: three hours on Friday afternoon end on Monday morning. An asset (or what it stands
below) names its calendar in the attribute `calendar`; else the tenant's one named `default`
counts; without one the clock runs day and night.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from weft.errors import QuotaExceeded
from weft.model.alarm import Priority
from weft.model.ids import TenantId, require_name
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal
from weft.ports import Clock, Kind, Reader, Records, Writer
from weft.rules.durations import read_duration
from weft.rules.fault_subjects import chain_of
from weft.rules.feeds.schedule import Schedule, read_schedule
from weft.security.audit import Audit

CALENDARS_MAX: Final = 200  # of one tenant
DEFAULT: Final = "default"
ATTRIBUTE: Final = "calendar"
_HOUR_NS: Final = 3_600 * NS_PER_S
_HOPS_MAX: Final = 1_000  # openings looked at: some months of short shifts
# Of working time. In eight-hour days: within half a day, a day, three days, a week.
RESPONSES: Final[Mapping[Priority, int]] = {
    Priority.URGENT: 4 * _HOUR_NS,
    Priority.HIGH: 8 * _HOUR_NS,
    Priority.MEDIUM: 24 * _HOUR_NS,
    Priority.LOW: 40 * _HOUR_NS,
}


class WorkingCalendar(Struct, frozen=True):
    """When people work at a place, and how soon they are to respond (durations as text)."""

    tenant: TenantId
    name: str
    times: str  # "Mon-Fri 07:00-15:30"
    zone: str = "UTC"
    holidays: tuple[str, ...] = ()  # dates
    respond: dict[str, str] = field(default_factory=dict)  # priority -> "4h", of working time
    version: int = 1

    @property
    def schedule(self) -> Schedule:
        """The times of the week; raises `Invalid` for what cannot be read."""
        return read_schedule(self.times, self.zone, self.holidays)

    def response_ns(self, priority: Priority) -> int:
        """Return how soon work of a priority is to be done, in working time."""
        given = self.respond.get(priority.value)
        return read_duration(given) if given else RESPONSES[priority]


CALENDARS: Final = Kind("working_calendar", WorkingCalendar)


def due_at(
    reader: Reader,
    place: tuple[TenantId, str],
    priority: Priority,
    from_at: int,
    within_ns: int | None = None,
) -> int:
    """Return by when work at (tenant, asset) is to be done; `within_ns` overrides the response."""
    calendar = find_calendar(reader, *place)
    if calendar is None:
        return from_at + (RESPONSES[priority] if within_ns is None else within_ns)
    response = calendar.response_ns(priority) if within_ns is None else within_ns
    return add_working_time(calendar.schedule, from_at, response)


def find_calendar(reader: Reader, tenant: TenantId, asset_id: str) -> WorkingCalendar | None:
    """Return the calendar of an asset, of what it stands below, or of the tenant."""
    for asset in chain_of(reader, tenant, asset_id):
        name = asset.attributes.get(ATTRIBUTE)
        found = reader.find(CALENDARS, tenant, name) if isinstance(name, str) and name else None
        if found is not None:
            return found.value
    default = reader.find(CALENDARS, tenant, DEFAULT)
    return default.value if default is not None else None


def add_working_time(schedule: Schedule, from_at: int, working_ns: int) -> int:
    """Return the moment at which so much working time has passed.

    A calendar that is closed for longer than can be looked ahead counts by the clock.
    """
    now, left = from_at, working_ns
    for _ in range(_HOPS_MAX):
        is_open, until = schedule.at(now)
        if is_open and left <= until - now:
            return now + left
        if until - now > LONGEST_NS:
            break
        left -= until - now if is_open else 0
        now = until
    return now + left


LONGEST_NS: Final = 8 * 86_400 * NS_PER_S  # a schedule says "never" for what is further


class Calendars:
    """The working calendars of all tenants."""

    def __init__(self, records: Records, audit: Audit, clock: Clock) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock

    async def list_calendars(
        self, tenant: TenantId, *, after: str = "", limit: int = 100
    ) -> Sequence[WorkingCalendar]:
        """Return calendars in the order of their names."""
        found = await self._records.read(
            lambda reader: reader.list(CALENDARS, tenant, after=after, limit=limit)
        )
        return [record.value for record in found]

    async def get(self, tenant: TenantId, name: str) -> WorkingCalendar:
        """Return a calendar, or raise `NotFound`."""
        return (await self._records.read(lambda reader: reader.get(CALENDARS, tenant, name))).value

    async def save(self, actor: Principal, calendar: WorkingCalendar) -> WorkingCalendar:
        """Make a calendar or put it in the place of the one of its name; check it first.

        Raises `Invalid` for times, zones, dates or durations that cannot be read. Due dates
        that stand already stay.
        """
        require_name(calendar.name, "calendar name")
        calendar.schedule.at(self._clock.now())
        for priority in Priority:
            calendar.response_ns(priority)

        def work(writer: Writer) -> WorkingCalendar:
            old = writer.find(CALENDARS, actor.tenant, calendar.name)
            if old is None and writer.count(CALENDARS, actor.tenant) >= CALENDARS_MAX:
                raise QuotaExceeded(
                    f"The tenant has {CALENDARS_MAX} calendars, as many as fit.",
                    remedy="Delete those that no asset names.",
                )
            version = old.value.version + 1 if old is not None else 1
            saved = replace(calendar, tenant=actor.tenant, version=version)
            writer.put(CALENDARS, actor.tenant, calendar.name, saved)
            detail = {"times": saved.times, "zone": saved.zone}
            target = f"calendar:{saved.name}"
            self._audit.entry(writer, actor, "calendar.save", target, detail=detail)
            return saved

        return await self._records.write(work)

    async def delete(self, actor: Principal, name: str) -> None:
        """Delete a calendar, or raise `NotFound`; due dates that stand already stay."""

        def work(writer: Writer) -> None:
            writer.get(CALENDARS, actor.tenant, name)
            writer.delete(CALENDARS, actor.tenant, name)
            self._audit.entry(writer, actor, "calendar.delete", f"calendar:{name}")

        await self._records.write(work)
