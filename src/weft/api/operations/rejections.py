"""Operations on the rejection inbox: what was refused and why, and sending it again."""

import base64
from typing import Annotated

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import Conflict, Forbidden, Invalid, NotFound, PayloadInvalid, PeerError
from weft.ingest.rejections import Rejection, rejection_key
from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind


class RejectionView(Struct, frozen=True):
    """A refused message as the API shows it."""

    position: int
    received_at: Moment
    device_id: str
    sender: str
    topic: str
    code: str
    detail: str
    remedy: str
    payload_bytes: int
    payload_base64: str
    left_out_before: int  # alike, from the same source, counted and not kept
    content_type: str  # as stated; empty for none
    payload_text: str | None  # where it is text


class RejectionList(Paging, frozen=True):
    """Which refused messages to list: of a device, or of one code."""

    device: str | None = None
    code: str | None = None


REDRIVES_MAX = 500  # in one call: each waits for its commit


class RedriveMany(Struct, frozen=True, forbid_unknown_fields=True):
    """Which refused messages to send again, oldest first: of a device, of a code, or both."""

    device: Annotated[str | None, Meta(description="Those of one device.")] = None
    code: Annotated[str | None, Meta(description="Those refused with one code.")] = None
    after: Annotated[int, Meta(ge=0, description="Go on behind this position.")] = 0
    limit: Annotated[int, Meta(ge=1, le=REDRIVES_MAX, description="At most so many.")] = 100


class RefusedAgain(Struct, frozen=True):
    """A message that is still refused, and stays in the inbox."""

    position: int
    code: str
    detail: str
    remedy: str


class RedriveReport(Struct, frozen=True):
    """What became of them."""

    redriven: int
    refused: list[RefusedAgain]
    after: int  # the last that was tried: where the next call goes on
    more: bool  # whether there are others behind it


class Redriven(Struct, frozen=True):
    """Where a message stands in the journal that was refused and is now admitted."""

    position: int


def view_of(rejection: Rejection) -> RejectionView:
    """Show a refused message."""
    return RejectionView(
        position=rejection.position,
        received_at=moment(rejection.received_at) or "",
        device_id=rejection.device_id,
        sender=f"{rejection.principal_kind}:{rejection.principal_id}",
        topic=rejection.topic,
        code=rejection.code,
        detail=rejection.detail,
        remedy=rejection.remedy,
        payload_bytes=rejection.payload_bytes,
        payload_base64=base64.b64encode(rejection.payload).decode(),
        left_out_before=rejection.left_out_before,
        content_type=rejection.content_type,
        payload_text=_text_of(rejection.payload),
    )


def _text_of(payload: bytes) -> str | None:
    """Return what a person can read; None for bytes that are no text."""
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if all(one.isprintable() or one in "\t\r\n" for one in text) else None


def position_of(call: Call) -> int:
    """Return the position that the path names."""
    text = call.path["position"]
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise NotFound(f"There is no rejection {text!r}.", remedy="See weft rejection list.")
    return int(text)


async def list_rejections(services: Services, call: Call) -> Page[RejectionView]:
    """Answer with a page of refused messages, newest first."""
    query: RejectionList = call.query
    if query.device is not None and query.code is not None:
        raise Invalid("Only one of device and code can be asked for at a time.")
    where = None if query.device is None else ("device", query.device)
    if query.code is not None:
        where = ("code", query.code)
    found = await services.rejections.list(
        call.principal.tenant,
        where=where,
        after=after_of(call, "rejections"),
        limit=query.limit + 1,
    )
    return page_of(
        call,
        "rejections",
        found,
        lambda record: view_of(record.value),
        lambda record: rejection_key(record.value.position),
    )


async def get_rejection(services: Services, call: Call) -> RejectionView:
    """Answer with one refused message."""
    return view_of(await services.rejections.get(call.principal.tenant, position_of(call)))


async def delete_rejection(services: Services, call: Call) -> None:
    """Drop one for good."""
    await services.rejections.delete(call.principal, position_of(call))


