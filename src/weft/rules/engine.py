"""The engine: rules as a projection of the journal, and the writing of what they ask for.

`apply` evaluates and appends to a list; `run` writes that list at once, in order, many
requests to a transaction. `checkpoint` awaits what is still to be written and only then
stores the state with its position, so that a crash repeats requests and never loses one.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field

from weft.model.alarm import Action, AlarmState
from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed
from weft.observability.log import get_logger
from weft.ports import Deciding, Kind, Reader, Records, V, Writer
from weft.registry.changes import Listeners
from weft.rules import metrics
from weft.rules.alarms import Alarms
from weft.rules.derived.settings import DerivedSettings
from weft.rules.firing import Fired, Firing
from weft.rules.health import RuleHealth
from weft.rules.kinds import RULES
from weft.rules.model import Rule
from weft.rules.past.settings import ReplaySettings
from weft.rules.requests import Request
from weft.rules.runtime import Runtime
from weft.rules.state import CHUNKS, POSITIONS, Chunk, DeviceState, Row
from weft.rules.suppressing import Suppressing
from weft.rules.surroundings import Surroundings
from weft.security.audit import Audit

log = get_logger(__name__)

PLATFORM = TenantId("")
CHUNK_ROWS = 256  # devices in one record: about 20 KB
WRITE_MAX = 256  # requests in one transaction
_PAGE = 500


class RulesSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[rules]`: how rules are evaluated."""

    errors_in_a_row: int = 100  # RU-2: then a rule that works nowhere is paused
    tick_lag_s: float = 0.5  # messages received this long ago have been committed and applied
    tick_interval_s: float = 0.1  # how late a timer may fire when no message comes
    keep_traces_days: float = 90.0  # behind an alarm's end; with a work order as long as that
    replays: ReplaySettings = field(default_factory=ReplaySettings)
    derived: DerivedSettings = field(default_factory=DerivedSettings)


class Chunks:
    """The rows of all devices in records of CHUNK_ROWS; only changed records are written."""

    def __init__(self) -> None:
        self._rows: dict[tuple[TenantId, str], dict[str, Row]] = {}
        self._places: dict[tuple[TenantId, str], str] = {}
        self._open: dict[TenantId, str] = {}
        self._dirty: set[tuple[TenantId, str]] = set()

    def load(self, tenant: TenantId, key: str, chunk: Chunk) -> None:
        """Take a record from disk."""
        self._rows[tenant, key] = dict(chunk.rows)
        self._open[tenant] = key
        for device_id in chunk.rows:
            self._places[tenant, device_id] = key

    def put(self, tenant: TenantId, device_id: str, row: Row) -> None:
        """Set the row of a device."""
        key = self._places.get((tenant, device_id))
        if key is None:
            key = self._room(tenant)
            self._places[tenant, device_id] = key
        self._rows[tenant, key][device_id] = row
        self._dirty.add((tenant, key))

    def drop(self, tenant: TenantId, device_id: str) -> None:
        """Remove the row of a device."""
        key = self._places.pop((tenant, device_id), None)
        if key is not None:
            self._rows[tenant, key].pop(device_id, None)
            self._dirty.add((tenant, key))

    def take_dirty(self) -> dict[tuple[TenantId, str], Chunk]:
        """Return the records that have changed since the last call."""
        taken = {place: Chunk(rows=dict(self._rows[place])) for place in sorted(self._dirty)}
        self._dirty.clear()
        return taken

    def give_back(self, taken: dict[tuple[TenantId, str], Chunk]) -> None:
        """Mark records as changed that could not be written."""
        self._dirty.update(taken)

    def _room(self, tenant: TenantId) -> str:
        key = self._open.get(tenant, "")
        if not key or len(self._rows[tenant, key]) >= CHUNK_ROWS:
            key = f"{int(key or -1) + 1:08d}"
            self._open[tenant] = key
            self._rows[tenant, key] = {}
        return key


