"""Handling alarms: who takes care, what is said of it, how urgent it is, and putting aside.

An alarm is put aside (shelved) for a time and with a reason; it comes back by the clock, to
the second, though nobody thinks of it any more. While it is aside it is in no count of
what stands before the operators, and so is the next one of its rule on its device: a
chattering sensor is put aside once, not once for each episode.
"""

from collections.abc import Callable

from msgspec.structs import replace

from weft.errors import Conflict, Invalid, QuotaExceeded
from weft.model.alarm import Alarm, Priority, Shelf, StepKind, priority_of
from weft.model.asset import Asset
from weft.model.ids import AlarmId, AssetId, TenantId
from weft.model.moments import NS_PER_S, to_rfc3339
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Clock, Reader, Record, Records, Writer
from weft.rules.alarms import COMMENT_MAX_CHARACTERS, Alarms, Deed
from weft.rules.kinds import ALARMS, SHELVES, shelf_key
from weft.security.people import USERS

STEPS_MAX = 1_000  # in one alarm's history; acknowledging and clearing end by themselves
SHELF_MAX_S = 30 * 24 * 3600
RETURNED_AT_ONCE = 200
NEVER = 1 << 63

_Place = tuple[TenantId, str]  # of a shelf
FindAsset = Callable[[TenantId, AssetId], Asset | None]


class Handling:
    """What people do with alarms, beyond seeing and clearing them."""

    def __init__(self, alarms: Alarms, records: Records, clock: Clock, find: FindAsset) -> None:
        self._alarms = alarms
        self._records = records
        self._clock = clock
        self._find_asset = find
        self._due_at = 0  # nothing is due before; at the start nobody knows

    async def assign(
        self,
        actor: Principal,
        alarm_id: AlarmId,
        user: str | None,
        *,
        version: int | None = None,
        comment: str = "",
    ) -> Alarm:
        """Give an alarm to a user of the tenant, or (None) to nobody; `Invalid` for no user."""

        def change(alarm: Alarm) -> Alarm:
            _require_open(alarm)
            _require_room(alarm)
            return alarm if alarm.assignee == user else replace(alarm, assignee=user)

        facts = {"assignee": user or ""}
        deed = Deed("alarm.assign", StepKind.ASSIGNED, change, version, comment, facts)

        def work(writer: Writer) -> tuple[Alarm, Alarm]:
            if user is not None:
                _require_user(writer, actor.tenant, user)
            return self._alarms.do_in(writer, actor, alarm_id, deed)

        return await self._written(work)

    async def _written(self, work: Callable[[Writer], tuple[Alarm, Alarm]]) -> Alarm:
        old, new = await self._records.write(work)
        if new is not old:
            self._alarms.tell(new)
        return new

    async def comment(self, actor: Principal, alarm_id: AlarmId, text: str) -> Alarm:
        """Say something about an alarm, also when it is over; at most 1,000 characters."""
        if not text.strip():
            raise Invalid("The comment is empty.", remedy="Write what others should know.")
        _require_short(text)

        def change(alarm: Alarm) -> Alarm:
            _require_room(alarm)
            return replace(alarm)

        return await self._alarms.do(
            actor, alarm_id, Deed("alarm.comment", StepKind.COMMENTED, change, comment=text)
        )

    async def prioritise(
        self,
        actor: Principal,
        alarm_id: AlarmId,
        priority: Priority | None,
        *,
        version: int | None = None,
        comment: str = "",
    ) -> Alarm:
        """Override an alarm's priority, or (None) go back to the one that is derived."""

        def change(alarm: Alarm) -> Alarm:
            _require_open(alarm)
            _require_room(alarm)
            by = None if priority is None else str(actor)
            chosen = self._derived(alarm) if priority is None else priority
            if (alarm.priority, alarm.priority_by is None) == (chosen, by is None):
                return alarm
            return replace(alarm, priority=chosen, priority_by=by)

        facts = {"priority": "" if priority is None else priority.value}
        deed = Deed("alarm.prioritise", StepKind.PRIORITISED, change, version, comment, facts)
        return await self._alarms.do(actor, alarm_id, deed)

    async def shelve(
        self,
        actor: Principal,
        alarm_id: AlarmId,
        duration_ns: int,
        reason: str,
        *,
        version: int | None = None,
    ) -> Alarm:
        """Put an alarm aside for a time (ns, at most 30 days), with a reason."""
        if not reason.strip():
            raise Invalid(
                "An alarm is not put aside without a reason.",
                remedy="Say why, and who will look at it.",
            )
        _require_short(reason)
        if not 0 < duration_ns <= SHELF_MAX_S * NS_PER_S:
            raise Invalid(
                "An alarm is put aside for some time, and for 30 days at most.",
                remedy="Say 30m, 8h or 2d.",
            )
        now = self._clock.now()
        shelf = Shelf(at=now, until=now + duration_ns, by=str(actor), reason=reason)

        def change(alarm: Alarm) -> Alarm:
            _require_open(alarm)
            _require_room(alarm)
            return replace(alarm, shelf=shelf)

        facts = {"until": to_rfc3339(shelf.until)}
        deed = Deed("alarm.shelve", StepKind.SHELVED, change, version, reason, facts)

        def work(writer: Writer) -> tuple[Alarm, Alarm]:
            old, new = self._alarms.do_in(writer, actor, alarm_id, deed)
            writer.put(SHELVES, new.tenant, shelf_key(new.rule_id, str(new.subject)), shelf)
            return old, new

        try:
            return await self._written(work)
        finally:  # behind the write: a look that began before it has not seen this shelf
            self._due_at = min(self._due_at, shelf.until)

    async def unshelve(
        self, actor: Principal, alarm_id: AlarmId, *, version: int | None = None, comment: str = ""
    ) -> Alarm:
        """Take an alarm back before its time; one that is not put aside stays as it is."""

        def change(alarm: Alarm) -> Alarm:
            if alarm.shelf is None:
                _require_open(alarm)
                return alarm
            return replace(alarm, shelf=None)

        deed = Deed("alarm.unshelve", StepKind.UNSHELVED, change, version, comment)

        def work(writer: Writer) -> tuple[Alarm, Alarm]:
            old, new = self._alarms.do_in(writer, actor, alarm_id, deed)
            writer.delete(SHELVES, new.tenant, shelf_key(new.rule_id, str(new.subject)))
            return old, new

        return await self._written(work)

    async def return_due(self) -> int:
        """Take back what was put aside until now; return how many. Call each second."""
        now = self._clock.now()
        if now < self._due_at:
            return 0
        self._due_at = NEVER
        try:
            due, next_at = await self._records.read(lambda reader: _due(reader, now))
            empty, until = await self._records.read(lambda reader: _empty(reader, now))
            returned = await self._return(due, empty, now) if due or empty else 0
        except BaseException:
            self._due_at = 0
            raise
        self._due_at = min(self._due_at, next_at, until)
        return returned

    async def _return(self, due: list[Record[Alarm]], empty: list[_Place], now: int) -> int:

        def change(alarm: Alarm) -> Alarm:
            # It may have been shelved anew, or taken back, since it was read.
            is_due = alarm.is_shelved and alarm.shelf is not None and alarm.shelf.until <= now
            return replace(alarm, shelf=None) if is_due else alarm

        deed = Deed("alarm.unshelve", StepKind.UNSHELVED, change, comment="Its time was over.")

        def work(writer: Writer) -> list[Alarm]:
            for tenant, key in empty:
                shelf = writer.find(SHELVES, tenant, key)
                if shelf is not None and shelf.value.until <= now:
                    writer.delete(SHELVES, tenant, key)
            pairs = [
                self._alarms.do_in(
                    writer, clockwork(record.value.tenant), record.value.alarm_id, deed
                )
                for record in due
            ]
            return [new for old, new in pairs if new is not old]

        returned = await self._records.write(work)
        for alarm in returned:
            self._alarms.tell(alarm)
        return len(returned)

    def _derived(self, alarm: Alarm) -> Priority:
        asset = self._find_asset(alarm.tenant, alarm.assets[-1]) if alarm.assets else None
        return priority_of(alarm.severity, asset.attributes.get("criticality") if asset else None)


