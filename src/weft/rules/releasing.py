"""Releasing: what was kept back comes forth when what kept it back is over.

Looked at each second. What has cleared meanwhile is let go of; what still holds is judged
again, for another window or cause may keep it back now; the rest comes forth with what its
rule had asked for, on the rights that the rule's owner has by then (AZ-5).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from weft.model.alarm import Action, Alarm, AlarmState, StepKind, SuppressionKind
from weft.model.ids import ActionId, TenantId
from weft.ports import Clock, Deciding, Reader, Record, Records, Writer
from weft.rules.alarms import Alarms, Deed
from weft.rules.firing import ACT
from weft.rules.handling import clockwork
from weft.rules.kinds import ALARMS, RULE_VERSIONS, version_key
from weft.rules.orders import ask_for
from weft.rules.suppressing import FLOODS, HELD, Held, Placed, Suppressing, is_quiet
from weft.security.audit import Audit

LOOKED_AT_ONCE = 500  # held alarms in one turn, of one tenant


class Waiting(Struct, frozen=True):
    """One alarm that is kept back, as it was read."""

    held: Held
    alarm: Alarm | None  # None: it is not there any more
    holder: Alarm | None  # the cause or the flood that keeps it back


class Releasing:
    """Lets go of what is kept back no longer."""

    def __init__(
        self,
        records: Records,
        alarms: Alarms,
        suppressing: Suppressing,
        policy: Deciding,
        around: tuple[Audit, Clock],
    ) -> None:
        self._records = records
        self._alarms = alarms
        self._suppressing = suppressing
        self._policy = policy
        self._audit, self._clock = around
        self._after: dict[TenantId, str] = {}
        self._on_actions: Callable[[Sequence[Action]], None] = _nobody

    def on_actions(self, callback: Callable[[Sequence[Action]], None]) -> None:
        """Call `callback` on the loop when actions have been put in the outbox."""
        self._on_actions = callback

    async def release_due(self) -> int:
        """Let go of what may go; return how many came forth. Call each second."""
        released = 0
        for tenant in await self._records.read(lambda reader: reader.tenants(HELD)):
            released += await self._release(tenant)
        for tenant in await self._records.read(lambda reader: reader.tenants(FLOODS)):
            await self._end_floods(tenant)
        return released

    async def _release(self, tenant: TenantId) -> int:
        after = self._after.get(tenant, "")
        page = await self._records.read(lambda reader: _waiting(reader, tenant, after))
        self._after[tenant] = page[-1].held.alarm_id if len(page) == LOOKED_AT_ONCE else ""
        over = [one.held for one in page if one.alarm is None or not one.alarm.is_open]
        going = [
            (one, await self._suppressing.place(one.alarm))
            for one in page
            if one.alarm is not None and one.alarm.is_open and self._may_go(one)
        ]
        if not over and not going:
            return 0

        denied = self._denied(going)

        def work(writer: Writer) -> tuple[list[Alarm], list[Action]]:
            for held in over:
                writer.delete(HELD, tenant, held.alarm_id)
            changed: list[Alarm] = []
            actions: list[Action] = []
            for one, placed in going:
                alarms, asked = self._let_go(writer, one.held, placed, denied)
                changed += alarms
                actions += asked
            return changed, actions

        changed, actions = await self._records.write(work)
        for alarm in changed:
            self._alarms.tell(alarm)
        if actions:
            self._on_actions(actions)
        return sum(not alarm.is_suppressed for alarm in changed)

    def _may_go(self, one: Waiting) -> bool:
        """Whether what kept it back may be over; a window is asked where the device stands."""
        mark = one.alarm.suppression if one.alarm is not None else None
        match mark.kind if mark is not None else None:
            case SuppressionKind.CAUSE | SuppressionKind.FLOOD:
                return one.holder is None or not one.holder.is_open
            case SuppressionKind.SHELF:
                return one.alarm is not None and one.alarm.shelf is None
            case _:
                return True

    def _denied(self, going: Sequence[tuple[Waiting, Placed]]) -> dict[ActionId, str]:
        """Ask for each action whether its rule's owner may still do it (AZ-5); on the loop."""
        denied: dict[ActionId, str] = {}
        for one, _placed in going:
            for action in one.held.actions:
                target = f"connector:{action.connector}"
                decision = self._policy.decide(one.held.owner, ACT, target)
                if not decision.allowed:
                    denied[action.action_id] = decision.reason
        return denied

    def _let_go(
        self, writer: Writer, held: Held, placed: Placed, denied: Mapping[ActionId, str]
    ) -> tuple[list[Alarm], list[Action]]:
        """Let one come forth, or note what keeps it back now."""
        tenant = held.owner.tenant
        record = writer.find(ALARMS, tenant, held.alarm_id)
        if record is None or not record.value.is_suppressed:
            writer.delete(HELD, tenant, held.alarm_id)
            return [], []
        alarm, before = record.value, record.value.suppression
        assert before is not None
        again = self._suppressing.find_reason(writer, alarm, placed)
        if again is not None:
            if (again.kind, again.by) == (before.kind, before.by):
                return [], []
            moved = replace(alarm, suppression=again, version=alarm.version + 1)
            writer.put(ALARMS, tenant, alarm.alarm_id, moved, version=record.version)
            return [moved], []
        now = self._clock.now()

        def change(one: Alarm) -> Alarm:
            return replace(one, suppression=replace(before, released_at=now))

        deed = Deed("alarm.release", StepKind.RELEASED, change, facts={"held_by": str(before)})
        _old, new = self._alarms.do_in(writer, clockwork(tenant), alarm.alarm_id, deed)
        writer.delete(HELD, tenant, alarm.alarm_id)
        return [new], self._ask(writer, new, held, denied)

    def _ask(
        self, writer: Writer, alarm: Alarm, held: Held, denied: Mapping[ActionId, str]
    ) -> list[Action]:
        """Put the actions of an alarm in the outbox, those that its rule's owner may still do."""
        allowed: list[Action] = []
        for action in held.actions:
            reason = denied.get(action.action_id)
            if reason is None:
                allowed.append(action)
                continue
            target, detail = (
                f"connector:{action.connector}",
                {"reason": reason, "alarm": alarm.alarm_id},
            )
            self._audit.entry(writer, held.rule, ACT, target, outcome="denied", detail=detail)
        key = version_key(alarm.rule_id, alarm.rule_version)
        rule = writer.get(RULE_VERSIONS, alarm.tenant, key).value
        return ask_for(writer, alarm, rule, allowed)

    # --- floods ---

    async def _end_floods(self, tenant: TenantId) -> None:
        """Count what floods hold, and end those that are over."""
        now = self._clock.now()
        # Most turns find nothing to do, and then nothing is written.
        if not await self._records.read(lambda reader: list(_floods(reader, tenant, now))):
            return

        def work(writer: Writer) -> list[Alarm]:
            changed: list[Alarm] = []
            for look in list(_floods(writer, tenant, now)):
                if look.is_over:
                    writer.delete(FLOODS, tenant, look.key)
                if look.alarm is not None:
                    changed.append(self._counted(writer, look.alarm, look))
            return changed

        for alarm in await self._records.write(work):
            self._alarms.tell(alarm)

    def _counted(self, writer: Writer, alarm: Alarm, look: "_Look") -> Alarm:
        if not look.is_over:
            new = replace(alarm, held=look.held, version=alarm.version + 1)
            writer.put(ALARMS, alarm.tenant, alarm.alarm_id, new)
            return new
        now = self._clock.now()

        def change(one: Alarm) -> Alarm:
            return replace(
                one, held=look.held, state=AlarmState.CLEARED, cleared_at=now, cleared_by="weft"
            )

        deed = Deed("alarm.clear", StepKind.CLEARED, change, comment="The flood is over.")
        return self._alarms.do_in(writer, clockwork(alarm.tenant), alarm.alarm_id, deed)[1]


