"""Operations towards business systems: connectors, the outbox and work orders."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation
from weft.api.operations.rules import EvidenceView, evidence_of
from weft.api.seams import ConnectorInfo
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import Conflict, ConnectorError, Invalid, NotFound, RateLimited
from weft.model.alarm import (
    OutboxEntry,
    OutboxState,
    Priority,
    Proof,
    Severity,
    WorkOrder,
    WorkOrderState,
)
from weft.model.ids import ActionId, AlarmId, WorkOrderId


class ConnectorView(Struct, frozen=True):
    """A connector as the API shows it; its credentials are not shown."""

    name: str
    kind: str
    actions: tuple[str, ...]
    url: str
    healthy: bool
    last_success_at: Moment | None
    last_failure_at: Moment | None
    last_error: str
    waiting: int
    quality: str  # bronze, silver or gold
    page: str  # its how-to page
    own: Annotated[bool, Meta(description="Set up by this tenant; else by the operator's file.")]


class ConnectorTest(Struct, frozen=True):
    """What the far side said."""

    answer: str


class OutboxView(Struct, frozen=True):
    """An action on its way to a business system."""

    action_id: str
    connector: str
    kind: str
    alarm_id: str
    state: OutboxState
    attempts: int
    created_at: Moment
    next_attempt_at: Moment | None
    delivered_at: Moment | None
    last_error: str
    remote_id: str | None
    parameters: dict[str, Any]


class OutboxList(Paging, frozen=True):
    """Which actions to list: of an alarm; or of a state, of a connector, or of both."""

    state: OutboxState | None = None
    alarm: str | None = None
    connector: (
        Annotated[
            str, Meta(max_length=200, description="For the connector of this name, set up or not.")
        ]
        | None
    ) = None


class ProofView(Struct, frozen=True):
    """Why an alarm of the work order was raised, as it was then."""

    alarm_id: str
    device_id: str
    rule_id: str
    rule_version: int
    severity: Severity
    message: str
    condition: str
    raised_at: Moment
    samples: list[EvidenceView]


class RemarkView(Struct, frozen=True):
    """What a person wrote on it."""

    at: Moment
    by: str
    text: str


class WorkOrderView(Struct, frozen=True):
    """The business's copy of a fault."""

    work_order_id: str
    title: str
    state: WorkOrderState
    device_id: str
    alarm_id: str
    connector: str
    remote_id: str | None
    remote_state: str
    remote_url: str | None
    created_at: Moment
    polled_at: Moment | None
    closed_at: Moment | None
    fault_id: str
    fault_code: str
    asset_id: str
    priority: Priority
    due_at: Moment | None  # as the working calendar proposes
    instructions: str
    alarms: int  # of the fault
    alarm_ids: tuple[str, ...]  # the first 100 of them
    devices: tuple[str, ...]  # the first 100 of them
    evidence: list[ProofView]  # of the first 20 alarms
    acknowledged_at: Moment | None
    acknowledged_by: str | None
    assigned_to: str
    closed_by: str  # who closed it here; empty for the far side
    remarks: list[RemarkView]
    untold: int  # what the far side is still to be told


class WorkOrderList(Paging, frozen=True):
    """Which work orders to list: of a state, an alarm, a device, a fault or an asset."""

    state: WorkOrderState | None = None
    alarm: str | None = None
    device: str | None = None
    fault: Annotated[str, Meta(description="For this fault.")] | None = None
    asset: Annotated[str, Meta(description="On this asset.")] | None = None


def _connector_view(found: ConnectorInfo) -> ConnectorView:
    return ConnectorView(
        name=found.name,
        kind=found.kind,
        actions=found.actions,
        url=found.url,
        healthy=found.healthy,
        last_success_at=moment(found.last_success_at),
        last_failure_at=moment(found.last_failure_at),
        last_error=found.last_error,
        waiting=found.waiting,
        quality=found.quality,
        page=found.page,
        own=found.own,
    )


