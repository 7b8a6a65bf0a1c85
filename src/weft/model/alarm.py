"""Alarms, the actions they ask for and the work orders that come of them."""

from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from weft.model.ids import ActionId, AlarmId, AssetId, DeviceId, RuleId, TenantId, WorkOrderId
from weft.model.work_order import Remark, Telling


class Severity(StrEnum):
    """How bad, from the rule's author."""

    INFO = "info"
    WARNING = "warning"
    MAJOR = "major"
    CRITICAL = "critical"


class Priority(StrEnum):
    """How soon somebody must act: how bad it is, on how much the plant depends on the asset."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    URGENT = "urgent"


class AlarmState(StrEnum):
    """An alarm is acknowledged by a person and cleared by the rule (or by a person)."""

    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"


class Evidence(Struct, frozen=True, omit_defaults=True):
    """One sample that made the condition true, with its place in the journal."""

    position: int
    at: int
    values: dict[str, Any]
    device_id: DeviceId = DeviceId("")  # the member that sent it; empty: the alarm's own device


class SubjectKind(StrEnum):
    """What an alarm is about."""

    DEVICE = "device"
    GROUP = "group"
    ASSET = "asset"


class Subject(Struct, frozen=True, order=True):
    """The one that an alarm is about."""

    kind: SubjectKind
    name: str

    def __str__(self) -> str:
        return self.name if self.kind is SubjectKind.DEVICE else f"{self.kind.value} {self.name}"


class Shelf(Struct, frozen=True):
    """An alarm put aside for a time; it comes back by the clock."""

    at: int
    until: int
    by: str
    reason: str


class SuppressionKind(StrEnum):
    """What keeps an alarm back."""

    MAINTENANCE = "maintenance"  # a window; `by` is its name
    CAUSE = "cause"  # an open alarm above it; `by` is its id
    SHELF = "shelf"  # its rule and device were put aside; `by` is who did
    FLOOD = "flood"  # there were too many; `by` is the id of the alarm that stands for them


class Suppression(Struct, frozen=True):
    """That an alarm is kept back: recorded and listed, but nobody is told and nothing ordered."""

    kind: SuppressionKind
    by: str
    at: int
    released_at: int | None = None  # when it came forth after all

    def __str__(self) -> str:
        return f"{self.kind}:{self.by}"


class Alarm(Struct, frozen=True):
    """A condition on a device, group or asset, raised until cleared; exactly one per episode.

    `alarm_id` is derived from (tenant, rule, version, subject, episode), so the same episode
    seen twice, as after a crash, is the same alarm. `episode` is the journal position of
    the sample with which the condition became true.
    """

    alarm_id: AlarmId
    tenant: TenantId
    rule_id: RuleId
    rule_version: int
    device_id: DeviceId
    episode: int
    severity: Severity
    state: AlarmState
    message: str
    raised_at: int
    evidence: tuple[Evidence, ...] = ()
    acknowledged_at: int | None = None
    acknowledged_by: str | None = None
    cleared_at: int | None = None
    cleared_by: str | None = None  # "rule", or the principal who did
    clearing_position: int | None = None
    version: int = 1
    priority: Priority | None = None  # None: from before there were priorities
    priority_by: str | None = None  # the principal who overrode what was derived
    assets: tuple[AssetId, ...] = ()  # from the root of the tree to what the device observed
    assignee: str | None = None  # a user's name
    shelf: Shelf | None = None
    steps: int = 0  # how much is in its history
    suppression: Suppression | None = None
    causes: bool = False  # alarms below its device are its consequences
    flood: bool = False  # it stands for many
    held: int = 0  # how many, as last counted
    group: str = ""  # whose alarm it is where it is no device's; then `device_id` is empty
    asset: str = ""
    members: tuple[DeviceId, ...] = ()  # of the group or asset: who made the condition true
    questioned_at: int | None = None  # its work order has ended though its condition holds
    questioned_by: str | None = None
    dry_run: bool = False  # it would have been raised: its rule only tries, and asks for nothing
    late: bool = False  # found in data that came late, when it was over already

    @property
    def is_open(self) -> bool:
        """Whether its condition still holds, for all that is known."""
        return self.state is not AlarmState.CLEARED

    @property
    def is_shelved(self) -> bool:
        """Whether it is put aside, which what is over cannot be."""
        return self.is_open and self.shelf is not None

    @property
    def is_suppressed(self) -> bool:
        """Whether it is kept back, or was until it cleared."""
        return self.suppression is not None and self.suppression.released_at is None

    @property
    def urgency(self) -> Priority:
        """The priority that counts."""
        return self.priority or priority_of(self.severity)

    @property
    def subject(self) -> Subject:
        """What the alarm is about."""
        if self.group:
            return Subject(SubjectKind.GROUP, self.group)
        if self.asset:
            return Subject(SubjectKind.ASSET, self.asset)
        return Subject(SubjectKind.DEVICE, self.device_id)


class StepKind(StrEnum):
    """What was done to an alarm."""

    ACKNOWLEDGED = "acknowledged"
    CLEARED = "cleared"
    ASSIGNED = "assigned"
    COMMENTED = "commented"
    PRIORITISED = "prioritised"
    SHELVED = "shelved"
    UNSHELVED = "unshelved"
    RELEASED = "released"  # what kept it back was over, and it still held
    QUESTIONED = "questioned"  # its work order has ended though its condition holds
    CONFIRMED = "confirmed"  # and was opened again


class Step(Struct, frozen=True):
    """One thing that was done to an alarm: what, by whom, when, in which words."""

    number: int  # from 1, in order
    alarm_id: AlarmId
    kind: StepKind
    at: int
    by: str
    text: str = ""
    facts: dict[str, str] = {}


_RANKS = tuple(Priority)
_BY_SEVERITY = {
    Severity.INFO: 0,
    Severity.WARNING: 1,
    Severity.MAJOR: 2,
    Severity.CRITICAL: 3,
}
_BY_CRITICALITY = {"low": -1, "medium": 0, "normal": 0, "high": 1, "critical": 1}


def priority_of(severity: Severity, criticality: Any = None) -> Priority:
    """Derive a priority: the severity's, one step more or less by the asset's criticality.

    An asset says it in its attribute `criticality`: low, medium (or normal), high or critical.
    Any other word changes nothing.
    """
    shift = _BY_CRITICALITY.get(criticality.lower(), 0) if isinstance(criticality, str) else 0
    return _RANKS[min(max(_BY_SEVERITY[severity] + shift, 0), len(_RANKS) - 1)]


NOTIFICATION = "notification"  # a kind of action that a policy asks for, not a rule


class Action(Struct, frozen=True):
    """One effect that a rule asks for; its id is derived, so asking twice changes nothing."""

    action_id: ActionId
    tenant: TenantId
    connector: str  # name of the configured connector
    kind: str  # "webhook", "work_order"
    alarm_id: AlarmId
    parameters: dict[str, Any]
    created_at: int


class OutboxState(StrEnum):
    """Where an action stands on its way to the far side."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"  # gave up; can be redriven


