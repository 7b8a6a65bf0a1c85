"""Charts: the samples around a fault, copied to its work order before retention takes them.

Made once, a minute after the alarm, of what history has of the half hour before it. Kept
as long as the work order, thinned to as many points as a picture needs.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from weft.model.alarm import WorkOrder
from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S
from weft.ports import Clock, HistoryQuery, HistoryTable, Kind, Reader, Records, Writer
from weft.rules.kinds import WORK_ORDERS

BEFORE_NS: Final = 1_800 * NS_PER_S
AFTER_NS: Final = 60 * NS_PER_S  # what follows says whether it goes on
TRIED_NS: Final = 6 * 3_600 * NS_PER_S  # an order older than that gets none any more
DEVICES_MAX: Final = 5
KEYS_MAX: Final = 5
POINTS_MAX: Final = 300  # of one key
AT_ONCE: Final = 50  # charts in one turn
_PAGE: Final = 100

Query = Callable[[HistoryQuery], Awaitable[HistoryTable]]


class Series(Struct, frozen=True):
    """One key of one device over time; moments are ns UTC."""

    device_id: str
    key: str
    at: tuple[int, ...]
    values: tuple[float, ...]


class Chart(Struct, frozen=True):
    """What a work order's devices measured around its first alarm."""

    work_order_id: str
    made_at: int
    from_at: int
    until_at: int
    series: tuple[Series, ...]


CHARTS: Final = Kind("work_order_chart", Chart)  # keyed by the work order's id


class Charts:
    """Makes the charts that are missing."""

    def __init__(self, records: Records, query: Query, clock: Clock) -> None:
        self._records = records
        self._query = query
        self._clock = clock

    async def make_missing(self) -> int:
        """Make charts of new work orders; return how many."""
        now = self._clock.now()
        orders = await self._records.read(lambda reader: _without(reader, now))
        for order in orders:
            chart = await self._chart_of(order, now)
            await self._records.write(lambda w, c=chart, o=order: _keep(w, o, c))  # type: ignore[misc]  # bound now
        return len(orders)

    async def _chart_of(self, order: WorkOrder, now: int) -> Chart:
        raised_at = order.evidence[0].raised_at
        start, end = raised_at - BEFORE_NS, raised_at + AFTER_NS
        devices, keys = order.devices[:DEVICES_MAX], keys_of(order)
        found: dict[tuple[str, str], list[tuple[int, float]]] = {}
        if devices and keys:
            table = await self._query(
                HistoryQuery(order.tenant, devices, keys, max(start, 0), end, max_points=POINTS_MAX)
            )
            columns = table.columns
            for device, key, at, value in zip(
                columns["device"], columns["key"], columns["at"], columns["value"], strict=True
            ):
                if isinstance(value, int | float) and not isinstance(value, bool):
                    found.setdefault((device, key), []).append((at, float(value)))
        series = tuple(
            Series(device, key, tuple(at for at, _ in points), tuple(v for _, v in points))
            for (device, key), points in sorted(found.items())
        )
        return Chart(order.work_order_id, now, start, end, series)


def keys_of(order: WorkOrder) -> tuple[str, ...]:
    """Return which numbers proved the first alarm."""
    values = {key: v for sample in order.evidence[0].samples for key, v in sample.values.items()}
    return tuple(
        sorted(
            key
            for key, value in values.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        )[:KEYS_MAX]
    )


async def get_chart(records: Records, tenant: TenantId, work_order_id: str) -> Chart:
    """Return the chart of a work order, or raise `NotFound`."""
    return (await records.read(lambda reader: reader.get(CHARTS, tenant, work_order_id))).value


def _keep(writer: Writer, order: WorkOrder, chart: Chart) -> None:
    if writer.find(CHARTS, order.tenant, order.work_order_id) is None:
        writer.insert(CHARTS, order.tenant, order.work_order_id, chart)


def _without(reader: Reader, now: int) -> list[WorkOrder]:
    """Return new work orders that have no chart yet; their ids sort by when they were made."""
    found: list[WorkOrder] = []
    for tenant in reader.tenants(WORK_ORDERS):
        after, goes_on = "", True
        while goes_on and len(found) < AT_ONCE:
            page = reader.list(WORK_ORDERS, tenant, after=after, limit=_PAGE, descending=True)
            for record in page:
                order = record.value
                if order.created_at < now - TRIED_NS:
                    goes_on = False
                    break
                ripe = bool(order.evidence) and order.created_at + AFTER_NS <= now
                if ripe and reader.find(CHARTS, tenant, record.key) is None:
                    found.append(order)
            goes_on = goes_on and len(page) == _PAGE
            after = page[-1].key if page else ""
    return found[:AT_ONCE]