class Engine:
    """The projection named "rules"."""

    name = "rules"

    def __init__(
        self,
        records: Records,
        around: Surroundings,
        firing: tuple[Deciding, Audit],
        alarms: Alarms,
        settings: RulesSettings | None = None,
    ) -> None:
        self._settings = settings or RulesSettings()
        self._records = records
        self._requests: list[Request] = []
        self._runtime = Runtime(around, self._ask, errors_in_a_row=self._settings.errors_in_a_row)
        policy, audit = firing
        self._firing = Firing(policy, audit, self._runtime.health)
        self._alarms = alarms
        self._actions: Listeners[Sequence[Action]] = Listeners()
        self._chunks = Chunks()
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._position = 0
        self._applied = 0

    # --- set-up ---------------------------------------------------------------------------

    def on_actions(self, callback: Callable[[Sequence[Action]], None]) -> None:
        """Call `callback` on the loop when actions have been put in the outbox."""
        self._actions.add(callback)

    def suppress_with(self, suppressing: Suppressing) -> None:
        """Let a step decide which alarms are kept back when they are raised."""
        self._firing.suppress_with(suppressing)

    async def load(self) -> None:
        """Read rules and state; call once, after the registry and before the first message."""

        def work(
            reader: Reader,
        ) -> tuple[int, list[tuple[TenantId, str, Rule]], list[tuple[TenantId, str, Chunk]]]:
            self._firing.load(reader)
            found = reader.find(POSITIONS, PLATFORM, self.name)
            return found.value if found else 0, _all(reader, RULES), _all(reader, CHUNKS)

        self._position, rules, chunks = await self._records.read(work)
        self._applied = self._position
        for _tenant, _key, rule in rules:
            if rule.runs:
                self._runtime.set_rule(rule, at=rule.updated_at)
        for tenant, key, chunk in chunks:
            self._chunks.load(tenant, key, chunk)
            for device_id, row in chunk.rows.items():
                self._runtime.restore(tenant, DeviceId(device_id), row)
        self._runtime.restored()
        for _tenant, _key, rule in rules:
            if not rule.enabled:  # stopped, and then we stopped before its alarms were cleared
                self._runtime.drop_rule(rule, at=rule.updated_at, reason="the rule was disabled")

    def rule_changed(self, old: Rule | None, new: Rule | None, *, at: int) -> None:
        """Take in a rule that was saved, stopped or deleted."""
        if new is not None and new.enabled:
            if new.paused:
                self._runtime.pause_rule(new)
            else:
                self._runtime.health.forget(new.tenant, new.rule_id)
                self._runtime.set_rule(new, at=at)
        elif old is not None:
            reason = "the rule was disabled" if new else "the rule was deleted"
            self._runtime.drop_rule(new or old, at=at, reason=reason)
        self._wake_up()

    def device_changed(self, old: Device | None, new: Device | None, *, at: int) -> None:
        """Take in that a device was made, changed or deleted."""
        if new is None and old is not None:
            self._chunks.drop(old.tenant, old.device_id)
            self._runtime.forget_device(old.tenant, old.device_id, at=at)
        self._runtime.invalidate()
        if new is not None:
            self._runtime.device_changed(new, at=at)
        self._wake_up()

    def device_moved(self, device: Device, *, at: int) -> None:
        """Take in that a device was attached to an asset, or detached."""
        self._runtime.place_device(device, at=at)
        self._wake_up()

    def scope_changed(self, tenant: TenantId, group: str | None, *, at: int) -> None:
        """Take in that a group was changed; None: assets stand otherwise."""
        for rule in self._runtime.subjects.rules(tenant):
            scope = rule.document.scope
            if scope is not None and group in {None, scope.group}:
                self._runtime.place_members(rule, at=at)
        self._wake_up()

    def types_changed(self) -> None:
        """Take in that a device type was saved or deleted."""
        self._runtime.forget_programs()

    def health(self, tenant: TenantId, rule_id: str) -> RuleHealth:
        """Return how a rule is doing since the start."""
        return self._runtime.rule_health(tenant, rule_id)

    def take_late(self) -> Mapping[tuple[TenantId, DeviceId], int]:
        """Return the oldest moment of each device that came late since the last call."""
        late, self._runtime.late = self._runtime.late, {}
        return late

    # --- projection -----------------------------------------------------------------------

    @property
    def position(self) -> int:
        """Durable position."""
        return self._position

    @property
    def applied(self) -> int:
        """Position of the newest message evaluated."""
        return self._applied

    @property
    def backlog(self) -> int:
        """Messages applied and not yet durable, and requests still to be written."""
        return self._applied - self._position + len(self._requests)

    def apply(self, batch: Committed) -> None:
        """Evaluate a batch; what was seen before is passed over."""
        if batch.last <= self._applied:
            return
        try:
            before = self._runtime.passed_over
            self._runtime.apply(batch, after=self._applied)
            self._applied = batch.last
            metrics.TOO_LATE.inc(self._runtime.passed_over - before)
        except BaseException:  # a bug of ours: what stands before it is not looked at twice
            self._applied = max(self._applied, self._runtime.looking_at - 1)
            raise
        finally:
            self._wake_up()

    async def tick(self, now: int) -> None:
        """Let timers fire though no message comes.

        Only what was due `tick_lag_s` ago fires: a message received before then has been
        applied, so live and replay agree.
        """
        self._runtime.advance(now - round(self._settings.tick_lag_s * 1_000_000_000))
        self._wake_up()

    async def checkpoint(self) -> None:
        """Make everything applied so far durable."""
        position, dirty = self._applied, self._runtime.dirty
        self._runtime.dirty = []
        while self._runtime.subjects.gone:  # first: one of them may be there again
            self._chunks.drop(*self._runtime.subjects.gone.pop())
        for state in dirty:
            state.dirty = False
            self._keep(state)
        taken = self._chunks.take_dirty()
        if position == self._position and not taken:
            return

        def work(writer: Writer) -> None:
            for (tenant, key), chunk in taken.items():
                writer.put(CHUNKS, tenant, key, chunk)
            writer.put(POSITIONS, PLATFORM, self.name, position)

        try:
            await self.flush()
            await self._records.write(work)
        except BaseException:
            self._chunks.give_back(taken)
            raise
        self._position = position

    def _keep(self, state: DeviceState) -> None:
        if self._runtime.states.get((state.tenant, state.device_id)) is state:
            self._chunks.put(state.tenant, state.device_id, state.row())

    # --- writing --------------------------------------------------------------------------

    async def run(self) -> None:
        """Write requests as they come, until cancelled; raises `StorageError`, keeps the rest."""
        while True:
            await self.flush()
            await self._wake.wait()
            self._wake.clear()

    async def flush(self) -> None:
        """Write everything that was asked for until now, in order."""
        async with self._writing:
            while self._requests:
                batch = self._requests[:WRITE_MAX]
                denied = self._firing.denied(batch)
                placed = await self._firing.look(batch)
                fired = await self._records.write(
                    lambda writer, batch=batch, denied=denied, placed=placed: self._firing.write(  # type: ignore[misc]  # bound now
                        writer, batch, denied, placed
                    )
                )
                del self._requests[: len(batch)]
                self._tell(fired)

    def _tell(self, fired: Fired) -> None:
        for alarm in fired.alarms:
            cleared = alarm.state is AlarmState.CLEARED
            metrics.ALARMS.labels("cleared" if cleared else "raised").inc()
            self._alarms.tell(alarm)
        metrics.ACTIONS.inc(len(fired.actions))
        if fired.actions:
            self._actions.tell(fired.actions)
        for rule in fired.paused:
            self._runtime.pause_version(rule)
            log.warning("rule_paused", tenant=rule.tenant, rule=rule.rule_id, reason=rule.paused)

    def ask(self, requests: Sequence[Request]) -> None:
        """Write what was found beside live, as what live finds: in order, once by its ids."""
        self._requests += requests
        self._wake_up()

    def _ask(self, request: Request) -> None:
        # Bounded by `backlog`: the pipeline stops reading while requests wait.
        self._requests.append(request)

    def _wake_up(self) -> None:
        if self._requests:
            self._wake.set()


def _all(reader: Reader, kind: Kind[V]) -> list[tuple[TenantId, str, V]]:
    found: list[tuple[TenantId, str, V]] = []
    for tenant in reader.tenants(kind):
        after = ""
        while page := reader.list(kind, tenant, after=after, limit=_PAGE):
            found += [(tenant, record.key, record.value) for record in page]
            after = page[-1].key
    return found
