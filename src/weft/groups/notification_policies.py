"""Notification policies: who hears of which alarms, when, through what, and what if nobody acts.

A policy is a filter over alarms in the language of groups and rules, steps (at once, and
again when nobody has acknowledged after a time), reminders, and quiet hours by the wall
clock of a place, through which only what is urgent enough passes. It is checked when it is
saved: the filter with its column, the channels against the connectors that are configured.

Whoever saves it owns it from then on: it tells what its owner may read, and asks for that
right when it is saved and each time it tells (AZ-5).
"""

import builtins
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct

from weft.errors import Invalid, NotFound, QuotaExceeded, StaleVersion
from weft.groups.vocabulary import Vocabulary, rights_of
from weft.model.alarm import NOTIFICATION, Alarm, Priority
from weft.model.asset import Asset
from weft.model.device import Device
from weft.model.ids import TenantId, require_name
from weft.model.principal import Principal
from weft.ports import Clock, Deciding, Kind, Reader, Records, Writer
from weft.rules.durations import read_duration
from weft.rules.feeds.schedule import read_schedule
from weft.rules.language.condition import compile_condition
from weft.rules.language.evaluate import FAILURES, evaluator
from weft.rules.language.syntax import Path, Type
from weft.rules.language.tokens import MAX_CHARACTERS
from weft.rules.language.values import plain
from weft.security.audit import Audit
from weft.security.policy import require

POLICIES_MAX: Final = 100  # of one tenant: each alarm is held against all of them
STEPS_MAX: Final = 8
CHANNELS_MAX: Final = 8  # of one step
RECIPIENTS_MAX: Final = 20  # of one channel
SHORTEST_NS: Final = 60_000_000_000  # between two steps or reminders
READ: Final = "alarm.read"  # who tells others of alarms could read them

# An address as people have them; what RFC 5321 allows besides (quotes, comments) is refused.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}", re.ASCII)
_TEXTS = (
    "id",
    "device",
    "rule",
    "severity",
    "priority",
    "state",
    "message",
    "assignee",
    "asset",
    "group",
)

ALARM_NAMES = Vocabulary(
    records={
        "alarm": {**dict.fromkeys(_TEXTS, Type.STRING), "assets": Type.LIST, "flood": Type.BOOL},
        "device": dict.fromkeys(("id", "type", "label"), Type.STRING) | {"tags": Type.LIST},
        "asset": dict.fromkeys(("id", "kind", "label"), Type.STRING) | {"tags": Type.LIST},
    },
    open={},
    nested={
        ("device", "attributes"): "device_attributes",
        ("asset", "attributes"): "asset_attributes",
    },
    what="notification policy",
)


class Channel(Struct, frozen=True, forbid_unknown_fields=True):
    """Through what somebody is told: a connector, and for e-mail to whom."""

    connector: Annotated[str, Meta(max_length=128)]
    to: Annotated[tuple[str, ...], Meta(max_length=RECIPIENTS_MAX)] = ()


