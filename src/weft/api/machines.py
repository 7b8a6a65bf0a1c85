"""Machines: what history says of them, worked out for pages on facilities.

A machine is a device whose type says what its telemetry means (`registry/production.py`), at an
asset that it observes or observed, as long as it did (`stays.py`). All of one answer is read from
history in few scans, of bounded size.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from weft.api.services import Services
from weft.api.stays import Stay, stays_of
from weft.errors import TooLarge
from weft.history.effectiveness import Used
from weft.history.states import Growth, Interval, Moments, States, growth_of, states_of
from weft.model.asset import Asset, Attachment
from weft.model.device import Device
from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S
from weft.ports import HistoryScan, HistoryTrace, Reader
from weft.registry.production import Production, production_of
from weft.rules.calendars import find_calendar
from weft.rules.feeds.schedule import Schedule

MACHINES_MAX: Final = 200  # in one answer
STAYS_MAX: Final = 1_000  # of these machines, at one place or another
SAMPLES_MAX: Final = 2_000_000  # 50 MB, about a second
OPENINGS_MAX: Final = 2_000  # of a calendar in the time asked for: five years of one shift a day

Traces = dict[tuple[str, str], HistoryTrace]


class Machine(Struct, frozen=True):
    """A device that watches a machine, where and when it did, and what its telemetry means."""

    device: Device
    asset_id: str
    production: Production
    within: tuple[Interval, ...]  # of the time that was asked for
    made_at: int | None = None  # ns; where it was never anywhere else before: known since then

    @property
    def key(self) -> tuple[str, str]:
        """The device at this asset, and nowhere else."""
        return self.device.uid, self.asset_id


class Course(Struct, frozen=True, eq=False):
    """What a machine did in a time, of which some was planned: read once, cut for each part."""

    production: Production
    present: Moments  # a row each: from when until when it was there
    planned: Moments  # the same of the work that was planned there meanwhile
    states: States  # within the planned time, as is what was counted
    grown: Mapping[str, Growth]  # by the key of a counter


class Span(Struct, frozen=True):
    """From when until when, in ns."""

    start: int
    end: int

    @property
    def interval(self) -> Interval:
        """As a pair."""
        return self.start, self.end


async def machines_of(
    services: Services, tenant: TenantId, top: Asset, span: Span
) -> list[Machine]:
    """Return the machines at an asset and below it in a time, or raise `TooLarge`."""

    def watches(attachment: Attachment) -> bool:
        device = services.devices.find(tenant, attachment.device_id)
        if device is None or device.uid != attachment.device_uid:
            return False  # deleted since, and its history with it
        return production_of(services.types.followed_by(device)) is not None

    assets = services.assets.below(top)
    stays = await stays_of(services.records, tenant, assets, span.interval, watches)
    found = [*_machines(services, tenant, stays)]
    count = len({one.device.uid for one in found})
    if count > MACHINES_MAX or len(found) > STAYS_MAX:
        raise TooLarge(
            f"There are {count} machines at {top.asset_id!r} and below it, at {len(found)} places.",
            remedy="Ask for a part of it, or a shorter time: an answer is worked out of at most "
            f"{MACHINES_MAX} machines at {STAYS_MAX} places.",
        )
    return found


def _machines(services: Services, tenant: TenantId, stays: Iterable[Stay]) -> Iterator[Machine]:
    for stay in stays:
        device = services.devices.find(tenant, stay.device_id)
        production = production_of(services.types.followed_by(device)) if device else None
        if device is not None and production is not None:
            first_at = stay.first_at
            made_at = None if first_at is None else min(first_at, device.created_at)
            yield Machine(device, stay.asset_id, production, stay.within, made_at)


def there(machines: Iterable[Machine], traces: Traces) -> list[Machine]:
    """Return machines without the time before anything is known of them, or any sample is."""
    known = (_since(one, traces) for one in machines)
    return [one for one in known if one.within]


def _since(machine: Machine, traces: Traces) -> Machine:
    if machine.made_at is None:
        return machine
    keys = ((machine.device.device_id, key) for key in machine.production.keys)
    heard = [int(traces[key].at[0]) for key in keys if key in traces and len(traces[key].at)]
    begin = min([machine.made_at, *heard])
    cut = ((max(start, begin), end) for start, end in machine.within)
    return replace(machine, within=tuple((start, end) for start, end in cut if start < end))


async def read_traces(services: Services, machines: Iterable[Machine], span: Span) -> Traces:
    """Return the samples of machines, from where states begin, or raise `TooLarge`."""
    groups: dict[tuple[tuple[str, ...], int], list[Machine]] = {}
    for machine in machines:
        known = (machine.production.keys, machine.production.silent_ns)
        groups.setdefault(known, []).append(machine)
    scans = [
        HistoryScan(
            some[0].device.tenant,
            tuple(dict.fromkeys(one.device.device_id for one in some)),
            keys,
            span.start - silent_ns,
            span.end,
        )
        for (keys, silent_ns), some in groups.items()
    ]
    await require_room(services, scans)
    found: Traces = {}
    for scan in scans:
        found.update(((one.device, one.key), one) for one in await services.history.scan(scan))
    return found


async def require_room(services: Services, scans: Sequence[HistoryScan]) -> None:
    """Raise `TooLarge` for more samples than an answer is worked out of."""
    samples = sum([await services.history.count(scan) for scan in scans])
    if samples > SAMPLES_MAX:
        raise TooLarge(
            f"The answer would be worked out of {samples} samples.",
            remedy=f"Ask for a shorter time or fewer machines: at most {SAMPLES_MAX} are read.",
        )


async def planned_times(
    services: Services, machines: Iterable[Machine], span: Span
) -> dict[str, list[Interval]]:
    """Return when work is planned at each machine's asset; all of the time without a calendar."""
    places = {(one.device.tenant, one.asset_id) for one in machines}

    def read(reader: Reader) -> dict[str, Schedule | None]:
        found = {}
        for tenant, asset_id in places:
            calendar = find_calendar(reader, tenant, asset_id)
            found[asset_id] = None if calendar is None else calendar.schedule
        return found

    schedules = await services.records.read(read)
    return await asyncio.to_thread(
        lambda: {name: open_times(schedule, span) for name, schedule in schedules.items()}
    )