class OutboxEntry(Struct, frozen=True):
    """An action on its way, kept until the connector has the far side's answer."""

    action: Action
    state: OutboxState
    attempts: int = 0
    next_attempt_at: int = 0
    last_error: str = ""
    delivered_at: int | None = None
    remote_id: str | None = None
    version: int = 1
    unanswered: int = 0  # tries that handed everything over and had no answer


class WorkOrderState(StrEnum):
    """Our view of the far side's task."""

    REQUESTED = "requested"  # in the outbox
    OPEN = "open"
    IN_PROGRESS = "in_progress"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    FAILED = "failed"  # the outbox gave up; see its entry


class Proof(Struct, frozen=True):
    """Why an alarm of a work order was raised, copied: it outlives what it was read from."""

    alarm_id: AlarmId
    device_id: DeviceId
    rule_id: RuleId
    rule_version: int
    severity: Severity
    message: str
    condition: str  # as the rule's owner wrote it
    raised_at: int
    samples: tuple[Evidence, ...] = ()


class WorkOrder(Struct, frozen=True):
    """The business's copy of a fault, in a business system."""

    work_order_id: WorkOrderId  # equals the action's id
    tenant: TenantId
    alarm_id: AlarmId
    device_id: DeviceId
    connector: str
    title: str
    state: WorkOrderState
    created_at: int
    remote_id: str | None = None
    remote_state: str = ""
    remote_url: str | None = None
    polled_at: int | None = None
    closed_at: int | None = None
    details: dict[str, Any] = field(default_factory=dict)
    version: int = 1
    fault_id: str = ""
    fault_code: str = ""
    asset_id: str = ""
    priority: Priority = Priority.MEDIUM
    due_at: int | None = None
    instructions: str = ""
    alarms: int = 1  # of the fault, this order's own included
    alarm_ids: tuple[AlarmId, ...] = ()  # the first of them
    devices: tuple[DeviceId, ...] = ()  # the first of them
    evidence: tuple[Proof, ...] = ()  # of the first alarms
    told_alarms: int = 1  # how many of them the far side knows of
    told_at: int | None = None  # when it was last told of more
    acknowledged_at: int | None = None
    acknowledged_by: str | None = None
    assigned_to: str = ""
    on_close: str = ""  # of `OnClose`; empty: as the connector is set
    close_when_cleared: bool = False
    closed_by: str = ""  # "weft", a principal, or empty for the far side
    remarks: tuple[Remark, ...] = ()
    tellings: tuple[Telling, ...] = ()  # what the far side is still to be told, in order
    watch_until: int | None = None  # an ended order is followed until then: it may be reopened
    place: str = ""  # of a tenant's own connector: which of its systems took it; no other is asked
