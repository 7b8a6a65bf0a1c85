"""What would miss a connector of a tenant's own: what names it, and what waits for it.

All of it is asked in the transaction of the act that it may stand against, so that nothing
comes between; what is counted is found by an index, however much waits for others.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from weft.connectors.synchronising import OPEN_STATES
from weft.errors import Conflict
from weft.groups.notification_policies import POLICIES
from weft.model.alarm import OutboxState
from weft.model.ids import TenantId
from weft.ports import Kind, Reader, Record
from weft.rules.kinds import OUTBOX, RULES, WORK_ORDERS, held_at, waits_for
from weft.rules.plans import PLANS

COUNTED_MAX: Final = 10_000  # of this connector's, and records of a kind that are looked at
NAMED_MAX: Final = 5  # of each sort, in words
_PAGE: Final = 500


def require_unused(reader: Reader, tenant: TenantId, name: str, place: str) -> None:
    """Raise `Conflict` that says what names a connector and how much waits for it."""
    found = list(_uses(reader, tenant, name, place))
    if found:
        raise Conflict(
            f"The connector {name!r} is in use: {'; '.join(found)}.",
            remedy="Change these first. With force it goes all the same: what waits stays in "
            "the outbox and says why, and its work orders are followed no more.",
        )


def require_left(reader: Reader, tenant: TenantId, name: str, place: str) -> None:
    """Raise `Conflict` where something at a connector's system has not ended there."""
    found = list(_orders(reader, tenant, name, place))
    unanswered = sum(
        record.value.unanswered > 0
        for state in (OutboxState.PENDING, OutboxState.DEAD)
        for record in _all(reader, OUTBOX, tenant, ("held", waits_for(state, name)))
    )
    if unanswered:
        found.append(f"{_number(unanswered)} handed over without an answer")
    if found:
        raise Conflict(
            f"The connector {name!r} would lead to another system: {'; '.join(found)}.",
            remedy="Set up the other system under another name, or wait until these have ended. "
            "With force it changes all the same: its work orders are followed no more.",
        )


def _uses(reader: Reader, tenant: TenantId, name: str, place: str) -> Iterator[str]:
    sorts = (
        (OutboxState.PENDING, "waiting in the outbox"),
        (OutboxState.DEAD, "given up in the outbox"),
    )
    for state, words in sorts:
        count = reader.count(OUTBOX, tenant, where=("held", waits_for(state, name)))
        if count:
            yield f"{count} {words}"
    yield from _orders(reader, tenant, name, place)
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


def _orders(reader: Reader, tenant: TenantId, name: str, place: str) -> Iterator[str]:
    """Yield what is open there, and what has ended and was not told yet."""
    opened = untold = 0
    for record in _all(reader, WORK_ORDERS, tenant, ("held", held_at(name, place))):
        is_open = record.value.state in OPEN_STATES
        opened += is_open
        untold += not is_open and bool(record.value.tellings)
    if opened:
        yield f"{_number(opened)} of its work orders open"
    if untold:
        yield f"{_number(untold)} ended ones still to be told"


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
