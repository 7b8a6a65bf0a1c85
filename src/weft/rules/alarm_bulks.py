"""Bulks of alarms: one act on all that a filter finds, with progress and a report.

Which alarms is decided once, when it is asked for; the act is done on each of them by itself,
with the rights that who asked has by then and under the rules of a single one. An alarm that
it cannot be done on is a failure of its own and hinders no other. After a crash it goes on:
what was done already is done again, and changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import Invalid, NotFound, PeerError, TooLarge
from weft.model.alarm import Alarm, Priority
from weft.model.ids import AlarmId, TenantId, new_id
from weft.model.principal import Principal
from weft.ports import Clock, Deciding, Kind, Reader, Records, Writer
from weft.registry import listing
from weft.rules.alarms import Alarms, Wanted
from weft.rules.durations import read_duration
from weft.rules.handling import Handling
from weft.security.audit import Audit
from weft.security.policy import require

ALARMS_MAX: Final = 10_000  # of one bulk
AT_ONCE: Final = 100  # share commits
FAILURES_MAX: Final = 1_000  # kept with their reasons; all are counted
KEEP_NS: Final = 30 * 24 * 3600 * 1_000_000_000
OPEN_MAX: Final = 20  # of one tenant at a time


class Act(StrEnum):
    """What is done to each alarm."""

    ACKNOWLEDGE = "acknowledge"
    CLEAR = "clear"
    ASSIGN = "assign"
    PRIORITISE = "prioritise"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"


class Order(Struct, frozen=True):
    """An act with what it needs."""

    act: Act
    comment: str = ""  # of a shelf: the reason
    user: str | None = None
    priority: Priority | None = None
    duration: str = ""

    @property
    def action(self) -> str:
        """The right that it needs."""
        return "alarm.shelve" if self.act is Act.UNSHELVE else f"alarm.{self.act}"


class AlarmFailure(Struct, frozen=True):
    """An alarm on which it could not be done, and why."""

    alarm_id: str
    code: str
    detail: str


class AlarmBulk(Struct, frozen=True):
    """One act on many alarms; `done` of them have been dealt with."""

    tenant: TenantId
    bulk_id: str
    order: Order
    actor: Principal
    created_at: int
    alarms: tuple[str, ...]
    done: int = 0
    failed: int = 0
    failures: tuple[AlarmFailure, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether every alarm has been dealt with."""
        return self.done == len(self.alarms)


ALARM_BULKS: Final = Kind(
    "alarm_bulk", AlarmBulk, index=lambda one: {"open": "no" if one.is_done else "yes"}
)


