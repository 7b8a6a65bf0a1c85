"""Operations by which a device changes hands: released with a code, claimed by its owner."""

from msgspec import Struct

from weft.api.operation import Call, Command, Operation
from weft.api.operations.devices import DeviceView, view_of
from weft.api.services import Services
from weft.api.views import Moment, moment
from weft.errors import (
    AlreadyExists,
    Conflict,
    Invalid,
    NotFound,
    QuotaExceeded,
    RateLimited,
)
from weft.registry.claiming import NewClaimCode, OwnerClaim


class ClaimCodeView(Struct, frozen=True):
    """A one-time code that goes to the owner with the device; shown this once."""

    serial: str
    code: str
    expires_at: Moment


class ClaimedView(Struct, frozen=True):
    """A device that is its owner's now, how many came with it, and how many secrets are good."""

    device: DeviceView
    secrets: int
    children: int = 0  # that came with it


async def release_device(services: Services, call: Call) -> ClaimCodeView:
    """Make a device's code."""
    body: NewClaimCode = call.body or NewClaimCode()
    issued = await services.claiming.make_code(
        call.principal, call.path["device_id"], life_s=body.life_s
    )
    expires_at = moment(issued.expires_at) or ""
    return ClaimCodeView(issued.device.device_id, issued.code, expires_at)


async def keep_device(services: Services, call: Call) -> None:
    """End a device's code."""
    await services.claiming.drop_code(call.principal, call.path["device_id"])


async def claim_device(services: Services, call: Call) -> ClaimedView:
    """Move a device into the caller's tenant."""
    done = await services.claiming.claim(call.principal, call.body, call.address)
    return ClaimedView(view_of(done.device, services), done.secrets, done.children)


_CODE = "/devices/{device_id}/claim-code"
_TARGET = "device:{device_id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "release_device",
        "POST",
        _CODE,
        "Make a code by which its owner claims a device",
        release_device,
        action="device.release",
        target=_TARGET,
        description="Whoever shows the device's serial and this code takes it into their own "
        "tenant, once. A code that was made before ends.",
        tag="devices",
        body=NewClaimCode,
        body_optional=True,
        result=ClaimCodeView,
        status=201,
        secret=True,
        errors=(NotFound, Conflict),
        command=Command("device", "release"),
    ),
    Operation(
        "keep_device",
        "DELETE",
        _CODE,
        "End a device's claim code before it is used",
        keep_device,
        action="device.release",
        target=_TARGET,
        tag="devices",
        errors=(NotFound,),
        command=Command("device", "keep"),
    ),
    Operation(
        "claim_device",
        "POST",
        "/claim",
        "Claim a device by its serial and code",
        claim_device,
        action="device.claim",
        description="It ends in the tenant that released it, and begins in the caller's with a "
        "uid of its own. Its secrets go along; certificates, history and attributes do not. A "
        "gateway brings the devices behind it; one of those is not claimed by itself.",
        tag="devices",
        body=OwnerClaim,
        result=ClaimedView,
        status=201,
        errors=(NotFound, Conflict, AlreadyExists, Invalid, QuotaExceeded, RateLimited),
        example={"serial": "pump-7", "code": "K7WM-2Q8D-0RTA-5HXJ"},
        command=Command("device", "claim", arguments=("serial", "code")),
    ),
)
