"""Operations on faults: what is wrong with which asset, and which alarms say so."""

from typing import Annotated

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import Invalid, NotFound
from weft.model.alarm import Severity
from weft.model.fault import Fault, FaultAlarm, FaultState
from weft.rules.faults import Faults


class OrderRefView(Struct, frozen=True):
    """A fault's work order in one business system."""

    connector: str
    work_order_id: str


class FaultView(Struct, frozen=True):
    """A fault as the API shows it."""

    fault_id: str
    code: str
    asset_id: str  # empty where its devices were at no asset
    device_id: str  # of the alarm that opened it
    state: FaultState
    severity: Severity
    alarms: int
    active: int
    devices: tuple[str, ...]
    orders: list[OrderRefView]
    opened_by: str  # the alarm
    opened_at: Moment
    began_at: Moment
    last_alarm_at: Moment
    over_at: Moment | None
    reopened: int


class FaultAlarmView(Struct, frozen=True):
    """An alarm as part of a fault."""

    alarm_id: str
    device_id: str
    rule_id: str
    raised_at: Moment
    cleared_at: Moment | None


class FaultList(Paging, frozen=True):
    """Which faults to list: of a state, an asset, a code, or opened by a device."""

    state: FaultState | None = None
    asset: Annotated[str, Meta(description="Of this asset.")] | None = None
    code: str | None = None
    device: str | None = None


def fault_view(fault: Fault) -> FaultView:
    """Show a fault."""
    return FaultView(
        fault_id=fault.fault_id,
        code=fault.code,
        asset_id=fault.asset_id,
        device_id=fault.device_id,
        state=fault.state,
        severity=fault.severity,
        alarms=fault.alarms,
        active=fault.active,
        devices=fault.devices,
        orders=[OrderRefView(ref.connector, ref.work_order_id) for ref in fault.orders],
        opened_by=fault.opened_by,
        opened_at=moment(fault.opened_at) or "",
        began_at=moment(fault.began_at) or "",
        last_alarm_at=moment(fault.last_alarm_at) or "",
        over_at=moment(fault.over_at),
        reopened=fault.reopened,
    )


def _part_view(part: FaultAlarm) -> FaultAlarmView:
    return FaultAlarmView(
        alarm_id=part.alarm_id,
        device_id=part.device_id,
        rule_id=part.rule_id,
        raised_at=moment(part.raised_at) or "",
        cleared_at=moment(part.cleared_at),
    )


async def list_faults(services: Services, call: Call) -> Page[FaultView]:
    """Answer with a page of faults."""
    query: FaultList = call.query
    named = {
        "state": query.state,
        "asset": query.asset,
        "code": query.code,
        "device": query.device,
    }
    given = [(name, str(value)) for name, value in named.items() if value is not None]
    if len(given) > 1:
        raise Invalid(
            f"Only one of {', '.join(named)} can be asked for at a time.",
            remedy="Ask for the narrowest, and sieve what comes.",
        )
    found = await Faults(services.records).list_faults(
        call.principal.tenant,
        given[0] if given else None,
        after=after_of(call, "faults"),
        limit=call.query.limit + 1,
    )
    return page_of(call, "faults", found, fault_view, lambda fault: fault.fault_id)


async def get_fault(services: Services, call: Call) -> FaultView:
    """Answer with one fault."""
    faults = Faults(services.records)
    return fault_view(await faults.get(call.principal.tenant, call.path["fault_id"]))


async def list_fault_alarms(services: Services, call: Call) -> Page[FaultAlarmView]:
    """Answer with a page of a fault's alarms, the oldest first."""
    faults, tenant = Faults(services.records), call.principal.tenant
    fault = await faults.get(tenant, call.path["fault_id"])
    found = await faults.list_alarms(
        tenant,
        fault.fault_id,
        after=after_of(call, "fault-alarms"),
        limit=call.query.limit + 1,
    )
    return page_of(call, "fault-alarms", found, _part_view, lambda part: part.alarm_id)


_ONE = "/faults/{fault_id}"
_TARGET = "fault:{fault_id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_faults",
        "GET",
        "/faults",
        "List faults",
        list_faults,
        action="fault.read",
        query=FaultList,
        result=Page[FaultView],
        command=Command(
            "fault",
            "list",
            columns=("fault_id", "asset_id", "code", "severity", "state", "active", "opened_at"),
        ),
    ),
    Operation(
        "get_fault",
        "GET",
        _ONE,
        "Show a fault with its work orders",
        get_fault,
        action="fault.read",
        target=_TARGET,
        result=FaultView,
        errors=(NotFound,),
        command=Command("fault", "show"),
    ),
    Operation(
        "list_fault_alarms",
        "GET",
        _ONE + "/alarms",
        "List the alarms of a fault",
        list_fault_alarms,
        action="fault.read",
        target=_TARGET,
        query=Paging,
        result=Page[FaultAlarmView],
        errors=(NotFound,),
        command=Command(
            "fault", "alarms", columns=("alarm_id", "device_id", "rule_id", "raised_at")
        ),
    ),
)
