"""A ledger of what rules ask for: raises and clears joined into firings, nothing kept."""

from msgspec import Struct
from msgspec.structs import replace

from weft.model.alarm import Evidence, Severity, Subject
from weft.model.ids import AlarmId, DeviceId
from weft.rules.requests import Clear, Pause, Raise, Request


class Firing(Struct, frozen=True):
    """One alarm that the rule would have raised, and when it would have cleared."""

    device_id: DeviceId  # empty for an alarm of a group or an asset
    severity: Severity
    message: str
    episode: int
    raised_at: int
    evidence: tuple[Evidence, ...]
    actions: int
    subject: Subject
    cleared_at: int | None = None
    clearing_position: int | None = None
    members: tuple[DeviceId, ...] = ()


class Ledger:
    """Raises and clears joined into firings."""

    def __init__(self) -> None:
        self.firings: dict[AlarmId, Firing] = {}

    def take(self, asked: list[Request]) -> None:
        """Note what was asked for since the last time."""
        for request in asked:
            match request:
                case Raise():
                    self._raise(request)
                case Clear():
                    self._clear(request)
                case Pause():  # told in the trial's health
                    continue
        asked.clear()

    def _raise(self, request: Raise) -> None:
        alarm = request.alarm()
        self.firings[alarm.alarm_id] = Firing(
            device_id=alarm.device_id,
            severity=alarm.severity,
            message=alarm.message,
            episode=alarm.episode,
            raised_at=alarm.raised_at,
            evidence=alarm.evidence,
            actions=len(request.rule.document.actions),
            subject=alarm.subject,
            members=alarm.members,
        )

    def _clear(self, request: Clear) -> None:
        raised = self.firings.get(request.alarm_id)
        if raised is None:
            return
        self.firings[request.alarm_id] = replace(
            raised,
            cleared_at=max(request.at, raised.raised_at),
            clearing_position=request.position,
        )