def open_times(schedule: Schedule | None, span: Span) -> list[Interval]:
    """Return when a schedule is open, in order; raise `TooLarge` for too many openings."""
    if schedule is None:
        return [span.interval]
    found: list[Interval] = []
    now = span.start
    while now < span.end:
        is_open, until = schedule.at(now)
        until = min(until, span.end)
        if is_open:
            found.append((now, until))
        if len(found) > OPENINGS_MAX:
            raise TooLarge(
                "The calendar opens too often in the time asked for.",
                remedy="Ask for a shorter time.",
            )
        now = until
    return found


def states_in(machine: Machine, traces: Traces, span: Span) -> States:
    """Return the states of a machine, as long as it was there."""
    production = machine.production
    trace = traces.get((machine.device.device_id, production.state))
    states = states_of(trace, span.start, span.end, production.silent_ns)
    return states.cut(_rows(machine.within))


def course_of(machine: Machine, traces: Traces, planned: Sequence[Interval], span: Span) -> Course:
    """Return what a machine did in the planned part of a time."""
    production, name = machine.production, machine.device.device_id
    rows = _both(planned, machine.within)
    counters = (production.count, production.good, production.rejects)
    return Course(
        production,
        _rows(machine.within),
        rows,
        states_in(machine, traces, span).cut(rows),
        {
            key: growth_of(traces.get((name, key)), total=production.counts_total).cut(rows)
            for key in counters
            if key is not None
        },
    )


def _rows(intervals: Sequence[Interval]) -> Moments:
    return np.array(intervals, np.int64).reshape(-1, 2)


def _both(some: Sequence[Interval], others: Sequence[Interval]) -> Moments:
    """Return what lies in both of two lists; each is in order."""
    found: list[Interval] = []
    here = there = 0
    while here < len(some) and there < len(others):
        (begin, end), (start, stop) = some[here], others[there]
        if max(begin, start) < min(end, stop):
            found.append((max(begin, start), min(end, stop)))
        here, there = (here + 1, there) if end < stop else (here, there + 1)
    return _rows(found)


def _open_ns(rows: Moments, span: Span) -> int:
    within = np.clip(rows, span.start, span.end)
    return int((within[:, 1] - within[:, 0]).sum())


def used(course: Course, span: Span) -> Used:
    """Return how a machine was used in all of its course's time, or in a part of it."""
    production = course.production
    held = course.states.cut([span.interval]).durations()
    open_ns = _open_ns(course.planned, span)
    spared_ns = sum(held.get(state, 0) for state in production.not_planned)
    producing_s = sum(held.get(state, 0) for state in production.producing) / NS_PER_S

    def counted(key: str | None) -> float | None:
        return None if key is None else course.grown[key].within(span.interval)

    produced, good, rejects = (
        counted(key) for key in (production.count, production.good, production.rejects)
    )
    if good is None and produced is not None and rejects is not None:
        good = max(produced - rejects, 0.0)
    rate = production.ideal_per_hour
    return Used(
        span_s=_open_ns(course.present, span) / NS_PER_S,
        planned_s=(open_ns - spared_ns) / NS_PER_S,
        producing_s=producing_s,
        unknown_s=(open_ns - sum(held.values())) / NS_PER_S,
        rated_s=producing_s if rate and produced is not None else 0.0,
        ideal_s=None if rate is None or produced is None else produced * 3600 / rate,
        produced=produced,
        judged=None if good is None else produced,
        good=None if produced is None else good,
    )
