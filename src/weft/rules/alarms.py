"""Alarms as people see them: listed, acknowledged, cleared by hand, each act on record.

A rule raises and clears (`firing`); a person acknowledges, and may clear what the rule
still holds. An alarm that was cleared by hand stays cleared until its condition has been
false and true again: that is a new episode with an alarm of its own. What is done to an
alarm stands in its history and in the audit, both in the transaction of the act.
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import Conflict, StaleVersion
from weft.model.alarm import Alarm, AlarmState, Priority, Severity, Step, StepKind
from weft.model.ids import AlarmId, DeviceId, RuleId, TenantId
from weft.model.principal import Principal
from weft.ports import Clock, Reader, Record, Records, Writer
from weft.registry import listing
from weft.registry.changes import Listeners
from weft.registry.listing import Part
from weft.rules.faults import alarm_cleared
from weft.rules.kinds import ALARMS, STEPS, TRACES, step_key
from weft.rules.tracing import AlarmTrace
from weft.security.audit import Audit

COMMENT_MAX_CHARACTERS = 1_000


class Wanted(Struct, frozen=True):
    """Which alarms to list: those that match all that is given."""

    device_id: DeviceId | None = None
    group: str | None = None
    rule_id: RuleId | None = None
    state: AlarmState | None = None
    severity: Severity | None = None
    priority: Priority | None = None
    assignee: str | None = None  # a user's name, "" for nobody
    asset: str | None = None  # of this asset or of one below it, as the tree was then
    shelved: bool | None = None
    open: bool | None = None  # active or acknowledged
    suppressed: bool | None = None
    under: str | None = None  # kept back by this alarm: its cause, or a flood's

    def where(self) -> tuple[str, str] | None:
        """Return what is looked up: the most selective of what is given; the rest sieves."""
        named = {
            "device": self.device_id,
            "group": self.group,
            "rule": self.rule_id,
            "state": self.state,
            "under": self.under,
            "open": "yes" if self.open else None,
            "severity": self.severity,
        }
        return next(((name, str(value)) for name, value in named.items() if value), None)

    def matches(self, alarm: Alarm) -> bool:
        """Return whether an alarm is as all that is given says."""
        pairs = (
            (self.device_id, alarm.device_id),
            (self.group, alarm.group),
            (self.rule_id, alarm.rule_id),
            (self.state, alarm.state),
            (self.severity, alarm.severity),
            (self.priority, alarm.urgency),
            (self.assignee, alarm.assignee or ""),
            (self.shelved, alarm.is_shelved),
            (self.open, alarm.is_open),
            (self.suppressed, alarm.is_suppressed),
            (self.under, alarm.suppression.by if alarm.suppression is not None else None),
        )
        fits = all(wanted is None or wanted == held for wanted, held in pairs)
        return fits and self.asset in {None, alarm.asset, *alarm.assets}


class Deed(Struct, frozen=True):
    """What is to be done to an alarm, and how it is put on record."""

    action: str  # of the audit
    kind: StepKind
    change: Callable[[Alarm], Alarm]  # the same alarm where there is nothing to do
    version: int | None = None  # the version that the caller read
    comment: str = ""
    facts: dict[str, str] = {}


class Overview(Struct, frozen=True):
    """How many alarms stand before the operators, and how many are put aside."""

    counts: dict[Severity, dict[AlarmState, int]]
    shelved: int
    suppressed: int


class Alarms:
    """The alarms of all tenants."""

    def __init__(self, records: Records, audit: Audit, clock: Clock) -> None:
        self._records = records
        self._audit = audit
        self._clock = clock
        self._listeners: Listeners[Alarm] = Listeners()

    def on_change(self, callback: Callable[[Alarm], None]) -> None:
        """Call `callback` on the loop after each change of an alarm is on disk."""
        self._listeners.add(callback)

    def tell(self, alarm: Alarm) -> None:
        """Tell the listeners of a change that is on disk."""
        self._listeners.tell(alarm)

    async def get(self, tenant: TenantId, alarm_id: AlarmId) -> Alarm:
        """Return an alarm, or raise `NotFound`."""
        record = await self._records.read(lambda reader: reader.get(ALARMS, tenant, alarm_id))
        return record.value

    async def trace(self, tenant: TenantId, alarm_id: AlarmId) -> AlarmTrace:
        """Return why an alarm was raised and cleared, or raise `NotFound`."""

        def work(reader: Reader) -> AlarmTrace:
            reader.get(ALARMS, tenant, alarm_id)
            held = reader.find(TRACES, tenant, alarm_id)
            return AlarmTrace() if held is None else held.value

        return await self._records.read(work)

    async def list(
        self, tenant: TenantId, wanted: Wanted | None = None, *, after: str = "", limit: int = 100
    ) -> Part[Alarm]:
        """Return alarms that match every filter given, newest first, behind `after` (an id)."""
        chosen = wanted or Wanted()
        sieve = None if chosen == Wanted() else chosen.matches
        asked = listing.Wanted(ALARMS, tenant, chosen.where(), sieve, descending=True)
        return await self._records.read(
            lambda reader: listing.examine(reader, asked, after=after, limit=limit)
        )

    async def overview(self, tenant: TenantId) -> Overview:
        """Count the open alarms of a tenant by severity and state, without reading them."""

        def work(reader: Reader) -> Overview:
            def count(name: str, text: str) -> int:
                return reader.count(ALARMS, tenant, where=(name, text))

            states = (AlarmState.ACTIVE, AlarmState.ACKNOWLEDGED)
            counts = {
                severity: {state: count("standing", f"{state}:{severity}") for state in states}
                for severity in reversed(Severity)
            }
            return Overview(counts, count("shelved", "yes"), count("suppressed", "yes"))

        return await self._records.read(work)

    async def acknowledge(
        self, actor: Principal, alarm_id: AlarmId, *, version: int | None = None, comment: str = ""
    ) -> Alarm:
        """Take note that a person has seen an alarm; doing so twice changes nothing."""

        def change(alarm: Alarm) -> Alarm:
            if alarm.state is AlarmState.CLEARED:
                raise Conflict(
                    "The alarm has been cleared already.", remedy="There is nothing left to do."
                )
            if alarm.state is AlarmState.ACKNOWLEDGED:
                return alarm
            return replace(
                alarm,
                state=AlarmState.ACKNOWLEDGED,
                acknowledged_at=self._clock.now(),
                acknowledged_by=str(actor),
            )

        deed = Deed("alarm.acknowledge", StepKind.ACKNOWLEDGED, change, version, comment)
        return await self.do(actor, alarm_id, deed)

    async def clear(
        self, actor: Principal, alarm_id: AlarmId, *, version: int | None = None, comment: str = ""
    ) -> Alarm:
        """Clear an alarm by hand; doing so twice changes nothing."""

        def change(alarm: Alarm) -> Alarm:
            if alarm.state is AlarmState.CLEARED:
                return alarm
            return replace(
                alarm,
                state=AlarmState.CLEARED,
                cleared_at=self._clock.now(),
                cleared_by=str(actor),
            )

        deed = Deed("alarm.clear", StepKind.CLEARED, change, version, comment)
        return await self.do(actor, alarm_id, deed)

    async def do(self, actor: Principal, alarm_id: AlarmId, deed: Deed) -> Alarm:
        """Do something to an alarm, put it on record and tell of it."""
        old, new = await self._records.write(
            lambda writer: self.do_in(writer, actor, alarm_id, deed)
        )
        if new is not old:
            self.tell(new)
        return new

    def do_in(
        self, writer: Writer, actor: Principal, alarm_id: AlarmId, deed: Deed
    ) -> tuple[Alarm, Alarm]:
        """Do something to an alarm in the caller's transaction; return it before and after."""
        record = writer.get(ALARMS, actor.tenant, alarm_id)
        old = record.value
        _require_version(record, deed.version)
        new = deed.change(old)
        if new is old:
            return old, old
        comment = deed.comment[:COMMENT_MAX_CHARACTERS]
        new = replace(new, version=old.version + 1, steps=old.steps + 1)
        step = Step(
            number=new.steps,
            alarm_id=alarm_id,
            kind=deed.kind,
            at=self._clock.now(),
            by=str(actor),
            text=comment,
            facts=deed.facts,
        )
        writer.put(ALARMS, actor.tenant, alarm_id, new, version=record.version)
        writer.insert(STEPS, actor.tenant, step_key(alarm_id, step.number), step)
        if new.state is AlarmState.CLEARED:
            alarm_cleared(writer, new)
        about = {new.subject.kind.value: new.subject.name}
        detail = {"comment": comment, **about, **deed.facts}
        self._audit.entry(writer, actor, deed.action, f"alarm:{alarm_id}", detail=detail)
        return old, new

    async def history(
        self, tenant: TenantId, alarm_id: AlarmId, *, after: str = "", limit: int = 100
    ) -> Part[Step]:
        """Return what was done to an alarm, in order; raise `NotFound` where there is none."""
        asked = listing.Wanted(STEPS, tenant, ("alarm", str(alarm_id)))

        def work(reader: Reader) -> Part[Step]:
            reader.get(ALARMS, tenant, alarm_id)
            return listing.examine(reader, asked, after=after, limit=limit)

        return await self._records.read(work)


def _require_version(record: Record[Alarm], version: int | None) -> None:
    if version is not None and record.value.version != version:
        raise StaleVersion(
            f"The alarm is at version {record.value.version}, not {version}.",
            remedy="Read it again, then decide.",
        )