def _outbox_view(entry: OutboxEntry) -> OutboxView:
    action = entry.action
    pending = entry.state is OutboxState.PENDING
    return OutboxView(
        action_id=action.action_id,
        connector=action.connector,
        kind=action.kind,
        alarm_id=action.alarm_id,
        state=entry.state,
        attempts=entry.attempts,
        created_at=moment(action.created_at) or "",
        next_attempt_at=moment(entry.next_attempt_at) if pending else None,
        delivered_at=moment(entry.delivered_at),
        last_error=entry.last_error,
        remote_id=entry.remote_id,
        parameters=action.parameters,
    )


def order_view(order: WorkOrder) -> WorkOrderView:
    """Show a work order."""
    return WorkOrderView(
        work_order_id=order.work_order_id,
        title=order.title,
        state=order.state,
        device_id=order.device_id,
        alarm_id=order.alarm_id,
        connector=order.connector,
        remote_id=order.remote_id,
        remote_state=order.remote_state,
        remote_url=order.remote_url,
        created_at=moment(order.created_at) or "",
        polled_at=moment(order.polled_at),
        closed_at=moment(order.closed_at),
        fault_id=order.fault_id,
        fault_code=order.fault_code,
        asset_id=order.asset_id,
        priority=order.priority,
        due_at=moment(order.due_at),
        instructions=order.instructions,
        alarms=order.alarms,
        alarm_ids=order.alarm_ids,
        devices=order.devices,
        evidence=[_proof_view(proof) for proof in order.evidence],
        acknowledged_at=moment(order.acknowledged_at),
        acknowledged_by=order.acknowledged_by,
        assigned_to=order.assigned_to,
        closed_by=order.closed_by,
        remarks=[RemarkView(moment(one.at) or "", one.by, one.text) for one in order.remarks],
        untold=len(order.tellings),
    )


def _proof_view(proof: Proof) -> ProofView:
    return ProofView(
        alarm_id=proof.alarm_id,
        device_id=proof.device_id,
        rule_id=proof.rule_id,
        rule_version=proof.rule_version,
        severity=proof.severity,
        message=proof.message,
        condition=proof.condition,
        raised_at=moment(proof.raised_at) or "",
        samples=evidence_of(proof.samples),
    )


def _require_one(**filters: object) -> None:
    given = [name for name, value in filters.items() if value is not None]
    if len(given) > 1:
        raise Invalid(f"Only one of {', '.join(filters)} can be asked for at a time.")


async def list_connectors(services: Services, call: Call) -> Page[ConnectorView]:
    """Answer with the tenant's connectors."""
    found = services.connectors.list_connectors(call.principal.tenant)
    return Page([_connector_view(item) for item in found])


async def get_connector(services: Services, call: Call) -> ConnectorView:
    """Answer with one connector and how it is doing."""
    return _connector_view(services.connectors.get(call.principal.tenant, call.path["name"]))


async def try_connector(services: Services, call: Call) -> ConnectorTest:
    """Ask the far side something harmless."""
    tenant, name = call.principal.tenant, call.path["name"]
    return ConnectorTest(await services.connectors.test(tenant, name, services.clock))


async def list_outbox(services: Services, call: Call) -> Page[OutboxView]:
    """Answer with a page of actions."""
    query: OutboxList = call.query
    _require_one(state=query.state, alarm=query.alarm)
    _require_one(connector=query.connector, alarm=query.alarm)
    found = await services.outbox.list_entries(
        call.principal.tenant,
        state=query.state,
        alarm_id=None if query.alarm is None else AlarmId(query.alarm),
        connector=query.connector,
        after=after_of(call, "outbox"),
        limit=query.limit + 1,
    )
    return page_of(call, "outbox", found, lambda r: _outbox_view(r.value), lambda r: r.key)


async def get_outbox_entry(services: Services, call: Call) -> OutboxView:
    """Answer with one action."""
    action_id = ActionId(call.path["action_id"])
    return _outbox_view((await services.outbox.get(call.principal.tenant, action_id)).value)


