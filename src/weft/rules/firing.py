"""Writing what rules ask for: an alarm, its actions and its audit entry, all or none.

Every write adds what is not there yet, under ids derived from the episode. So asking
again, after a crash or a replay, changes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from weft.model.alarm import (
    Action,
    Alarm,
    AlarmState,
    Severity,
)
from weft.model.ids import ActionId, AlarmId, derived_id_at
from weft.ports import Deciding, Reader, Writer
from weft.rules.faults import alarm_cleared
from weft.rules.health import Health
from weft.rules.kinds import ALARMS, RULES, TRACES
from weft.rules.loops import LOOP, Loops
from weft.rules.model import ActionKind, Rule, RuleAction
from weft.rules.orders import ask_for
from weft.rules.requests import Clear, Pause, Raise, Request
from weft.rules.suppressing import Placed, Suppressing
from weft.rules.templates import fill_all
from weft.rules.tracing import AlarmTrace
from weft.rules.writes import RIGHTS, device_of, filled, seen_of, written_by
from weft.security.audit import Audit

ACT = "rule.act"


class Fired(Struct):
    """What a write has changed, to be told once it is on disk."""

    alarms: list[Alarm]
    actions: list[Action]
    paused: list[Rule]


class Firing:
    """Turns requests into records, with the rights of the rules' owners."""

    def __init__(self, policy: Deciding, audit: Audit, health: Health) -> None:
        self._policy = policy
        self._audit = audit
        self._health = health
        self._suppressing: Suppressing | None = None
        self._loops = Loops()

    def suppress_with(self, suppressing: Suppressing) -> None:
        """Let a step decide which alarms are kept back."""
        self._suppressing = suppressing

    def load(self, reader: Reader) -> None:
        """Read what is counted of rules that write what others read; call once, at the start."""
        self._loops.load(reader)

    async def look(self, requests: Sequence[Request]) -> Mapping[AlarmId, Placed]:
        """Look up where what is to be raised stands; on the loop, before the write."""
        return {} if self._suppressing is None else await self._suppressing.look(requests)

    def denied(self, requests: Sequence[Request]) -> dict[tuple[str, int], str]:
        """Ask for each action whether its rule's owner may still do it (AZ-5).

        Returns {(alarm id, index of the action): why not}. Runs on the loop, before the write.
        """
        refused: dict[tuple[str, int], str] = {}
        for request in requests:
            if isinstance(request, Raise) and not request.rule.document.dry_run:
                self._judge(request, refused)
        return refused

    def _judge(self, request: Raise, refused: dict[tuple[str, int], str]) -> None:
        actions = request.rule.document.actions
        writes = [one for action in actions for one in written_by(action, request.values)]
        acts = any(action.kind in RIGHTS for action in actions) and not request.late
        looped = self._loops.judge(request, writes) if acts else ""
        for place, action in enumerate(actions):
            asked = [(ACT, f"connector:{action.connector}")]
            if action.kind in RIGHTS:
                device = device_of(action, request.values)
                asked.append((RIGHTS[action.kind], f"device:{device}"))
            reasons = [
                decision.reason
                for act, target in asked
                if not (decision := self._policy.decide(request.rule.owner, act, target)).allowed
            ]
            if action.kind in RIGHTS and looped:
                reasons.append(looped)
            if reasons:
                refused[request.alarm_id, place] = reasons[0]
                self._health.denied(request.rule, reasons[0])

    def write(
        self,
        writer: Writer,
        requests: Sequence[Request],
        denied: dict[tuple[str, int], str],
        placed: Mapping[AlarmId, Placed] | None = None,
    ) -> Fired:
        """Write requests in their order; `placed` is what `look` found."""
        fired = Fired([], [], [])
        for request in requests:
            match request:
                case Raise():
                    alarm = self._raise(writer, request, placed or {}, fired)
                    if alarm is not None:
                        self._act(writer, (request, alarm), denied, fired)
                case Clear():
                    self._clear(writer, request, fired)
                case Pause():
                    self._pause(writer, request, fired)
        return fired

    def _raise(
        self,
        writer: Writer,
        request: Raise,
        placed: Mapping[AlarmId, Placed],
        fired: Fired,
    ) -> Alarm | None:
        """Write a new alarm; None where the episode has one already."""
        alarm = request.alarm()
        if writer.find(ALARMS, alarm.tenant, alarm.alarm_id) is not None:
            return None
        if self._suppressing is not None and alarm.alarm_id in placed:
            alarm, made = self._suppressing.judge(writer, alarm, placed[alarm.alarm_id])
            fired.alarms += made
        writer.insert(ALARMS, alarm.tenant, alarm.alarm_id, alarm)
        writer.put(TRACES, alarm.tenant, alarm.alarm_id, AlarmTrace(raised=request.trace))
        fired.alarms.append(alarm)
        rule = request.rule
        about = request.about
        facts = {"rule": rule.rule_id, "version": rule.version, about.kind.value: about.name}
        if alarm.suppression is not None:
            facts["held_by"] = str(alarm.suppression)
        target = f"alarm:{alarm.alarm_id}"
        self._audit.entry(writer, rule.principal, "alarm.raise", target, detail=facts)
        return alarm

    def _act(
        self,
        writer: Writer,
        raised: tuple[Raise, Alarm],
        denied: dict[tuple[str, int], str],
        fired: Fired,
    ) -> None:
        """Ask for the actions of a new alarm, or keep them with it while it is kept back."""
        request, alarm = raised
        rule = request.rule
        if alarm.dry_run:
            return
        if alarm.is_suppressed and self._suppressing is not None:
            # Their rights are asked when it comes forth.
            held = [
                _action(writer, (request, alarm), place, action)
                for place, action in enumerate(rule.document.actions)
                if not (alarm.late and action.kind in RIGHTS)
            ]
            self._suppressing.hold(writer, alarm, rule, held)
            return
        asked: list[Action] = []
        for place, action in enumerate(rule.document.actions):
            if alarm.late and action.kind in RIGHTS:
                continue  # no device is steered by what is over
            reason = denied.get((alarm.alarm_id, place))
            if reason is not None:
                self._audit.entry(
                    writer,
                    rule.principal,
                    ACT,
                    f"connector:{action.connector}",
                    outcome="denied",
                    detail={"reason": reason, "alarm": alarm.alarm_id},
                )
                if reason.startswith(LOOP):
                    self._cut(writer, request, reason, fired)
                continue
            if action.kind in RIGHTS:
                self._loops.keep(writer, request, written_by(action, request.values))
            asked.append(_action(writer, (request, alarm), place, action))
        fired.actions += ask_for(writer, alarm, rule, asked)

    def _cut(self, writer: Writer, request: Raise, reason: str, fired: Fired) -> None:
        """Raise an alarm for a loop, and pause the rule that would have gone on with it (RU-3)."""
        rule = request.rule
        loop = replace(
            request.alarm(),
            alarm_id=AlarmId(derived_id_at(request.at, "loop", request.alarm_id)),
            severity=Severity.MAJOR,
            message=f"{rule.rule_id} was paused: {reason}",
        )
        if writer.find(ALARMS, loop.tenant, loop.alarm_id) is None:
            writer.insert(ALARMS, loop.tenant, loop.alarm_id, loop)
            fired.alarms.append(loop)
            facts = {"rule": rule.rule_id, "reason": reason}
            target = f"alarm:{loop.alarm_id}"
            self._audit.entry(writer, rule.principal, "alarm.raise", target, detail=facts)
        self._pause(writer, Pause(rule=rule, reason=reason, at=request.at), fired)

    def _clear(self, writer: Writer, request: Clear, fired: Fired) -> None:
        record = writer.find(ALARMS, request.tenant, request.alarm_id)
        if record is None or record.value.state is AlarmState.CLEARED:
            return
        alarm = replace(
            record.value,
            state=AlarmState.CLEARED,
            # Time alone may have raised it behind what a silent device sends from its memory.
            cleared_at=max(request.at, record.value.raised_at),
            cleared_by="rule",
            clearing_position=request.position,
            version=record.value.version + 1,
        )
        writer.put(ALARMS, request.tenant, request.alarm_id, alarm, version=record.version)
        fired.alarms.append(alarm)
        alarm_cleared(writer, alarm)
        held = writer.find(TRACES, request.tenant, request.alarm_id)
        raised = held.value.raised if held is not None else None
        trace = AlarmTrace(raised, request.trace, request.reason)
        writer.put(TRACES, request.tenant, request.alarm_id, trace)
        self._audit.entry(
            writer,
            request.rule.principal,
            "alarm.clear",
            f"alarm:{alarm.alarm_id}",
            detail={request.about.kind.value: request.about.name, "reason": request.reason},
        )

    def _pause(self, writer: Writer, request: Pause, fired: Fired) -> None:
        rule = request.rule
        record = writer.find(RULES, rule.tenant, rule.rule_id)
        if record is None or record.value.version != rule.version or record.value.paused:
            return
        paused = replace(record.value, paused=request.reason)
        writer.put(RULES, rule.tenant, rule.rule_id, paused, version=record.version)
        fired.paused.append(paused)
        self._audit.entry(
            writer,
            rule.principal,
            "rule.pause",
            f"rule:{rule.rule_id}",
            detail={"reason": request.reason, "version": rule.version},
        )


def _action(reader: Reader, raised: tuple[Raise, Alarm], place: int, action: RuleAction) -> Action:
    request, alarm = raised
    return Action(
        action_id=ActionId(derived_id_at(request.began_at, "action", alarm.alarm_id, str(place))),
        tenant=alarm.tenant,
        connector=action.connector,
        kind=action.kind.value,
        alarm_id=alarm.alarm_id,
        parameters={
            **_filled(reader, request, action),
            "alarm": {
                alarm.subject.kind.value: alarm.subject.name,
                "rule": alarm.rule_id,
                "rule_version": alarm.rule_version,
                "severity": alarm.severity.value,
                "message": alarm.message,
                "raised_at": alarm.raised_at,
            },
        },
        created_at=alarm.raised_at,
    )


def _filled(reader: Reader, request: Raise, action: RuleAction) -> dict[str, Any]:
    if action.kind not in RIGHTS:
        return fill_all(action.parameters, request.values)
    rule = request.rule
    who = {"owner": to_builtins(rule.owner), "rule": to_builtins(rule.principal)}
    made = {**filled(action, request.values), **who}
    if action.kind is ActionKind.DESIRE:
        made["seen"] = seen_of(reader, rule.tenant, made["device"], made["properties"])
    return made
