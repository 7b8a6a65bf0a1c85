"""Detaching: work orders whose system is no longer ours to ask are followed no more.

They stay as they are and say why. What was still to be told of them is told to nobody: the
connector that has the name now leads to another system, where it would reach another's record.
"""

from typing import Final

from msgspec import structs

from weft.model.alarm import WorkOrder
from weft.model.ids import TenantId
from weft.model.work_order import DETACHED, Remark
from weft.ports import Writer
from weft.rules.kinds import WORK_ORDERS, held_at

_BY: Final = "weft"
_PAGE: Final = 500


def detached(order: WorkOrder, why: str, at: int) -> WorkOrder:
    """Return an order that is followed no more and says why; `at` in ns UTC."""
    return structs.replace(
        order,
        details={**order.details, DETACHED: at},
        remarks=(*order.remarks, Remark(at, _BY, why)),
        tellings=(),
        watch_until=None,
    )


def detach_all(
    writer: Writer, tenant: TenantId, at_place: tuple[str, str], text: tuple[str, int]
) -> int:
    """Detach what a connector (its name and place) holds; `text` says why and when.

    Return how many there were.
    """
    count, after = 0, ""
    where = ("held", held_at(*at_place))
    while True:
        page = writer.list(WORK_ORDERS, tenant, where=where, after=after, limit=_PAGE)
        for record in page:
            order = detached(record.value, *text)
            order = structs.replace(order, version=order.version + 1)
            writer.put(WORK_ORDERS, tenant, record.key, order)
            count += 1
        if len(page) < _PAGE:
            return count
        after = page[-1].key
