"""What the evaluation of rules asks for: to raise, to clear, to pause. Plain values in order."""

from typing import Any

from msgspec import Struct

from weft.model.alarm import Alarm, AlarmState, Evidence, Subject, SubjectKind
from weft.model.ids import AlarmId, DeviceId, TenantId, derived_id_at
from weft.rules.model import Rule
from weft.rules.templates import fill
from weft.rules.tracing import Trace


class Raise(Struct, frozen=True):
    """A condition has held for long enough."""

    rule: Rule
    device_id: DeviceId
    position: int  # the sample with which the condition became true
    episode: str
    began_at: int  # of that sample, as the device says
    at: int
    evidence: tuple[Evidence, ...]
    values: dict[str, Any]  # what templates may name
    subject: Subject | None = None  # None: the device
    members: tuple[DeviceId, ...] = ()  # of the group or asset: who made it true
    trace: Trace | None = None
    late: bool = False  # found in data that came late
    message: str = ""  # empty: as the rule's template says

    @property
    def about(self) -> Subject:
        """What the alarm is about."""
        return self.subject or Subject(SubjectKind.DEVICE, self.device_id)

    @property
    def alarm_id(self) -> AlarmId:
        """The one id of this episode, however often it is seen; sorts by its first sample."""
        rule = self.rule
        parts = (rule.tenant, rule.rule_id, str(rule.version), self.device_id, self.episode)
        return AlarmId(derived_id_at(self.began_at, "alarm", *parts))

    def alarm(self) -> Alarm:
        """Make the alarm."""
        document = self.rule.document
        about = self.about
        default = (
            "{rule} on {device}" if about.kind is SubjectKind.DEVICE else "{rule} on {subject}"
        )
        return Alarm(
            alarm_id=self.alarm_id,
            tenant=self.rule.tenant,
            rule_id=self.rule.rule_id,
            rule_version=self.rule.version,
            device_id=self.device_id if about.kind is SubjectKind.DEVICE else DeviceId(""),
            group=about.name if about.kind is SubjectKind.GROUP else "",
            asset=about.name if about.kind is SubjectKind.ASSET else "",
            members=self.members,
            episode=self.position,
            severity=document.severity,
            state=AlarmState.ACTIVE,
            message=self.message or fill(document.message or default, self.values),
            raised_at=self.at,
            evidence=self.evidence,
            dry_run=document.dry_run,
            causes=document.causes,
            late=self.late,
        )


class Clear(Struct, frozen=True):
    """A raised condition is over; `reason` is empty when the rule itself found so."""

    rule: Rule
    tenant: TenantId
    device_id: DeviceId
    alarm_id: AlarmId
    at: int
    position: int | None
    reason: str = ""
    subject: Subject | None = None  # None: the device
    trace: Trace | None = None

    @property
    def about(self) -> Subject:
        """What the alarm is about."""
        return self.subject or Subject(SubjectKind.DEVICE, self.device_id)


class Pause(Struct, frozen=True):
    """A rule that only fails is stopped, for its tenant alone (RU-2)."""

    rule: Rule
    reason: str
    at: int


Request = Raise | Clear | Pause
