"""Operations on facilities: what machines did over time, and how well they were used."""

import asyncio
from typing import Annotated, Final

from msgspec import Meta, Struct

from weft.api.machines import (
    Machine,
    Span,
    Traces,
    course_of,
    machines_of,
    planned_times,
    read_traces,
    require_room,
    states_in,
    there,
    used,
)
from weft.api.operation import Call, Command, Operation
from weft.api.operations.history import DAY_NS
from weft.api.services import Services
from weft.api.views import Moment, moment
from weft.errors import Invalid, NotFound, TooLarge
from weft.history.effectiveness import Used, together
from weft.history.states import States, states_of
from weft.model.asset import Asset
from weft.model.moments import NS_PER_S, from_rfc3339
from weft.ports import HistoryScan
from weft.registry.production import production_of
from weft.rules.durations import read_duration
from weft.security.policy import require

FACILITIES_MAX: Final = 20
BUCKETS_MAX: Final = 100
FIGURES_MAX: Final = 25_000  # machines times buckets: about two seconds
_Name = Annotated[str, Meta(max_length=128)]
Figures = dict[tuple[str, str], list[Used]]  # of the whole time, then of each bucket


class SpanQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Over which time. `start` is in, `end` is out."""

    start: Annotated[str, Meta(description="RFC 3339; a day before end if left out.")] | None = None
    end: Annotated[str, Meta(description="RFC 3339; now if left out.")] | None = None


class TimelineQuery(SpanQuery, frozen=True, kw_only=True):
    """What is drawn."""

    points: Annotated[int, Meta(ge=1, le=2000, description="Pixels: what is shorter goes.")] = 600


class DeviceTimelineQuery(TimelineQuery, frozen=True, kw_only=True):
    """What is drawn of a device."""

    key: Annotated[_Name, Meta(description="The state; as its type says.")] | None = None
    silent: Annotated[str, Meta(description="How long a state is believed, as 15m.")] | None = None


class EffectivenessQuery(SpanQuery, frozen=True, kw_only=True):
    """Of which facilities, side by side."""

    assets: Annotated[
        tuple[_Name, ...],
        Meta(min_length=1, max_length=FACILITIES_MAX, description="Each with all below it."),
    ]
    bucket: Annotated[str, Meta(description="A figure for each of these, as 1d.")] | None = None


class SpanView(Struct, frozen=True):
    """A state, from when until when: milliseconds since 1970, UTC."""

    state: str
    start_ms: int
    end_ms: int


class TimelineView(Struct, frozen=True):
    """The states of one machine; between spans nothing is known."""

    device_id: str
    asset_id: str | None
    key: str
    producing: list[str]  # states in which it produces, as its type says
    spans: list[SpanView]
    seconds: dict[str, float]  # how long each state held, to the last sample
    span_s: float  # of the time that was asked for: how long it was there


class TimelinesView(Struct, frozen=True):
    """The states of all machines of a facility."""

    start: Moment
    end: Moment
    machines: list[TimelineView]


class UsedView(Struct, frozen=True):
    """How well something was used; ISO 22400-2 has the words. None: not known."""

    span_s: float
    planned_busy_s: float
    production_s: float
    unknown_s: float
    produced: float | None
    good: float | None
    availability: float | None
    effectiveness: float | None
    quality_ratio: float | None
    oee: float | None
    utilisation: float | None


class MachineUsed(Struct, frozen=True):
    """How well one machine was used."""

    device_id: str
    asset_id: str
    figures: UsedView


class BucketUsed(Struct, frozen=True):
    """How well a facility was used in a part of the time."""

    start: Moment
    figures: UsedView


class FacilityUsed(Struct, frozen=True):
    """How well a facility was used: all of its machines together, and one by one."""

    asset_id: str
    kind: str
    label: str
    figures: UsedView
    machines: list[MachineUsed]
    buckets: list[BucketUsed]


class EffectivenessView(Struct, frozen=True):
    """Facilities side by side."""

    start: Moment
    end: Moment
    facilities: list[FacilityUsed]


def used_view(one: Used) -> UsedView:
    """Show figures."""
    return UsedView(
        span_s=one.span_s,
        planned_busy_s=one.planned_s,
        production_s=one.producing_s,
        unknown_s=one.unknown_s,
        produced=one.produced,
        good=one.good,
        availability=one.availability,
        effectiveness=one.effectiveness,
        quality_ratio=one.quality_ratio,
        oee=one.oee,
        utilisation=one.utilisation,
    )


def _span(services: Services, query: SpanQuery) -> Span:
    now = services.clock.now() + 1
    # What is still to come is nobody's loss.
    end = now if query.end is None else min(from_rfc3339(query.end), now)
    start = end - DAY_NS if query.start is None else from_rfc3339(query.start)
    if start >= end:
        raise Invalid("The time asked for is empty.", remedy="Let start be before end, and past.")
    return Span(start, end)


async def get_device_timeline(services: Services, call: Call) -> TimelineView:
    """Answer with the states of one device."""
    query: DeviceTimelineQuery = call.query
    tenant = call.principal.tenant
    device = services.devices.get(tenant, call.path["device_id"])
    said = production_of(services.types.followed_by(device))
    key = query.key or (said.state if said else None)
    if key is None:
        raise Invalid(
            f"The type of {device.device_id!r} does not say which key is its state.",
            remedy="Name a key, or write `production:` into the type.",
        )
    span = _span(services, query)
    silent_ns = said.silent_ns if said else 900 * NS_PER_S
    if query.silent is not None:
        silent_ns = read_duration(query.silent)
    scan = HistoryScan(tenant, (device.device_id,), (key,), span.start - silent_ns, span.end)
    await require_room(services, [scan])
    traces = await services.history.scan(scan)
    states = await asyncio.to_thread(
        states_of, traces[0] if traces else None, span.start, span.end, silent_ns
    )
    producing = sorted(said.producing) if said and said.state == key else []
    return await asyncio.to_thread(
        lambda: _timeline((device.device_id, None, key), producing, states, (span, query.points))
    )


async def get_asset_timeline(services: Services, call: Call) -> TimelinesView:
    """Answer with the states of all machines of a facility."""
    query: TimelineQuery = call.query
    tenant = call.principal.tenant
    top = services.assets.get(tenant, call.path["asset_id"])
    require(services.policy, call.principal, "asset.read", f"asset:{top.asset_id}")
    span = _span(services, query)
    machines = await machines_of(services, tenant, top, span)
    traces = await read_traces(services, machines, span)
    drawn = (span, query.points)
    known = there(machines, traces)
    found = await asyncio.to_thread(lambda: [_drawn(one, traces, drawn) for one in known])
    return TimelinesView(moment(span.start) or "", moment(span.end) or "", found)


def _drawn(machine: Machine, traces: Traces, drawn: tuple[Span, int]) -> TimelineView:
    production = machine.production
    named = (machine.device.device_id, machine.asset_id, production.state)
    states = states_in(machine, traces, drawn[0])
    there_s = sum(end - start for start, end in machine.within) / NS_PER_S
    return _timeline(named, sorted(production.producing), states, drawn, there_s)


def _timeline(
    named: tuple[str, str | None, str],
    producing: list[str],
    states: States,
    drawn: tuple[Span, int],
    there_s: float | None = None,
) -> TimelineView:
    span, points = drawn
    picture = states.drawn(span.start, span.end, points) if len(states.words) > points else states
    rows = zip(picture.words, picture.starts.tolist(), picture.ends.tolist(), strict=True)
    spans = [SpanView(word, start // 1_000_000, end // 1_000_000) for word, start, end in rows]
    seconds = {word: took / NS_PER_S for word, took in sorted(states.durations().items())}
    whole_s = (span.end - span.start) / NS_PER_S
    return TimelineView(*named, producing, spans, seconds, whole_s if there_s is None else there_s)


async def get_effectiveness(services: Services, call: Call) -> EffectivenessView:
    """Answer with how well facilities were used, side by side."""
    query: EffectivenessQuery = call.query
    tenant = call.principal.tenant
    span = _span(services, query)
    tops = [services.assets.get(tenant, name) for name in dict.fromkeys(query.assets)]
    for top in tops:
        require(services.policy, call.principal, "asset.read", f"asset:{top.asset_id}")
    machines = {top.asset_id: await machines_of(services, tenant, top, span) for top in tops}
    all_of_them = {one.key: one for some in machines.values() for one in some}
    spans = [span, *_buckets(span, query.bucket)]
    _require_few(len(all_of_them), len(spans))
    traces = await read_traces(services, all_of_them.values(), span)
    all_of_them = {one.key: one for one in there(all_of_them.values(), traces)}
    planned = await planned_times(services, all_of_them.values(), span)

    def work() -> list[FacilityUsed]:
        figures: Figures = {}
        for key, one in all_of_them.items():
            course = course_of(one, traces, planned[one.asset_id], span)
            figures[key] = [used(course, part) for part in spans]
        return [_facility(top, machines[top.asset_id], figures, spans[1:]) for top in tops]

    found = await asyncio.to_thread(work)
    return EffectivenessView(moment(span.start) or "", moment(span.end) or "", found)


def _require_few(machines: int, spans: int) -> None:
    if machines * spans > FIGURES_MAX:
        raise TooLarge(
            f"The answer would be worked out of {machines} machines in {spans} times each.",
            remedy="Ask for fewer facilities or for longer buckets: machines times buckets are "
            f"{FIGURES_MAX} at most.",
        )


def _facility(
    top: Asset, machines: list[Machine], figures: Figures, buckets: list[Span]
) -> FacilityUsed:
    known = [one for one in machines if one.key in figures]
    each = [figures[one.key] for one in known]
    return FacilityUsed(
        top.asset_id,
        top.kind,
        top.label,
        used_view(together(one[0] for one in each)),
        [
            MachineUsed(one.device.device_id, one.asset_id, used_view(whole))
            for one, (whole, *_) in zip(known, each, strict=True)
        ],
        [
            BucketUsed(moment(bucket.start) or "", used_view(together(one[place] for one in each)))
            for place, bucket in enumerate(buckets, 1)
        ],
    )


def _buckets(span: Span, text: str | None) -> list[Span]:
    if text is None:
        return []
    width = read_duration(text)
    if width <= 0 or (span.end - span.start) // width >= BUCKETS_MAX:
        raise Invalid(
            f"There would be more than {BUCKETS_MAX} buckets.", remedy="Ask for longer ones."
        )
    return [
        Span(start, min(start + width, span.end)) for start in range(span.start, span.end, width)
    ]


_MEANING = (
    "Of devices whose type has a section `production`. The words are those of ISO 22400-2: "
    "availability is production time by planned busy time (the calendar of the asset, less states "
    "that are not planned), effectiveness is ideal time by production time, the quality ratio is "
    "good by produced; `oee` is their product. Of several machines, times and quantities are "
    "added, not ratios. `utilisation` is production time by all of the time. A device that "
    "was moved counts where it was then; before it was attached anywhere, at its first asset."
)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_device_timeline",
        "GET",
        "/devices/{device_id}/timeline",
        "Show the states of a device over time",
        get_device_timeline,
        action="history.read",
        target="device:{device_id}",
        tag="facilities",
        query=DeviceTimelineQuery,
        result=TimelineView,
        errors=(Invalid, NotFound, TooLarge),
        command=Command("history", "timeline"),
    ),
    Operation(
        "get_asset_timeline",
        "GET",
        "/assets/{asset_id}/timeline",
        "Show the states of all machines of a facility over time",
        get_asset_timeline,
        action="history.read",
        tag="facilities",
        query=TimelineQuery,
        result=TimelinesView,
        errors=(Invalid, NotFound, TooLarge),
        command=Command("asset", "timeline"),
    ),
    Operation(
        "get_effectiveness",
        "GET",
        "/effectiveness",
        "Compare how well facilities were used: utilisation and OEE",
        get_effectiveness,
        action="history.read",
        description=_MEANING,
        tag="facilities",
        query=EffectivenessQuery,
        result=EffectivenessView,
        errors=(Invalid, NotFound, TooLarge),
        command=Command("asset", "effectiveness"),
    ),
)