class _Look(Struct, frozen=True):
    """What is to be done about a flood: `alarm` where that is to be changed."""

    key: str
    is_over: bool
    held: int = 0
    alarm: Alarm | None = None


def _floods(reader: Reader, tenant: TenantId, now: int) -> Iterator[_Look]:
    """Yield the floods that have changed or are over."""
    for record in reader.list(FLOODS, tenant, limit=LOOKED_AT_ONCE):
        quiet = is_quiet(record.value, now)
        alarm_id = record.value.alarm_id
        alarm = _value(reader.find(ALARMS, tenant, alarm_id)) if alarm_id is not None else None
        if alarm is None or not alarm.is_open:
            if quiet:
                yield _Look(record.key, is_over=True)
            continue
        held = reader.count(ALARMS, tenant, where=("under", alarm.alarm_id))
        if quiet and not reader.count(ALARMS, tenant, where=("under_open", alarm.alarm_id)):
            yield _Look(record.key, is_over=True, held=held, alarm=alarm)
        elif held != alarm.held:
            yield _Look(record.key, is_over=False, held=held, alarm=alarm)


def _nobody(_actions: Sequence[Action]) -> None:
    return None


def _waiting(reader: Reader, tenant: TenantId, after: str) -> list[Waiting]:
    found: list[Waiting] = []
    for record in reader.list(HELD, tenant, after=after, limit=LOOKED_AT_ONCE):
        held: Held = record.value
        alarm = reader.find(ALARMS, tenant, held.alarm_id)
        found.append(Waiting(held, _value(alarm), _holder(reader, tenant, _value(alarm))))
    return found


def _holder(reader: Reader, tenant: TenantId, alarm: Alarm | None) -> Alarm | None:
    mark = alarm.suppression if alarm is not None else None
    if mark is None or mark.kind not in {SuppressionKind.CAUSE, SuppressionKind.FLOOD}:
        return None
    return _value(reader.find(ALARMS, tenant, mark.by))


def _value(record: Record[Alarm] | None) -> Alarm | None:
    return None if record is None else record.value