def clockwork(tenant: TenantId) -> Principal:
    """Return who acts when time does."""
    return Principal(tenant, PrincipalKind.SYSTEM, "weft", "system")


def _due(reader: Reader, now: int) -> tuple[list[Record[Alarm]], int]:
    """Return some of what is due, and when to look again."""
    found: list[Record[Alarm]] = []
    next_at = NEVER
    for tenant in reader.tenants(ALARMS):
        after = ""
        while page := reader.list(ALARMS, tenant, where=("shelved", "yes"), after=after, limit=500):
            for one in page:
                until = one.value.shelf.until if one.value.shelf else now
                if until > now:
                    next_at = min(next_at, until)
                elif len(found) < RETURNED_AT_ONCE:
                    found.append(one)
                else:
                    next_at = now  # the rest has its turn a second later
            after = page[-1].key
    return found, next_at


def _empty(reader: Reader, now: int) -> tuple[list[_Place], int]:
    """Return the shelves whose time is over, and when the next one's is."""
    found: list[_Place] = []
    next_at = NEVER
    for tenant in reader.tenants(SHELVES):
        after = ""
        while page := reader.list(SHELVES, tenant, after=after, limit=500):
            found += [(tenant, one.key) for one in page if one.value.until <= now]
            later = [one.value.until for one in page if one.value.until > now]
            next_at = min([next_at, *later])
            after = page[-1].key
    return found, next_at


def _require_user(reader: Reader, tenant: TenantId, name: str) -> None:
    found = reader.list(USERS, tenant, where=("name", name), limit=1)
    if not found or found[0].value.disabled_at is not None:
        raise Invalid(
            f"There is no user {name!r} here who could take it.", remedy="See weft user list."
        )


def _require_open(alarm: Alarm) -> None:
    if not alarm.is_open:
        raise Conflict("The alarm has been cleared already.", remedy="There is nothing left to do.")


def _require_room(alarm: Alarm) -> None:
    if alarm.steps >= STEPS_MAX:
        raise QuotaExceeded(
            f"The alarm's history holds {STEPS_MAX} entries, as many as fit.",
            remedy="Go on in the work order, or clear the alarm.",
        )


def _require_short(text: str) -> None:
    if len(text) > COMMENT_MAX_CHARACTERS:
        raise Invalid(
            f"The text has {len(text)} characters; at most {COMMENT_MAX_CHARACTERS} fit.",
            remedy="Write a shorter one.",
        )


__all__ = ["SHELF_MAX_S", "STEPS_MAX", "Handling"]
