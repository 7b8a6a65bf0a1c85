"""What a rule is: the document its owner wrote, at one version, and how it is doing."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from weft.model.alarm import Severity
from weft.model.device import Device
from weft.model.ids import DeviceId, RuleId, TenantId
from weft.model.principal import Principal, PrincipalKind


class Selector(Struct, frozen=True, omit_defaults=True):
    """Which devices of the tenant a rule watches; all that is given must match."""

    type_name: str | None = None
    devices: tuple[str, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)

    def matches(self, device_id: DeviceId, type_name: str, device: Device | None) -> bool:
        """Return whether a device is watched."""
        if self.type_name is not None and type_name != self.type_name:
            return False
        if self.devices and device_id not in self.devices:
            return False
        facts: Mapping[str, Any] = device.attributes if device else {}
        return all(key in facts and facts[key] == value for key, value in self.attributes.items())


class RuleScope(Struct, frozen=True, omit_defaults=True):
    """Over whom a rule speaks where it does not speak of single devices: one of three."""

    group: str = ""  # the name of a saved group
    asset: str = ""  # an asset, or the path to it: plant-1/line-2
    each_asset: str = ""  # every asset of this kind, each apart
    stale_after_ns: int = 0  # a member that is silent for longer does not count; 0: it does

    @property
    def asset_id(self) -> str:
        """The name of the asset at the end of the path."""
        return self.asset.rpartition("/")[2]


class ActionKind(StrEnum):
    """What an action makes on the far side."""

    WEBHOOK = "webhook"
    WORK_ORDER = "work_order"
    DESIRE = "desire"  # in Weft itself: a property of a device
    COMMAND = "command"  # in Weft itself: a command to a device


class RuleAction(Struct, frozen=True):
    """One effect that a rule asks for when its alarm is raised."""

    kind: ActionKind
    connector: str
    parameters: dict[str, Any]  # texts in it are templates, as the message is


class GivenSample(Struct, frozen=True):
    """What a device says in a test."""

    at_ns: int  # since the test began
    device: str
    values: dict[str, Any]
    reported: bool = False  # properties, not telemetry
    received_ns: int | None = None  # None: at once


class ExpectedAlarm(Struct, frozen=True, omit_defaults=True):
    """An alarm that a test expects; what is None may be anything."""

    raised_ns: int
    cleared_ns: int | None = None
    open: bool = False  # it must not have cleared
    subject: str | None = None
    message: str | None = None
    members: tuple[str, ...] | None = None


class GivenDevice(Struct, frozen=True, omit_defaults=True):
    """What a test says of a device before it speaks."""

    type_name: str | None = None  # None: that of the selector
    attributes: dict[str, Any] = {}
    asset: str = ""  # where a rule speaks of each asset of a kind


class RuleTest(Struct, frozen=True, omit_defaults=True):
    """One test of a rule: samples in, alarms out."""

    name: str
    given: tuple[GivenSample, ...]
    expect: tuple[ExpectedAlarm, ...] = ()
    until_ns: int = 0  # the clock goes on to here
    start_ns: int | None = None  # when it begins, where schedules matter
    devices: dict[str, GivenDevice] = {}


class RuleDocument(Struct, frozen=True):
    """A rule as its owner wrote it, checked."""

    name: str
    when: str
    selector: Selector = Selector()
    scope: RuleScope | None = None  # None: each device that the selector takes in, by itself
    enabled: bool = True
    for_ns: int = 0
    clear: str | None = None  # None: as soon as `when` is false
    clear_for_ns: int = 0
    severity: Severity = Severity.WARNING
    message: str = ""
    description: str = ""
    actions: tuple[RuleAction, ...] = ()
    dry_run: bool = False  # alarms are marked as tried, and nothing is asked for
    tests: tuple["RuleTest", ...] = ()
    causes: bool = False  # its alarm is the cause of those below its device
    fault: str = ""  # the code of the fault that it notices; empty: the rule's own name
    late: bool = False  # data that comes late may raise its alarms after the fact
    quiet_ns: int = 0  # an alarm this soon after the end of its fault opens that again

    @property
    def fault_code(self) -> str | None:
        """The code of the fault that its alarms belong to, None where nobody is to act."""
        orders = any(action.kind is ActionKind.WORK_ORDER for action in self.actions)
        return (self.fault or self.name) if self.fault or orders else None


class Rule(Struct, frozen=True):
    """A rule at one version. It acts with the rights of its owner (AZ-5)."""

    rule_id: RuleId  # the name in its document
    uid: str  # never used again after a delete
    tenant: TenantId
    version: int
    owner: Principal
    document: RuleDocument
    source: dict[str, Any]  # the document as its owner wrote it
    created_at: int
    updated_at: int
    enabled: bool
    effective_after: int = 0  # the journal position at which this version was saved
    state_bytes: int = 0  # what it may remember of one device, at worst
    sample_ns: int = 0  # what that costs for one sample, at worst
    paused: str = ""  # why it was stopped by Weft; empty while it runs

    @property
    def principal(self) -> Principal:
        """Who the rule is when it acts."""
        return Principal(self.tenant, PrincipalKind.RULE, self.rule_id, self.uid)

    @property
    def runs(self) -> bool:
        """Whether it is evaluated."""
        return self.enabled and not self.paused