async def redrive_outbox_entry(services: Services, call: Call) -> OutboxView:
    """Start an action again that was given up."""
    redriven = await services.outbox.redrive(
        call.principal, call.principal.tenant, ActionId(call.path["action_id"])
    )
    return _outbox_view(redriven.value)


async def list_work_orders(services: Services, call: Call) -> Page[WorkOrderView]:
    """Answer with a page of work orders."""
    query: WorkOrderList = call.query
    named = {
        "state": query.state,
        "alarm": query.alarm,
        "device": query.device,
        "fault": query.fault,
        "asset": query.asset,
    }
    _require_one(**named)
    given = [(name, str(value)) for name, value in named.items() if value is not None]
    found = await services.work_orders.list_work_orders(
        call.principal.tenant,
        given[0] if given else None,
        after=after_of(call, "work-orders"),
        limit=query.limit + 1,
    )
    return page_of(call, "work-orders", found, lambda r: order_view(r.value), lambda r: r.key)


async def get_work_order(services: Services, call: Call) -> WorkOrderView:
    """Answer with one work order."""
    work_order_id = WorkOrderId(call.path["work_order_id"])
    return order_view((await services.work_orders.get(call.principal.tenant, work_order_id)).value)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_connectors",
        "GET",
        "/connectors",
        "List connectors",
        list_connectors,
        action="connector.read",
        result=Page[ConnectorView],
        command=Command(
            "connector",
            "list",
            columns=("name", "kind", "quality", "url", "healthy", "waiting", "last_error"),
        ),
    ),
    Operation(
        "get_connector",
        "GET",
        "/connectors/{name}",
        "Show a connector and how it is doing",
        get_connector,
        action="connector.read",
        target="connector:{name}",
        result=ConnectorView,
        errors=(NotFound,),
        command=Command("connector", "show"),
    ),
    Operation(
        "test_connector",
        "POST",
        "/connectors/{name}/test",
        "Ask the far side something harmless",
        try_connector,
        action="connector.write",
        target="connector:{name}",
        result=ConnectorTest,
        errors=(NotFound, ConnectorError, RateLimited),
        command=Command("connector", "test"),
    ),
    Operation(
        "list_outbox",
        "GET",
        "/outbox",
        "List actions on their way to business systems",
        list_outbox,
        action="outbox.read",
        query=OutboxList,
        result=Page[OutboxView],
        command=Command(
            "outbox",
            "list",
            columns=("action_id", "connector", "kind", "state", "attempts", "last_error"),
        ),
    ),
    Operation(
        "get_outbox_entry",
        "GET",
        "/outbox/{action_id}",
        "Show an action",
        get_outbox_entry,
        action="outbox.read",
        target="outbox:{action_id}",
        result=OutboxView,
        errors=(NotFound,),
        command=Command("outbox", "show"),
    ),
    Operation(
        "redrive_outbox_entry",
        "POST",
        "/outbox/{action_id}/redrive",
        "Start an action again that was given up",
        redrive_outbox_entry,
        action="outbox.redrive",
        target="outbox:{action_id}",
        result=OutboxView,
        errors=(NotFound, Conflict),
        command=Command("outbox", "redrive"),
    ),
    Operation(
        "list_work_orders",
        "GET",
        "/work-orders",
        "List work orders",
        list_work_orders,
        action="work_order.read",
        query=WorkOrderList,
        result=Page[WorkOrderView],
        command=Command(
            "work-order",
            "list",
            columns=("work_order_id", "title", "state", "device_id", "connector", "remote_id"),
        ),
    ),
    Operation(
        "get_work_order",
        "GET",
        "/work-orders/{work_order_id}",
        "Show a work order",
        get_work_order,
        action="work_order.read",
        target="work_order:{work_order_id}",
        result=WorkOrderView,
        errors=(NotFound,),
        command=Command("work-order", "show"),
    ),
)