class NotifyStep(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told after a time; the second and later steps only if nobody has acknowledged."""

    channels: Annotated[tuple[Channel, ...], Meta(min_length=1, max_length=CHANNELS_MAX)]
    after: Annotated[str, Meta(max_length=32)] = "0s"  # since the alarm


class QuietHours(Struct, frozen=True, forbid_unknown_fields=True):
    """When nobody is told, but of what is urgent enough; the rest waits until they end."""

    times: Annotated[str, Meta(max_length=1000)]
    zone: Annotated[str, Meta(max_length=64)] = "UTC"
    unless: Priority = Priority.URGENT  # this, and what is above it, passes


class PolicyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A policy as its owner writes it."""

    steps: Annotated[tuple[NotifyStep, ...], Meta(min_length=1, max_length=STEPS_MAX)]
    filter: Annotated[str, Meta(max_length=MAX_CHARACTERS)] = "true"
    remind: Annotated[str, Meta(max_length=32)] = ""  # the last step again, until acknowledged
    reminders: Annotated[int, Meta(ge=1, le=100)] = 10  # at most
    quiet: QuietHours | None = None
    tell_cleared: bool = True  # whoever was told is told that it is over
    enabled: bool = True


class Policy(Struct, frozen=True):
    """A policy as it is kept."""

    tenant: TenantId
    name: str
    body: PolicyBody
    since: int  # ns; of alarms from before it says nothing
    updated_by: str
    version: int = 1
    owner: Principal | None = None  # whose rights count; None: saved before policies had owners

    def after_ns(self, step: int) -> int:
        """How long after the alarm a step is due."""
        return read_duration(self.body.steps[step].after)

    @property
    def remind_ns(self) -> int:
        """How long after the last step it is told again; 0 for never."""
        return read_duration(self.body.remind) if self.body.remind else 0

    def quiet_until(self, priority: Priority, at: int) -> int | None:
        """Return until when nobody is told of this; None where they are told now."""
        quiet = self.body.quiet
        ranks = list(Priority)
        if quiet is None or ranks.index(priority) >= ranks.index(quiet.unless):
            return None
        silent, until = read_schedule(quiet.times, quiet.zone).at(at)
        return until if silent else None


POLICIES: Final = Kind("notification_policy", Policy)

RequireAction = Callable[[TenantId, str, str], None]


class AlarmFacts(Struct, frozen=True):
    """An alarm with what its filters may ask of."""

    alarm: Alarm
    device: Device | None = None
    asset: Asset | None = None

    def value(self, path: Path) -> Any:
        """Return one value, absent where there is none."""
        source, key = path
        match source:
            case "alarm":
                return _ALARM[key](self.alarm)
            case "device_attributes":
                return (
                    UNSET if self.device is None else plain(self.device.attributes.get(key, UNSET))
                )
            case "asset_attributes":
                return UNSET if self.asset is None else plain(self.asset.attributes.get(key, UNSET))
            case "device":
                return UNSET if self.device is None else _DEVICE[key](self.device)
            case _:
                return UNSET if self.asset is None else _ASSET[key](self.asset)


_ALARM: Mapping[str, Callable[[Alarm], Any]] = {
    "id": lambda one: str(one.alarm_id),
    "device": lambda one: str(one.device_id),
    "rule": lambda one: str(one.rule_id),
    "severity": lambda one: one.severity.value,
    "priority": lambda one: one.urgency.value,
    "state": lambda one: one.state.value,
    "message": lambda one: one.message,
    "assignee": lambda one: one.assignee or "",
    "asset": lambda one: one.asset or (str(one.assets[-1]) if one.assets else ""),
    "group": lambda one: one.group,
    "assets": lambda one: [str(name) for name in one.assets],
    "flood": lambda one: one.flood,
}
_DEVICE: Mapping[str, Callable[[Device], Any]] = {
    "id": lambda one: str(one.device_id),
    "type": lambda one: one.type_name or "",
    "label": lambda one: one.label,
    "tags": lambda one: list(one.tags),
}
_ASSET: Mapping[str, Callable[[Asset], Any]] = {
    "id": lambda one: str(one.asset_id),
    "kind": lambda one: one.kind,
    "label": lambda one: one.label,
    "tags": lambda one: list(one.tags),
}


def require_address(text: str) -> str:
    """Return an e-mail address, or raise `Invalid`."""
    if not _ADDRESS.fullmatch(text) or ".." in text:
        raise Invalid(f"{text!r} is no e-mail address.", remedy="Write name@example.com.")
    return text


class AlarmFilter(Struct, frozen=True):
    """A checked filter over alarms, ready for one after the other."""

    matches: Callable[[AlarmFacts], bool]
    rights: frozenset[str]  # actions that the owner must be allowed, beside reading alarms


def compile_filter(text: str) -> AlarmFilter:
    """Compile a filter over alarms; raise `Invalid` with the column and what to write."""
    try:
        condition = compile_condition(text, ALARM_NAMES)
    except Invalid as error:
        raise Invalid(f"The filter: {error.detail}", remedy=error.remedy) from error
    paths = sorted(condition.paths)
    evaluate = evaluator(condition.tree, {path: place for place, path in enumerate(paths)})

    def matches(facts: AlarmFacts) -> bool:
        try:
            return evaluate([facts.value(path) for path in paths]) is True
        except FAILURES:
            return False  # absent, or of another type: neither is a match

    return AlarmFilter(matches, rights_of(paths))


class Policies:
    """The policies of all tenants, in memory as well: every alarm is held against them."""

    def __init__(
        self,
        records: Records,
        policy: Deciding,
        audit: Audit,
        clock: Clock,
        require_action: RequireAction,
    ) -> None:
        self._records = records
        self._policy = policy
        self._audit = audit
        self._clock = clock
        self._require_action = require_action
        self._cache: dict[TenantId, dict[str, Policy]] = {}
        self._filters: dict[str, AlarmFilter] = {}

    async def load(self) -> None:
        """Read all policies; call once, before the first alarm."""
        for policy in await self._records.read(lambda reader: list(_all(reader))):
            self._keep(policy)

    def matching(self, facts: AlarmFacts) -> builtins.list[Policy]:
        """Return the enabled policies of the alarm's tenant whose filter it matches."""
        return [
            policy
            for policy in self._of(facts.alarm.tenant).values()
            if policy.body.enabled and self._filters[policy.body.filter].matches(facts)
        ]

    def denied(self, policy: Policy) -> str:
        """Say why a policy may tell nobody now, empty where it may; on the event loop."""
        owner = policy.owner
        if owner is None:
            return "it was saved before policies had an owner; save it again"
        text = policy.body.filter
        for action in _rights(self._filters.get(text) or compile_filter(text)):
            decision = self._policy.decide(owner, action, "*")
            if not decision.allowed:
                return f"its owner {owner} may not {action}: {decision.reason}"
        return ""

    def all_denied(self, tenant: TenantId) -> dict[str, str]:
        """Return the policies of a tenant that may tell nobody now, and why."""
        reasons = {name: self.denied(policy) for name, policy in self._of(tenant).items()}
        return {name: reason for name, reason in reasons.items() if reason}

    def find(self, tenant: TenantId, name: str) -> Policy | None:
        """Return a policy, or None."""
        return self._of(tenant).get(name)

    def get(self, tenant: TenantId, name: str) -> Policy:
        """Return a policy, or raise `NotFound`."""
        found = self.find(tenant, name)
        if found is None:
            raise _no_policy(name)
        return found

    def list(self, tenant: TenantId, *, after: str = "", limit: int = 100) -> builtins.list[Policy]:
        """Return policies in the order of their names."""
        names = sorted(name for name in self._of(tenant) if name > after)
        return [self._of(tenant)[name] for name in names[:limit]]

    async def save(
        self, actor: Principal, name: str, body: PolicyBody, *, version: int | None = None
    ) -> Policy:
        """Make or replace a policy, owned by the actor from then on.

        Raises `Invalid` for what cannot work, `Forbidden` for what the actor may not read.
        """
        tenant = actor.tenant
        require_name(name, "name of a notification policy")
        self._require_sound(tenant, body)
        for action in _rights(compile_filter(body.filter)):
            require(self._policy, actor, action, "*")
        now = self._clock.now()

        def work(writer: Writer) -> Policy:
            record = writer.find(POLICIES, tenant, name)
            old = record.value if record is not None else None
            _require_version(old, version)
            if old is None and writer.count(POLICIES, tenant) >= POLICIES_MAX:
                raise QuotaExceeded(
                    f"The tenant has {POLICIES_MAX} notification policies, as many as fit.",
                    remedy="Delete those that are out of use.",
                )
            new = Policy(
                tenant=tenant,
                name=name,
                body=body,
                since=now,
                updated_by=str(actor),
                version=1 if old is None else old.version + 1,
                owner=actor,
            )
            writer.put(POLICIES, tenant, name, new, version=record.version if record else 0)
            detail = {"filter": body.filter, "steps": len(body.steps), "enabled": body.enabled}
            target = f"notification_policy:{name}"
            self._audit.entry(writer, actor, "notification.save", target, detail=detail)
            return new

        policy = await self._records.write(work)
        self._keep(policy)
        return policy

    async def delete(self, actor: Principal, name: str, *, version: int | None = None) -> None:
        """Forget a policy; what it has begun to tell ends."""
        tenant = actor.tenant

        def work(writer: Writer) -> None:
            record = writer.find(POLICIES, tenant, name)
            if record is None:
                raise _no_policy(name)
            _require_version(record.value, version)
            writer.delete(POLICIES, tenant, name, version=record.version)
            self._audit.entry(writer, actor, "notification.delete", f"notification_policy:{name}")

        await self._records.write(work)
        self._cache.get(tenant, {}).pop(name, None)

    def _keep(self, policy: Policy) -> None:
        if policy.body.filter not in self._filters:
            used = {one.body.filter for held in self._cache.values() for one in held.values()}
            self._filters = {text: kept for text, kept in self._filters.items() if text in used}
            self._filters[policy.body.filter] = compile_filter(policy.body.filter)
        self._cache.setdefault(policy.tenant, {})[policy.name] = policy

    def _of(self, tenant: TenantId) -> dict[str, Policy]:
        return self._cache.get(tenant, {})

    def _require_sound(self, tenant: TenantId, body: PolicyBody) -> None:
        compile_filter(body.filter)
        before = -SHORTEST_NS
        for place, step in enumerate(body.steps):
            after = read_duration(step.after)
            if after - before < SHORTEST_NS:
                raise Invalid(
                    f"steps[{place}].after is {step.after!r}: each step comes a minute or more "
                    "after the one before.",
                    remedy="Put the steps in order, as 0s, 15m, 1h.",
                )
            before = after
            for channel in step.channels:
                self._require_action(tenant, channel.connector, NOTIFICATION)
                for address in channel.to:
                    require_address(address)
        if body.remind and read_duration(body.remind) < SHORTEST_NS:
            raise Invalid("Reminders come a minute apart or more.", remedy="Write remind: 1h.")
        if body.quiet is not None:
            read_schedule(body.quiet.times, body.quiet.zone)


def _rights(compiled: AlarmFilter) -> builtins.list[str]:
    return [READ, *sorted(compiled.rights)]


def _require_version(old: Policy | None, version: int | None) -> None:
    if version is not None and (old is None or old.version != version):
        is_at = "is not there" if old is None else f"is at version {old.version}"
        raise StaleVersion(
            f"The notification policy {is_at}, not at {version}.",
            remedy="Read it again, then make your change on top.",
        )


def _no_policy(name: str) -> NotFound:
    return NotFound(
        f"There is no notification policy {name!r}.", remedy="See weft notification list."
    )


def _all(reader: Reader) -> Iterable[Policy]:
    for tenant in reader.tenants(POLICIES):
        for record in reader.list(POLICIES, tenant, limit=POLICIES_MAX):
            yield record.value


__all__ = [
    "AlarmFacts", "AlarmFilter", "Channel", "NotifyStep", "Policies", "Policy", "PolicyBody",
    "QuietHours", "compile_filter",
]  # fmt: skip