async def redrive_rejection(services: Services, call: Call) -> Redriven:
    """Send one through the gate again, as its sender."""
    position = position_of(call)
    rejection = await services.rejections.get(call.principal.tenant, position)
    sender = await _sender_of(services, call.principal.tenant, rejection)
    return Redriven(await services.rejections.redrive(call.principal, position, sender))


async def redrive_rejections(services: Services, call: Call) -> RedriveReport:
    """Send all that match through the gate again, oldest first."""
    body: RedriveMany = call.body or RedriveMany()
    tenant = call.principal.tenant
    where = None if body.code is None else ("code", body.code)
    if body.device is not None:
        where = ("device", body.device)
    found = await services.rejections.list(
        tenant,
        where=where,
        after=rejection_key(body.after) if body.after else "",
        limit=body.limit + 1,
        oldest_first=True,
    )
    redriven, last = 0, body.after
    refused: list[RefusedAgain] = []
    for record in found[: body.limit]:
        rejection = record.value
        last = rejection.position
        if body.code not in {None, rejection.code}:
            continue
        try:
            sender = await _sender_of(services, tenant, rejection)
            await services.rejections.redrive(call.principal, rejection.position, sender)
        except PeerError as error:
            refused.append(RefusedAgain(last, error.code, error.detail, error.remedy))
        else:
            redriven += 1
    return RedriveReport(redriven, refused, last, more=len(found) > body.limit)


async def _sender_of(services: Services, tenant: TenantId, rejection: Rejection) -> Principal:
    """Return who sent it, if that is still the same and there; the gate decides again."""
    name = rejection.principal_id
    if rejection.principal_kind == PrincipalKind.DEVICE:
        device = services.devices.find(tenant, name)
        if device is not None:
            return Principal(tenant, PrincipalKind.DEVICE, name, device.uid)
    elif rejection.principal_kind == PrincipalKind.KEY:
        key = await services.keys.get(tenant, name)
        return Principal(tenant, PrincipalKind.KEY, name, key.uid)
    raise Conflict(
        f"The sender {rejection.principal_kind}:{name} is gone, or is no device or key.",
        remedy="Make the device again, or delete the rejection.",
    )


_ONE = "/rejections/{position}"
_TARGET = "rejection:{position}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_rejections",
        "GET",
        "/rejections",
        "List refused messages, newest first",
        list_rejections,
        action="rejection.read",
        query=RejectionList,
        result=Page[RejectionView],
        command=Command(
            "rejection",
            "list",
            columns=("position", "received_at", "device_id", "topic", "code", "detail", "remedy"),
        ),
    ),
    Operation(
        "get_rejection",
        "GET",
        _ONE,
        "Show a refused message",
        get_rejection,
        action="rejection.read",
        target=_TARGET,
        result=RejectionView,
        errors=(NotFound,),
        command=Command("rejection", "show"),
    ),
    Operation(
        "delete_rejection",
        "DELETE",
        _ONE,
        "Delete a refused message",
        delete_rejection,
        action="rejection.delete",
        target=_TARGET,
        errors=(NotFound,),
        command=Command("rejection", "delete", confirm="Delete the refused message {position}?"),
    ),
    Operation(
        "redrive_rejection",
        "POST",
        _ONE + "/redrive",
        "Send a refused message through the gate again",
        redrive_rejection,
        action="rejection.redrive",
        target=_TARGET,
        result=Redriven,
        errors=(NotFound, Conflict, Forbidden, PayloadInvalid),
        command=Command("rejection", "redrive"),
    ),
    Operation(
        "redrive_rejections",
        "POST",
        "/rejections/redrive",
        "Send refused messages through the gate again, oldest first",
        redrive_rejections,
        action="rejection.redrive",
        description="After a type was mended, say: those of a device, of a code, or all. What is "
        "refused again stays in the inbox; the report tells each, and where to go on.",
        body=RedriveMany,
        body_optional=True,
        result=RedriveReport,
        example={"device": "pump-1", "limit": 100},
        command=Command("rejection", "redrive-all"),
    ),
)
