"""The operation that lists what has changed lately, for everybody as far as they may read it.

The audit is for administrators: it holds addresses, refusals, and what was done to people and
keys. What was done to an alarm, a work order, a device or a rule concerns whoever may read
that; they are told here who did what, and when, and no more. What nobody has decided about in
`READ_BY`, and what was refused, stays with those who may read the audit. Sessions are no change.
One answer looks at so many records at most; a cursor goes on behind them.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta, Struct

from weft.api.cursors import make_cursor
from weft.api.operation import Call, Command, Operation
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment
from weft.errors import Invalid
from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S, from_rfc3339
from weft.model.principal import Principal
from weft.ports import Reader, Record
from weft.rules.kinds import ALARMS, WORK_ORDERS
from weft.security.audit import AuditRecord

LISTING = "changes"
HOUR_NS = 3_600 * NS_PER_S
PART = 200  # records read at a time
LOOKED_AT_MAX = 2_000  # records in one answer: a stretch of what one may not read has an end

# What one has to be allowed to read, by what was changed.
READ_BY: Mapping[str, str] = {
    "alarm": "alarm.read",
    "work_order": "work_order.read",
    "device": "device.read",
    "rule": "rule.read",
    "asset": "asset.read",
    "type": "type.read",
    "group": "group.read",
    "twin": "twin.read",
    "command": "command.read",
    "maintenance": "maintenance.read",
    "plan": "plan.read",
}
# Of a device, what is no secret between it and its administrators.
_OF_DEVICES = frozenset(
    f"device.{verb}"
    for verb in ("create", "update", "move", "delete", "migrate", "attach", "detach")
)
_AUDIT = "audit.read"


class RecentChange(Struct, frozen=True):
    """One change, as whoever may read what was changed is told of it."""

    sequence: int
    at: Moment
    actor: str
    action: str
    outcome: str
    kind: str  # of what was changed: alarm, work_order, device, rule ...
    key: str  # its id or name
    title: str  # an alarm's message, an order's title, a device's label; empty for others


class ChangeList(Paging, frozen=True):
    """Which changes to list."""

    since: Annotated[
        Moment | None, Meta(description="No older ones. An hour ago where it is left out.")
    ] = None


class _Rights:
    """What one caller may read, decided once for each right."""

    def __init__(self, services: Services, caller: Principal) -> None:
        self._policy, self._caller = services.policy, caller
        self._may: dict[str, bool] = {}

    def may(self, right: str) -> bool:
        if right not in self._may:
            self._may[right] = self._policy.decide(self._caller, right, "*").allowed
        return self._may[right]

    def sees(self, record: AuditRecord) -> bool:
        right = _right_of(record)
        return right != "" and self.may(right)


async def list_changes(services: Services, call: Call) -> Page[RecentChange]:
    """Answer with a page of changes, newest first; it may be empty and yet go on."""
    query: ChangeList = call.query
    tenant = call.principal.tenant
    now = services.clock.now()
    since = now - HOUR_NS if query.since is None else from_rfc3339(query.since)
    if since > now:
        raise Invalid("since is a moment that has not come yet.", remedy="Name an earlier one.")
    rights = _Rights(services, call.principal)
    shown: list[AuditRecord] = []
    after: str | None = after_of(call, LISTING)
    looked_at = 0
    while after is not None and looked_at < LOOKED_AT_MAX and len(shown) < query.limit:
        part = await services.audit.list_records(tenant, after=after, limit=PART)
        looked_at += PART
        after = _take(part, since, (shown, query.limit), rights)
    named = [record for record in shown if rights.may(READ_BY.get(_kind_of(record), _AUDIT))]
    titles = await _titles(services, tenant, named)
    following = None if after is None else make_cursor(tenant, LISTING, after)
    return Page([_view(record, titles) for record in shown], following)


def _take(
    part: Sequence[Record[AuditRecord]],
    since: int,
    into: tuple[list[AuditRecord], int],
    rights: _Rights,
) -> str | None:
    """Take what may be seen; return behind which record to go on, if there are more."""
    shown, limit = into
    for stored in part:
        if stored.value.at < since:
            return None
        if rights.sees(stored.value):
            shown.append(stored.value)
            if len(shown) == limit:
                return stored.key
    return part[-1].key if len(part) == PART else None


def _right_of(record: AuditRecord) -> str:
    """Return what has to be allowed to whoever sees a record; empty for what is no change."""
    family = record.action.partition(".")[0]
    if family == "session":
        return ""
    if record.outcome != "done" or (family == "device" and record.action not in _OF_DEVICES):
        return _AUDIT
    return READ_BY.get(family, _AUDIT)


def _kind_of(record: AuditRecord) -> str:
    return record.target.partition(":")[0]


async def _titles(
    services: Services, tenant: TenantId, records: list[AuditRecord]
) -> dict[str, str]:
    """Return what things are called, by target; what is gone has no title any more."""
    titles: dict[str, str] = {}
    stored = set()
    for record in records:
        kind, _, key = record.target.partition(":")
        if kind in {"alarm", "work_order"}:
            stored.add((kind, key))
        elif kind == "device" and (device := services.devices.find(tenant, key)) is not None:
            titles[record.target] = device.label

    def work(reader: Reader) -> None:
        for kind, key in stored:
            if kind == "alarm" and (alarm := reader.find(ALARMS, tenant, key)) is not None:
                titles[f"alarm:{key}"] = alarm.value.message
            if kind == "work_order" and (order := reader.find(WORK_ORDERS, tenant, key)):
                titles[f"work_order:{key}"] = order.value.title

    if stored:
        await services.records.read(work)
    return titles


def _view(record: AuditRecord, titles: Mapping[str, str]) -> RecentChange:
    kind, _, key = record.target.partition(":")
    return RecentChange(
        sequence=record.sequence,
        at=moment(record.at) or "",
        actor=record.actor,
        action=record.action,
        outcome=record.outcome,
        kind=kind,
        key=key,
        title=titles.get(record.target, ""),
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_changes",
        "GET",
        "/changes",
        "List what has changed lately, newest first",
        list_changes,
        action="change.read",
        tag="system",
        description="Who did what to alarms, work orders, devices, rules and others, as far as "
        "the caller may read them. A page may be empty and yet have a next one.",
        query=ChangeList,
        result=Page[RecentChange],
        command=Command(
            "change", "list", columns=("at", "actor", "action", "outcome", "kind", "key", "title")
        ),
    ),
)
