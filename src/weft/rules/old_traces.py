"""Old traces: why an alarm was raised is kept for a time behind its end, and with its work order.

A trace is some kilobytes and an alarm a few hundred bytes, so traces are what a plant with many
alarms fills its disk with. A trace whose alarm, or whose fault, has a work order stays as long
as that: it is part of the business's evidence. A chore looks at a bounded number each hour.
"""

from functools import partial
from typing import Final

from msgspec import Struct

from weft.model.ids import TenantId
from weft.ports import Clock, Reader, Records, Writer
from weft.rules.kinds import ALARMS, FAULT_ALARMS, TRACES, WORK_ORDERS

DAY_NS: Final = 86_400 * 1_000_000_000
AT_ONCE: Final = 500  # in one look
LOOKS: Final = 20  # at one tenant's in an hour


class _Looked(Struct, frozen=True):
    """What one look found, and the key behind which the next begins, empty at the end."""

    old: tuple[str, ...]
    after: str


class OldTraces:
    """Forgets traces of all tenants."""

    def __init__(self, records: Records, clock: Clock, keep_days: float) -> None:
        self._records = records
        self._clock = clock
        self._keep_ns = round(keep_days * DAY_NS)
        self._after: dict[TenantId, str] = {}

    async def forget(self) -> int:
        """Forget what is old enough; return how many. Call now and then."""
        gone = 0
        for tenant in await self._records.read(lambda reader: reader.tenants(TRACES)):
            gone += await self._forget_of(tenant)
        return gone

    async def _forget_of(self, tenant: TenantId) -> int:
        before = self._clock.now() - self._keep_ns
        after, gone = self._after.pop(tenant, ""), 0
        for _ in range(LOOKS):
            looked = await self._records.read(
                partial(_look, tenant=tenant, after=after, before=before)
            )
            if looked.old:
                gone += await self._records.write(partial(_delete, tenant=tenant, keys=looked.old))
            after = looked.after
            if not after:
                return gone  # the next time from the beginning: some were open still
        self._after[tenant] = after
        return gone


def _look(reader: Reader, *, tenant: TenantId, after: str, before: int) -> _Looked:
    old: list[str] = []
    page = reader.list(TRACES, tenant, after=after, limit=AT_ONCE)
    for record in page:
        found = reader.find(ALARMS, tenant, record.key)
        alarm = found.value if found is not None else None
        if alarm is not None and alarm.raised_at >= before:
            return _Looked(tuple(old), "")  # ids are in the order of time: the rest is younger
        over = alarm is None or (alarm.cleared_at is not None and alarm.cleared_at < before)
        if over and not _has_work_order(reader, tenant, record.key):
            old.append(record.key)
    return _Looked(tuple(old), page[-1].key if len(page) == AT_ONCE else "")


def _has_work_order(reader: Reader, tenant: TenantId, alarm_id: str) -> bool:
    if reader.count(WORK_ORDERS, tenant, where=("alarm", alarm_id)):
        return True
    part = reader.find(FAULT_ALARMS, tenant, alarm_id)
    return part is not None and bool(
        reader.count(WORK_ORDERS, tenant, where=("fault", part.value.fault_id))
    )


def _delete(writer: Writer, *, tenant: TenantId, keys: tuple[str, ...]) -> int:
    # Somebody may have asked for a work order since they were looked at.
    old = [key for key in keys if not _has_work_order(writer, tenant, key)]
    return sum(writer.delete(TRACES, tenant, key) for key in old)