class AlarmBulks:
    """All bulks of all tenants."""

    def __init__(
        self,
        records: Records,
        alarms: Alarms,
        handling: Handling,
        policy: Deciding,
        around: tuple[Audit, Clock],
    ) -> None:
        self._records = records
        self._alarms = alarms
        self._handling = handling
        self._policy = policy
        self._audit, self._clock = around

    async def start(self, actor: Principal, wanted: Wanted, order: Order) -> AlarmBulk:
        """Find the alarms and keep the bulk; it is worked off from now on.

        Raises `Forbidden`, `Invalid` for an order without what it needs, `NotFound` where the
        filter finds nothing, and `TooLarge` beyond 10,000 alarms.
        """
        require(self._policy, actor, order.action, "*")
        _require_sound(order)
        found = await listing.collect(
            lambda after, limit: self._alarms.list(actor.tenant, wanted, after=after, limit=limit),
            after="",
            limit=ALARMS_MAX + 1,
        )
        if len(found) > ALARMS_MAX:
            raise TooLarge(
                f"The filter finds more than {ALARMS_MAX} alarms.",
                remedy="Ask for fewer at a time.",
            )
        if not found:
            raise NotFound(
                "The filter finds no alarm.", remedy="See weft alarm list with the same filter."
            )
        bulk = AlarmBulk(
            tenant=actor.tenant,
            bulk_id=new_id(),
            order=order,
            actor=actor,
            created_at=self._clock.now(),
            alarms=tuple(str(alarm.alarm_id) for alarm in found),
        )

        def work(writer: Writer) -> None:
            if writer.count(ALARM_BULKS, actor.tenant, where=("open", "yes")) >= OPEN_MAX:
                raise TooLarge(
                    f"{OPEN_MAX} bulks are under way already.", remedy="Wait until one is done."
                )
            writer.insert(ALARM_BULKS, bulk.tenant, bulk.bulk_id, bulk)
            detail = {"act": order.act, "alarms": len(bulk.alarms), "comment": order.comment}
            target = f"alarm_bulk:{bulk.bulk_id}"
            self._audit.entry(writer, actor, "alarm.bulk", target, detail=detail)

        await self._records.write(work)
        return bulk

    async def get(self, tenant: TenantId, bulk_id: str) -> AlarmBulk:
        """Return how far a bulk is, or raise `NotFound`."""
        record = await self._records.read(lambda reader: reader.find(ALARM_BULKS, tenant, bulk_id))
        if record is None:
            raise NotFound(
                f"There is no bulk {bulk_id!r}.", remedy="Take the bulk_id of the answer."
            )
        return record.value

    async def work(self) -> int:
        """Do a part of every bulk; return how many alarms were dealt with. Call each second."""
        dealt = 0
        for bulk in await self._records.read(_open):
            dealt += await self._part(bulk)
        return dealt

    async def forget_old(self) -> None:
        """Drop bulks that are older than 30 days."""
        before = self._clock.now() - KEEP_NS

        def work(writer: Writer) -> None:
            for tenant in writer.tenants(ALARM_BULKS):
                for record in writer.list(ALARM_BULKS, tenant, where=("open", "no"), limit=500):
                    if record.value.created_at < before:
                        writer.delete(ALARM_BULKS, tenant, record.key)

        await self._records.write(work)

    async def _part(self, bulk: AlarmBulk) -> int:
        names = bulk.alarms[bulk.done : bulk.done + AT_ONCE]
        async with asyncio.TaskGroup() as tasks:
            doing = [tasks.create_task(self._one(bulk, AlarmId(name))) for name in names]
        failures = [one.result() for one in doing]
        bad = [one for one in failures if one is not None]
        new = replace(
            bulk,
            done=bulk.done + len(names),
            failed=bulk.failed + len(bad),
            failures=(*bulk.failures, *bad)[:FAILURES_MAX],
        )
        await self._records.write(lambda w: w.put(ALARM_BULKS, bulk.tenant, bulk.bulk_id, new))
        return len(names)

    async def _one(self, bulk: AlarmBulk, alarm_id: AlarmId) -> AlarmFailure | None:
        try:
            require(self._policy, bulk.actor, bulk.order.action, f"alarm:{alarm_id}")
            await self._acts()[bulk.order.act](bulk, alarm_id)
        except PeerError as error:
            return AlarmFailure(alarm_id, error.code, error.detail)
        return None

    def _acts(self) -> Mapping[Act, Callable[[AlarmBulk, AlarmId], Awaitable[Alarm]]]:
        return {
            Act.ACKNOWLEDGE: lambda bulk, alarm_id: self._alarms.acknowledge(
                bulk.actor, alarm_id, comment=bulk.order.comment
            ),
            Act.CLEAR: lambda bulk, alarm_id: self._alarms.clear(
                bulk.actor, alarm_id, comment=bulk.order.comment
            ),
            Act.ASSIGN: lambda bulk, alarm_id: self._handling.assign(
                bulk.actor, alarm_id, bulk.order.user, comment=bulk.order.comment
            ),
            Act.PRIORITISE: lambda bulk, alarm_id: self._handling.prioritise(
                bulk.actor, alarm_id, bulk.order.priority, comment=bulk.order.comment
            ),
            Act.SHELVE: lambda bulk, alarm_id: self._handling.shelve(
                bulk.actor, alarm_id, read_duration(bulk.order.duration), bulk.order.comment
            ),
            Act.UNSHELVE: lambda bulk, alarm_id: self._handling.unshelve(
                bulk.actor, alarm_id, comment=bulk.order.comment
            ),
        }


def _require_sound(order: Order) -> None:
    if order.act is Act.SHELVE:
        if not read_duration(order.duration) or not order.comment.strip():
            raise Invalid(
                "Putting aside needs a duration and a reason.",
                remedy="Give duration, as 8h, and the reason as comment.",
            )
    elif order.duration:
        raise Invalid("Only putting aside has a duration.", remedy="Leave duration out.")


def _open(reader: Reader) -> list[AlarmBulk]:
    return [
        record.value
        for tenant in reader.tenants(ALARM_BULKS)
        for record in reader.list(ALARM_BULKS, tenant, where=("open", "yes"), limit=OPEN_MAX)
    ]
