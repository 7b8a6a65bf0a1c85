"""Operations on the quarantine: devices that came by themselves and wait for somebody's word."""

from typing import Any

from msgspec import Struct

from weft.api.operation import Call, Command, Operation
from weft.api.operations import rejections
from weft.api.operations.devices import DeviceView
from weft.api.operations.devices import view_of as device_view
from weft.api.operations.rejections import RejectionView
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import Conflict, Invalid, NotFound, StaleVersion
from weft.ingest.quarantine import Approval, Refused, Waiting
from weft.model.device import Device
from weft.security.policy import require


class ArrivalView(Struct, frozen=True):
    """A device that waits."""

    device_id: str
    claim: str  # the batch that it says it is of
    type_name: str | None
    label: str
    arrived_at: Moment
    authority: str = ""  # the customer's own that vouches for it, when it came by no claim


class WaitingView(Struct, frozen=True):
    """A device that waits, what it has said, and the type that this proposes."""

    device_id: str
    uid: str
    claim: str
    claim_id: str
    address: str
    type_name: str | None
    label: str
    attributes: dict[str, Any]
    arrived_at: Moment
    messages: list[RejectionView]  # oldest first
    left_out: int  # messages that there was no room for
    proposed_type: dict[str, Any]
    notes: tuple[str, ...]
    authority: str = ""


class ApprovedView(Struct, frozen=True):
    """A device that was let in, and what became of each of its first messages."""

    device: DeviceView
    redriven: int
    refused: tuple[Refused, ...]


def arrival_of(device: Device, claim: str) -> ArrivalView:
    """Show a device that waits, in a line."""
    return ArrivalView(
        device_id=device.device_id,
        claim=claim,
        type_name=device.type_name,
        label=device.label,
        arrived_at=moment(device.created_at) or "",
        authority=device.came_by("authority"),
    )


def view_of(waiting: Waiting) -> WaitingView:
    """Show a device that waits, with all that is known of it."""
    device, claim, serial = waiting.device, waiting.claim, waiting.serial
    return WaitingView(
        device_id=device.device_id,
        uid=device.uid,
        claim=claim.name if claim else "",
        claim_id=claim.claim_id if claim else "",
        address=serial.address if serial else "",
        type_name=device.type_name,
        label=device.label,
        attributes=device.attributes,
        arrived_at=moment(device.created_at) or "",
        messages=[rejections.view_of(one) for one in waiting.kept],
        left_out=waiting.left_out,
        proposed_type=waiting.proposal.document,
        notes=waiting.proposal.notes,
        authority=device.came_by("authority"),
    )


async def list_quarantine(services: Services, call: Call) -> Page[ArrivalView]:
    """Answer with a page of devices that wait."""
    found = await services.quarantine.list(
        call.principal.tenant, after=after_of(call, "quarantine"), limit=call.query.limit + 1
    )
    return page_of(
        call,
        "quarantine",
        found,
        lambda device: arrival_of(device, services.quarantine.claim_name(device)),
        lambda device: device.device_id,
    )


async def get_quarantined(services: Services, call: Call) -> WaitingView:
    """Answer with one device that waits."""
    return view_of(await services.quarantine.get(call.principal.tenant, call.path["device_id"]))


async def approve_device(services: Services, call: Call) -> ApprovedView:
    """Let a device in, and redrive what it has said."""
    approval: Approval = call.body or Approval()
    if approval.infer or approval.document is not None:
        target = f"type:{approval.type_name}"
        require(services.policy, call.principal, "type.write", target)
    done = await services.quarantine.approve(call.principal, call.path["device_id"], approval)
    return ApprovedView(device_view(done.device, services), done.redriven, done.refused)


async def refuse_device(services: Services, call: Call) -> DeviceView:
    """Revoke a device that waits."""
    refused = await services.quarantine.refuse(call.principal, call.path["device_id"])
    return device_view(refused, services)


_ONE = "/quarantine/{device_id}"
_TARGET = "device:{device_id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_quarantine",
        "GET",
        "/quarantine",
        "List devices that wait for approval",
        list_quarantine,
        action="quarantine.read",
        query=Paging,
        result=Page[ArrivalView],
        command=Command(
            "quarantine", "list", columns=("device_id", "claim", "type_name", "label", "arrived_at")
        ),
    ),
    Operation(
        "get_quarantined",
        "GET",
        _ONE,
        "Show a device that waits, what it said, and a type for it",
        get_quarantined,
        action="quarantine.read",
        target=_TARGET,
        result=WaitingView,
        errors=(NotFound,),
        command=Command("quarantine", "show"),
    ),
    Operation(
        "approve_device",
        "POST",
        _ONE + "/approve",
        "Let a device in that waits",
        approve_device,
        action="quarantine.approve",
        target=_TARGET,
        description="What was kept of it goes through the gate at its own moments; the answer "
        "says what became of each message.",
        body=Approval,
        body_optional=True,
        result=ApprovedView,
        errors=(NotFound, Invalid, Conflict, StaleVersion),
        example={"type_name": "pump", "infer": True, "label": "Cooling pump, hall 2"},
        command=Command("quarantine", "approve", renames=(("type_name", "type"),)),
    ),
    Operation(
        "refuse_device",
        "POST",
        _ONE + "/refuse",
        "Revoke a device that waits",
        refuse_device,
        action="quarantine.approve",
        target=_TARGET,
        description="Its connection ends at once, and no claim lets it in again.",
        result=DeviceView,
        errors=(NotFound,),
        command=Command(
            "quarantine", "refuse", confirm="Revoke {device_id}, so that it never comes in?"
        ),
    ),
)
