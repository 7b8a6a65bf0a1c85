"""One run over the past: the live evaluation, with the messages' own clock, beside live.

It reads before `start` as far as the rule looks back, so that windows are filled and waits
are under way when `start` comes. The rule and the one it is compared with see the same
messages in the same order.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import Invalid
from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed, Operation
from weft.ports import HistoryScan, HistoryTrace, Journal
from weft.rules.conditions import Compiled, CompiledMember, compile_members, compile_rule
from weft.rules.feeds.base import Feed, Span
from weft.rules.health import RuleHealth
from weft.rules.language import Scope
from weft.rules.ledger import Firing, Ledger
from weft.rules.model import Rule
from weft.rules.past.model import Asked, ReplayPath
from weft.rules.past.pace import Pace
from weft.rules.past.settings import ReplaySettings
from weft.rules.past.sieve import make_sieve, sieved
from weft.rules.past.sources import (
    BEFORE,
    Messages,
    Samples,
    Scans,
    TellIn,
    Watched,
    cleaned,
    slices,
    without,
)
from weft.rules.past.tables import Rows, Table, make_table
from weft.rules.replay import MAX_FIRINGS, trial_rule
from weft.rules.requests import Request
from weft.rules.runtime import Runtime
from weft.rules.surroundings import Surroundings
from weft.rules.worked import settle

WARM_UP_NS = 10 * 60 * 1_000_000_000  # at least: a key that is sent seldom is known then
_NAMED = re.compile(r"\{([^{}]+)\}")
NEVER = 2**63 - 1
_PAGE = 1_000
_ALL_SEEN = 5


class Given(Struct, frozen=True, eq=False):
    """What is read, and in which surroundings."""

    journal: Journal
    samples: Samples
    history: Scans
    around: Surroundings


class Progress(Struct):
    """How far a run is; `cancelled` is set from outside."""

    done: int = 0
    total: int = 0
    samples: int = 0
    cancelled: bool = False

    @property
    def percent(self) -> float:
        """How much was read, of what was there at the start."""
        return 100.0 if not self.total else min(100.0, round(100 * self.done / self.total, 1))


class Side:
    """One rule on its way over the past."""

    def __init__(self, rule: Rule, around: Surroundings) -> None:
        self.rule = rule
        self._asked: list[Request] = []
        self._runtime = Runtime(around, self._asked.append)
        self._runtime.set_rule(rule, at=0)
        self._ledger = Ledger()

    def apply(self, batch: Committed) -> None:
        """Evaluate messages."""
        self._runtime.apply(batch, after=BEFORE)
        if self._asked:
            self._ledger.take(self._asked)

    def advance(self, until: int) -> None:
        """Let time go on to the end."""
        self._runtime.advance(until)
        self._ledger.take(self._asked)

    def settle(self, device_id: DeviceId, memories: Mapping[str, Feed]) -> None:
        """Go on, on one device, with windows that were filled beside it."""
        state = self._runtime.states.get((self.rule.tenant, device_id))
        if state is not None:
            slots, nodes = state.program.slots, state.program.feeding.nodes
            settle(
                state.feeds,
                state.slots,
                [slots[node.path] for node in nodes],
                [memories.get(node.text) for node in nodes],
            )
            self._runtime.remember_again(state)

    @property
    def firings(self) -> list[Firing]:
        """What it would have raised."""
        return list(self._ledger.firings.values())

    @property
    def is_full(self) -> bool:
        """Whether it has raised as much as is kept."""
        return len(self._ledger.firings) >= MAX_FIRINGS

    @property
    def health(self) -> RuleHealth:
        """How its evaluation went."""
        return self._runtime.rule_health(self.rule.tenant, self.rule.rule_id)


class Run:
    """A replay that is under way."""

    def __init__(
        self, given: Given, tenant: TenantId, asked: Asked, settings: ReplaySettings
    ) -> None:
        self._given = given
        self._tenant = tenant
        self._asked = asked
        self._settings = settings
        self._pace = Pace(settings.slice_ms, settings.share)
        self.progress = Progress()
        self.path = ReplayPath.EXACT
        self.side = self._side(asked.document)
        self.other = None
        if asked.against_document is not None:
            self.other = self._side(asked.against_document)
        self._sides = [self.side] if self.other is None else [self.side, self.other]

    def _side(self, document: dict[str, object]) -> Side:
        rule = past_rule(document, self._tenant, self._given.around, self._asked.devices)
        return Side(rule, self._given.around)

    async def run(self) -> None:
        """Read and evaluate everything, or until it is cancelled or full."""
        asked, journal = self._asked, self._given.journal
        begin = asked.start - asked.warm_up_ns
        kept_from = NEVER if asked.measured else await journal_begin(self._given)
        scan = HistoryScan(self._tenant, (), (), begin, min(asked.end, max(kept_from, begin)))
        watched = list(watched_by([side.rule for side in self._sides], self._given.around))
        if scan.start < scan.end and watched:
            devices = tuple(str(one.device.device_id) for one in watched)
            keys = tuple(sorted(self._keys(watched)))
            scan = HistoryScan(self._tenant, devices, keys, scan.start, scan.end)
            self.progress.total += await self._given.history.count(scan)
        after = await journal.first_after(max(begin, scan.end)) - 1
        until = max(after, await journal.first_after(asked.end) - 1)
        self.progress.total += until - after
        if scan.devices and scan.keys and not await self._over_history(scan, watched):
            return
        if await self._over_journal(after, until, kept_from):
            for side in self._sides:
                side.advance(asked.end)

    async def _over_history(self, scan: HistoryScan, watched: list[Watched]) -> bool:
        messages = Messages(watched)
        reading = _Reading(watched, self._sides, self._given.around, self._pace)
        at_once = self._settings.samples_at_once
        if not reading.sieves:
            at_once = max(at_once // _ALL_SEEN, 1)  # as messages each takes so much more
        async for one, held in slices(self._given.history, scan, at_once):
            traces = await self._given.history.scan(one)
            table, rows = await reading.read(traces)
            told = None if rows is None else reading.told
            for batch in messages.batches(table, rows, told):
                if not await self._take(batch):
                    return False
            self.progress.done += held
            self.progress.samples += sum(len(trace.at) for trace in traces)
            if self.progress.cancelled:
                return False
        if reading.sieves:
            self.path = ReplayPath.FAST
            reading.settle()
        return True

    async def _over_journal(self, after: int, until: int, kept_from: int) -> bool:
        async for batch in self._given.samples(after, until, self._tenant):
            decoded = without(batch, kept_from) if kept_from else batch
            if not await self._take(decoded):
                return False
            self.progress.done += len(batch.envelopes)
            self.progress.samples += _readings(decoded)
        return True

    async def _take(self, batch: Committed) -> bool:
        for side in self._sides:
            side.apply(batch)
        await self._pace.rest()
        return not (self.progress.cancelled or any(side.is_full for side in self._sides))

    def _keys(self, watched: Iterable[Watched]) -> set[str]:
        """Return the telemetry keys that the rules look at, or name in their words."""
        types = {one.type.name if one.type else "": one.type for one in watched}
        keys: set[str] = set()
        around = self._given.around
        for side in self._sides:
            keys |= _named_by(side.rule)
            for kind in types.values():
                for part in parts_of(side.rule, around.scope_of(self._tenant, kind)):
                    keys |= {key for source, key in part.paths if source == "telemetry"}
        return keys


class _Reading:
    """What is done to the samples of history before the exact machine sees them."""

    def __init__(
        self,
        watched: Sequence[Watched],
        sides: Sequence[Side],
        around: Surroundings,
        pace: Pace,
    ) -> None:
        self._watched = watched
        self._sides = sides
        self._pace = pace
        self._places = {str(one.device.device_id): place for place, one in enumerate(watched)}
        self._types = {str(one.device.device_id): one.type for one in watched}
        found = [make_sieve(side.rule, watched, around.scope_of) for side in sides]
        self.sieves = [one for one in found if one is not None] if None not in found else []

    async def read(self, traces: Sequence[HistoryTrace]) -> tuple[Table, Rows | None]:
        """Return a table and the rows of it that matter (None: all)."""
        table = await asyncio.to_thread(self._table, traces)
        if not all(sieve.takes(table) for sieve in self.sieves):
            self.settle()
            self.sieves = []  # from here on every sample is looked at
        if not self.sieves or not len(table.at):
            return table, None
        for sieve in self.sieves:
            await sieve.remember(table, self._pace)
        return table, await asyncio.to_thread(sieved, self.sieves, table)

    def _table(self, traces: Sequence[HistoryTrace]) -> Table:
        sound = [cleaned(trace, self._types[trace.device]) for trace in traces]
        return make_table(sound, self._places)

    @property
    def told(self) -> TellIn | None:
        """What the windows of all sides tell in some rows; None where there are none."""
        remembering = [sieve for sieve in self.sieves if sieve.remembers]
        if not remembering:
            return None
        return lambda rows: [
            {text: told for one in some for text, told in one.items()}
            for some in zip(*(sieve.told_in(rows) for sieve in remembering), strict=True)
        ]

    def settle(self) -> None:
        """Give the windows to the machines that go on with them."""
        for side, sieve in zip(self._sides, self.sieves, strict=True):
            for place, one in enumerate(self._watched if sieve.remembers else ()):
                side.settle(one.device.device_id, sieve.memories(place))


def _readings(batch: Committed) -> int:
    return sum(
        len(some)
        for envelope, some in zip(batch.envelopes, batch.decoded, strict=True)
        if some and envelope.route.operation is Operation.TELEMETRY
    )


async def journal_begin(given: Given) -> int:
    """Return from when on the journal has every message; 0 when it never forgot one."""
    journal = given.journal
    if journal.tail <= 1:
        return 0
    async for batch in journal.read(journal.tail - 1, until=journal.tail):
        return batch.envelopes[0].received_at
    return NEVER  # it keeps none


def past_rule(
    document: dict[str, object], tenant: TenantId, around: Surroundings, devices: tuple[str, ...]
) -> Rule:
    """Make a rule that is run over the past, on some devices where they are named."""
    rule = replace(trial_rule(document, tenant, around), effective_after=BEFORE)
    if not devices:
        return rule
    selector = rule.document.selector
    named = tuple(one for one in devices if not selector.devices or one in selector.devices)
    chosen = replace(selector, devices=named or ("",))  # none of them: a name that nobody has
    return replace(rule, document=replace(rule.document, selector=chosen))


def watched_by(rules: Iterable[Rule], around: Surroundings) -> Iterator[Watched]:
    """Yield the devices of a tenant that any of its rules watches, by name."""
    chosen = list(rules)
    after = ""
    while page := around.devices.behind(chosen[0].tenant, after, _PAGE):
        for device in page:
            if any(_watches(one, device, around) for one in chosen):
                yield Watched(device, around.types.followed_by(device))
        after = page[-1].device_id


def _watches(rule: Rule, device: Device, around: Surroundings) -> bool:
    """Return whether a rule sees a device: of one over a group or an asset, who belongs to it."""
    document = rule.document
    if not document.selector.matches(device.device_id, device.type_name or "", device):
        return False
    return document.scope is None or bool(around.members.subjects_of(document.scope, device))


def parts_of(rule: Rule, scope: Scope) -> Sequence[Compiled | CompiledMember]:
    """Return what a rule asks of one kind of device; nothing where it does not fit it."""
    if rule.document.scope is not None:
        return compile_members(rule, scope)[0]
    try:
        return [compile_rule(rule, scope)]
    except Invalid:
        return []  # told in the run's health: this kind of device is not watched


def warm_up_of(part: Compiled | CompiledMember) -> int:
    """Return how far back a rule looks: its longest window, then what it waits for (ns)."""
    longest = 0
    for feed in part.feeds:
        for _name, value in feed.settings:
            reach = value.ns if isinstance(value, Span) else value if type(value) is int else 0
            longest = max(longest, reach)
    document = part.rule.document
    waits = document.for_ns + document.clear_for_ns
    return max(WARM_UP_NS, len(part.feeds) * longest + waits)


def _named_by(rule: Rule) -> set[str]:
    texts = [rule.document.message]
    for action in rule.document.actions:
        texts += [value for value in action.parameters.values() if isinstance(value, str)]
    return {name for text in texts for name in _NAMED.findall(text)}
