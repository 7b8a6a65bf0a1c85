"""Alarms as people see them: listed, acknowledged, cleared by hand, each act on record.

A rule raises and clears (`firing`); a person acknowledges, and may clear what the rule
still holds. An alarm that was cleared by hand stays cleared until its condition has been
false and true again: that is a new episode with an alarm of its own.
"""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import Conflict, StaleVersion
from weft.model.alarm import Alarm, AlarmState, Severity
from weft.model.ids import AlarmId, DeviceId, RuleId, TenantId
from weft.model.principal import Principal
from weft.ports import Clock, Record, Records, Writer
from weft.registry import listing
from weft.registry.changes import Listeners
from weft.registry.listing import Part
from weft.rules.kinds import ALARMS
from weft.security.audit import Audit

COMMENT_MAX_CHARACTERS = 1_000


class Wanted(Struct, frozen=True):
    """Which alarms to list: those that match all that is given."""

    device_id: DeviceId | None = None
    rule_id: RuleId | None = None
    state: AlarmState | None = None
    severity: Severity | None = None

    def filters(self) -> dict[str, str]:
        """Return what is given, the most selective first."""
        named = {
            "device": self.device_id,
            "rule": self.rule_id,
            "state": self.state,
            "severity": self.severity,
        }
        return {name: str(value) for name, value in named.items() if value is not None}


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

    async def list(
        self, tenant: TenantId, wanted: Wanted | None = None, *, after: str = "", limit: int = 100
    ) -> Part[Alarm]:
        """Return alarms that match every filter given, newest first, behind `after` (an id)."""
        given = wanted.filters() if wanted is not None else {}
        # The first filter that is given is looked up, the most selective first; the rest sieve.
        where = next(iter(given.items()), None)
        sieve = None if len(given) <= 1 else (lambda alarm: _matches(alarm, given))
        asked = listing.Wanted(ALARMS, tenant, where, sieve, descending=True)
        return await self._records.read(
            lambda reader: listing.examine(reader, asked, after=after, limit=limit)
        )

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

        return await self._change(actor, alarm_id, "alarm.acknowledge", change, (version, comment))

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

        return await self._change(actor, alarm_id, "alarm.clear", change, (version, comment))

    async def _change(
        self,
        actor: Principal,
        alarm_id: AlarmId,
        action: str,
        change: Callable[[Alarm], Alarm],
        given: tuple[int | None, str],
    ) -> Alarm:
        version, comment = given

        def work(writer: Writer) -> tuple[Alarm, Alarm]:
            record = writer.get(ALARMS, actor.tenant, alarm_id)
            _require_version(record, version)
            new = change(record.value)
            if new is record.value:
                return new, new
            new = replace(new, version=record.value.version + 1)
            writer.put(ALARMS, actor.tenant, alarm_id, new, version=record.version)
            detail = {"comment": comment[:COMMENT_MAX_CHARACTERS], "device": new.device_id}
            self._audit.entry(writer, actor, action, f"alarm:{alarm_id}", detail=detail)
            return record.value, new

        old, new = await self._records.write(work)
        if new is not old:
            self.tell(new)
        return new


def _matches(alarm: Alarm, given: dict[str, str]) -> bool:
    index = ALARMS.index(alarm)
    return all(index[name] == value for name, value in given.items())


def _require_version(record: Record[Alarm], version: int | None) -> None:
    if version is not None and record.value.version != version:
        raise StaleVersion(
            f"The alarm is at version {record.value.version}, not {version}.",
            remedy="Read it again, then decide.",
        )
