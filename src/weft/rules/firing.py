"""Writing what rules ask for: an alarm, its actions and its audit entry, all or none.

Every write adds what is not there yet, under ids derived from the episode. So asking
again, after a crash or a replay, changes nothing.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from weft.model.alarm import (
    Action,
    Alarm,
    AlarmState,
)
from weft.model.ids import ActionId, AlarmId, derived_id_at
from weft.ports import Deciding, Writer
from weft.rules.faults import alarm_cleared
from weft.rules.health import Health
from weft.rules.kinds import ALARMS, RULES
from weft.rules.model import Rule, RuleAction
from weft.rules.orders import ask_for
from weft.rules.requests import Clear, Pause, Raise, Request
from weft.rules.suppressing import Placed, Suppressing
from weft.rules.templates import fill_all
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

    def suppress_with(self, suppressing: Suppressing) -> None:
        """Let a step decide which alarms are kept back."""
        self._suppressing = suppressing

    async def look(self, requests: Sequence[Request]) -> Mapping[AlarmId, Placed]:
        """Look up where what is to be raised stands; on the loop, before the write."""
        return {} if self._suppressing is None else await self._suppressing.look(requests)

    def denied(self, requests: Sequence[Request]) -> dict[tuple[str, int], str]:
        """Ask for each action whether its rule's owner may still do it (AZ-5).

        Returns {(alarm id, index of the action): why not}. Runs on the loop, before the write.
        """
        refused: dict[tuple[str, int], str] = {}
        for request in requests:
            if not isinstance(request, Raise):
                continue
            for place, action in enumerate(request.rule.document.actions):
                target = f"connector:{action.connector}"
                decision = self._policy.decide(request.rule.owner, ACT, target)
                if not decision.allowed:
                    refused[request.alarm_id, place] = decision.reason
                    self._health.denied(request.rule, decision.reason)
        return refused

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
        if alarm.is_suppressed and self._suppressing is not None:
            # Their rights are asked when it comes forth.
            actions = enumerate(rule.document.actions)
            held = [_action(request, alarm, place, action) for place, action in actions]
            self._suppressing.hold(writer, alarm, rule, held)
            return
        asked: list[Action] = []
        for place, action in enumerate(rule.document.actions):
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
                continue
            asked.append(_action(request, alarm, place, action))
        fired.actions += ask_for(writer, alarm, rule, asked)

    def _clear(self, writer: Writer, request: Clear, fired: Fired) -> None:
        record = writer.find(ALARMS, request.tenant, request.alarm_id)
        if record is None or record.value.state is AlarmState.CLEARED:
            return
        alarm = replace(
            record.value,
            state=AlarmState.CLEARED,
            cleared_at=request.at,
            cleared_by="rule",
            clearing_position=request.position,
            version=record.value.version + 1,
        )
        writer.put(ALARMS, request.tenant, request.alarm_id, alarm, version=record.version)
        fired.alarms.append(alarm)
        alarm_cleared(writer, alarm)
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


def _action(request: Raise, alarm: Alarm, place: int, action: RuleAction) -> Action:
    return Action(
        action_id=ActionId(derived_id_at(request.began_at, "action", alarm.alarm_id, str(place))),
        tenant=alarm.tenant,
        connector=action.connector,
        kind=action.kind.value,
        alarm_id=alarm.alarm_id,
        parameters={
            **fill_all(action.parameters, request.values),
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
