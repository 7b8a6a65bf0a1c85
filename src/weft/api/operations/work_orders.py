"""Operations on one work order: what people do with it here, told to the far side behind it."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Handler, Operation
from weft.api.operations.business import WorkOrderView, order_view
from weft.api.services import Services
from weft.api.views import Moment, moment
from weft.errors import Conflict, NotFound, QuotaExceeded
from weft.model.work_order import OnClose
from weft.rules.charts import get_chart
from weft.rules.order_desk import Done, OrderDesk
from weft.rules.order_ends import OrderEnds

Text = Annotated[str, Meta(max_length=1000)]


class Assignee(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is to do it; empty: nobody."""

    to: Annotated[Text, Meta(description="A user's name; empty: nobody.")]


class Saying(Struct, frozen=True, forbid_unknown_fields=True):
    """What there is to say."""

    comment: Annotated[str, Meta(min_length=1, max_length=1000)]


class Ending(Struct, frozen=True, forbid_unknown_fields=True):
    """Why, in words."""

    comment: Text = ""


class Closing(Struct, frozen=True, forbid_unknown_fields=True):
    """What was done, and what that means for alarms whose condition still holds."""

    comment: Text = ""
    alarms: (
        Annotated[OnClose, Meta(description="What becomes of them; as the rule says if left out.")]
        | None
    ) = None


class SeriesView(Struct, frozen=True):
    """One key of one device over time."""

    device_id: str
    key: str
    at: list[Moment]
    values: tuple[float, ...]


class ChartView(Struct, frozen=True):
    """What a work order's devices measured around its first alarm."""

    work_order_id: str
    start: Moment
    end: Moment
    series: list[SeriesView]


def _desk(services: Services) -> OrderDesk:
    ends = OrderEnds(services.alarms)
    return OrderDesk(services.records, services.audit, services.clock, ends)


def _answer(services: Services, done: Done) -> WorkOrderView:
    services.work_orders.changed(done.order)
    return order_view(done.order)


async def acknowledge_work_order(services: Services, call: Call) -> WorkOrderView:
    """Take note that somebody has seen it."""
    order_id = call.path["work_order_id"]
    return _answer(services, await _desk(services).acknowledge(call.principal, order_id))


async def assign_work_order(services: Services, call: Call) -> WorkOrderView:
    """Give it to somebody."""
    body: Assignee = call.body
    done = await _desk(services).assign(call.principal, call.path["work_order_id"], body.to)
    return _answer(services, done)


async def comment_work_order(services: Services, call: Call) -> WorkOrderView:
    """Write something on it."""
    body: Saying = call.body
    order_id = call.path["work_order_id"]
    return _answer(services, await _desk(services).comment(call.principal, order_id, body.comment))


async def close_work_order(services: Services, call: Call) -> WorkOrderView:
    """Say that it is done."""
    body: Closing = call.body or Closing()
    done = await _desk(services).close(
        call.principal, call.path["work_order_id"], body.comment, body.alarms
    )
    return _answer(services, done)


async def cancel_work_order(services: Services, call: Call) -> WorkOrderView:
    """Say that there is nothing to do."""
    body: Ending = call.body or Ending()
    order_id = call.path["work_order_id"]
    return _answer(services, await _desk(services).cancel(call.principal, order_id, body.comment))


async def reopen_work_order(services: Services, call: Call) -> WorkOrderView:
    """Say that it is not done after all."""
    body: Ending = call.body or Ending()
    order_id = call.path["work_order_id"]
    return _answer(services, await _desk(services).reopen(call.principal, order_id, body.comment))


async def get_work_order_chart(services: Services, call: Call) -> ChartView:
    """Answer with what was measured around its first alarm."""
    tenant, order_id = call.principal.tenant, call.path["work_order_id"]
    chart = await get_chart(services.records, tenant, order_id)
    return ChartView(
        work_order_id=chart.work_order_id,
        start=moment(chart.from_at) or "",
        end=moment(chart.until_at) or "",
        series=[
            SeriesView(one.device_id, one.key, [moment(at) or "" for at in one.at], one.values)
            for one in chart.series
        ],
    )


_ONE = "/work-orders/{work_order_id}"
_TARGET = "work_order:{work_order_id}"


def _act(verb: str, summary: str, handler: Handler, **more: Any) -> Operation:
    """Return what one may do with a work order, its errors those of an end where none are given."""
    return Operation(
        f"{verb}_work_order",
        "POST",
        f"{_ONE}/{verb}",
        summary,
        handler,
        action="work_order.write",
        target=_TARGET,
        result=WorkOrderView,
        command=Command("work-order", verb),
        **({"errors": (NotFound, Conflict, QuotaExceeded)} | more),
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "get_work_order_chart",
        "GET",
        _ONE + "/chart",
        "Show what was measured around a work order's first alarm",
        get_work_order_chart,
        action="work_order.read",
        target=_TARGET,
        description="Made a minute after the alarm, and kept as long as the work order.",
        result=ChartView,
        errors=(NotFound,),
        command=Command("work-order", "chart"),
    ),
    _act(
        "acknowledge",
        "Take note that somebody has seen a work order",
        acknowledge_work_order,
        errors=(NotFound,),
    ),
    _act(
        "assign",
        "Give a work order to somebody",
        assign_work_order,
        description="The far side gets a note.",
        body=Assignee,
        errors=(NotFound, QuotaExceeded),
        example={"to": "bob"},
    ),
    _act(
        "comment",
        "Write something on a work order",
        comment_work_order,
        description="The far side gets it as a note.",
        body=Saying,
        errors=(NotFound, QuotaExceeded),
        example={"comment": "Bring the long ladder."},
    ),
    _act(
        "close",
        "Say that a work order is done",
        close_work_order,
        description="Closed at the far side as well where its connector can, else it gets a note.",
        body=Closing,
        body_optional=True,
        example={"comment": "New bearing.", "alarms": "question"},
    ),
    _act(
        "cancel",
        "Say that there is nothing to do",
        cancel_work_order,
        description="Its alarms are not cleared by that.",
        body=Ending,
        body_optional=True,
        example={"comment": "False alarm."},
    ),
    _act(
        "reopen",
        "Say that a work order is not done after all",
        reopen_work_order,
        body=Ending,
        body_optional=True,
        example={"comment": "It is hot again."},
    ),
)
