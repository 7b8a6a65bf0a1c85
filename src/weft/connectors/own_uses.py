"""What would miss a connector of a tenant's own: what names it, and what waits for it."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from weft.connectors.synchronising import OPEN_STATES
from weft.errors import Conflict
from weft.groups.notification_policies import POLICIES
from weft.model.alarm import OutboxEntry, OutboxState, WorkOrder
from weft.model.ids import TenantId
from weft.ports import Kind, Reader, Record, Records
from weft.rules.kinds import OUTBOX, RULES, WORK_ORDERS
from weft.rules.plans import PLANS

COUNTED_MAX: Final = 10_000  # records of a kind that are looked at
NAMED_MAX: Final = 5  # of each sort, in words
_PAGE: Final = 500


async def require_unused(records: Records, tenant: TenantId, name: str) -> None:
    """Raise `Conflict` that says what names a connector and how much waits for it."""
    found = await records.read(lambda reader: list(_uses(reader, tenant, name)))
    if found:
        raise Conflict(
            f"The connector {name!r} is in use: {'; '.join(found)}.",
            remedy="Change these first. With force it goes all the same: what waits stays in "
            "the outbox and says why, and its work orders are followed no more.",
        )


def _uses(reader: Reader, tenant: TenantId, name: str) -> Iterator[str]:
    waiting = _count_waiting(reader, tenant, name)
    if waiting:
        yield f"{_number(waiting)} waiting in the outbox"
    orders = sum(_count_orders(reader, tenant, name, str(state)) for state in OPEN_STATES)
    if orders:
        yield f"{_number(orders)} of its work orders open"
    rules = (
        record.key
        for record in _all(reader, RULES, tenant)
        if any(action.connector == name for action in record.value.document.actions)
    )
    yield from _named("rules", rules)
    policies = (
        record.key
        for record in _all(reader, POLICIES, tenant)
        if any(one.connector == name for step in record.value.body.steps for one in step.channels)
    )
    yield from _named("notification policies", policies)
    plans = (record.key for record in _all(reader, PLANS, tenant) if record.value.connector == name)
    yield from _named("maintenance plans", plans)


def _count_waiting(reader: Reader, tenant: TenantId, name: str) -> int:
    kind: Kind[OutboxEntry] = OUTBOX
    found = _all(reader, kind, tenant, ("state", str(OutboxState.PENDING)))
    return sum(record.value.action.connector == name for record in found)


def _count_orders(reader: Reader, tenant: TenantId, name: str, state: str) -> int:
    kind: Kind[WorkOrder] = WORK_ORDERS
    found = _all(reader, kind, tenant, ("state", state))
    return sum(record.value.connector == name for record in found)


def _all(
    reader: Reader, kind: Kind[Any], tenant: TenantId, where: tuple[str, str] | None = None
) -> Iterator[Record[Any]]:
    after = ""
    for _ in range(COUNTED_MAX // _PAGE):
        page: Sequence[Record[Any]] = reader.list(
            kind, tenant, where=where, after=after, limit=_PAGE
        )
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].key


def _named(sort: str, names: Iterator[str]) -> Iterator[str]:
    found = sorted(names)
    if found:
        more = len(found) - NAMED_MAX
        rest = f" and {more} more" if more > 0 else ""
        yield f"{sort} {', '.join(found[:NAMED_MAX])}{rest}"


def _number(count: int) -> str:
    return str(count) if count < COUNTED_MAX else f"{COUNTED_MAX} or more"
