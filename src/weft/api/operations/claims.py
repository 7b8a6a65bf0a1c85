"""Operations on claims, and the one that devices call with them."""

from typing import Any

from msgspec import Struct

from weft.api.authentication import bearer_of
from weft.api.operation import PUBLIC, Call, Command, Operation
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    QuotaExceeded,
    RateLimited,
    SigningRequestInvalid,
    Unauthenticated,
)
from weft.registry.claims import Claim, NewClaim
from weft.registry.provision_documents import ProvisionedView, ProvisionRequest
from weft.registry.provision_documents import view_of as provisioned_view


class ClaimView(Struct, frozen=True):
    """A claim as the API shows it; the token itself is not kept anywhere."""

    claim_id: str
    name: str
    type_name: str | None
    prefix: str
    count: int
    used: int
    start: Moment
    end: Moment
    networks: tuple[str, ...]
    approve: bool
    group: bool
    created_at: Moment
    created_by: str
    revoked_at: Moment | None


class IssuedClaimView(Struct, frozen=True):
    """A new claim with its token, shown this once.

    Over DTLS the claim's key opens the same. A group has one for each serial: derive it.
    """

    claim: ClaimView
    token: str
    psk_identity: str | None = None
    psk_key: str | None = None


class ClaimAttempt(Struct, frozen=True):
    """One request with a claim: what came of it, and why; the peer is told less."""

    at: Moment
    peer: str
    accepted: bool
    reason: str


class ClaimDetail(ClaimView, frozen=True):
    """A claim with the last requests that showed it, newest first, since the start of Weft."""

    attempts: list[ClaimAttempt] = []


class AgainView(Struct, frozen=True):
    """A device that may be provisioned once more."""

    device_id: str
    provisioned_at: Moment
    address: str


def _fields_of(claim: Claim) -> dict[str, Any]:
    return {
        "claim_id": claim.claim_id,
        "name": claim.name,
        "type_name": claim.type_name,
        "prefix": claim.prefix,
        "count": claim.count,
        "used": claim.used,
        "start": moment(claim.starts_at) or "",
        "end": moment(claim.ends_at) or "",
        "networks": claim.networks,
        "approve": claim.approve,
        "group": bool(claim.sealed),
        "created_at": moment(claim.created_at) or "",
        "created_by": claim.created_by,
        "revoked_at": moment(claim.revoked_at),
    }


def view_of(claim: Claim) -> ClaimView:
    """Show a claim."""
    return ClaimView(**_fields_of(claim))


async def list_claims(services: Services, call: Call) -> Page[ClaimView]:
    """Answer with a page of claims, revoked ones too."""
    found = services.claims.list(
        call.principal.tenant, after=after_of(call, "claims"), limit=call.query.limit + 1
    )
    return page_of(call, "claims", found, view_of, lambda claim: claim.claim_id)


async def create_claim(services: Services, call: Call) -> IssuedClaimView:
    """Make a claim."""
    issued = await services.claims.create(call.principal, call.body)
    if not issued.key:
        return IssuedClaimView(view_of(issued.claim), issued.token)
    name = issued.claim.claim_id
    return IssuedClaimView(
        view_of(issued.claim), issued.token, psk_identity=name, psk_key=issued.key
    )


async def get_claim(services: Services, call: Call) -> ClaimDetail:
    """Answer with one claim and what was asked with it."""
    claim = services.claims.get(call.principal.tenant, call.path["claim_id"])
    attempts = [
        ClaimAttempt(moment(one.at) or "", one.peer, one.accepted, one.reason)
        for one in services.provisioning.attempts(claim)
    ]
    return ClaimDetail(**_fields_of(claim), attempts=attempts)


async def revoke_claim(services: Services, call: Call) -> ClaimView:
    """End a claim at once."""
    return view_of(await services.claims.revoke(call.principal, call.path["claim_id"]))


async def delete_claim(services: Services, call: Call) -> None:
    """Forget a claim."""
    await services.claims.delete(call.principal, call.path["claim_id"])


async def allow_again(services: Services, call: Call) -> AgainView:
    """Let a device be provisioned once more."""
    name = call.path["device_id"]
    serial = await services.provisioning.allow_again(call.principal, name)
    return AgainView(name, moment(serial.at) or "", serial.address)


async def provision_device(services: Services, call: Call) -> ProvisionedView:
    """Give a device that shows a claim its identity."""
    token = bearer_of(call.headers.get(b"authorization"))
    if token is None:
        raise Unauthenticated(
            "No claim came with the request.", remedy="Send it as Authorization: Bearer CLAIM."
        )
    made = await services.provisioning.provision(token, call.body, call.address)
    return provisioned_view(made)


_ONE = "/claims/{claim_id}"
_TARGET = "claim:{claim_id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_claims",
        "GET",
        "/claims",
        "List the claims of batches",
        list_claims,
        action="claim.read",
        query=Paging,
        result=Page[ClaimView],
        command=Command(
            "claim", "list", columns=("claim_id", "name", "used", "count", "end", "revoked_at")
        ),
    ),
    Operation(
        "create_claim",
        "POST",
        "/claims",
        "Make a claim for a batch of devices",
        create_claim,
        action="claim.create",
        description="All devices of the batch carry its token, which is good for provisioning "
        "alone. The answer is the only place where it stands in clear.",
        body=NewClaim,
        result=IssuedClaimView,
        status=201,
        secret=True,
        errors=(NotFound, Conflict, Invalid),
        example={"name": "pumps-2026", "count": 500, "prefix": "pump-", "approve": True},
        command=Command(
            "claim",
            "add",
            arguments=("name", "count"),
            renames=(("type_name", "type"), ("networks", "network")),
        ),
    ),
    Operation(
        "get_claim",
        "GET",
        _ONE,
        "Show a claim, and why it refused whom",
        get_claim,
        action="claim.read",
        target=_TARGET,
        result=ClaimDetail,
        errors=(NotFound,),
        command=Command("claim", "show"),
    ),
    Operation(
        "revoke_claim",
        "POST",
        _ONE + "/revoke",
        "Revoke a claim at once",
        revoke_claim,
        action="claim.revoke",
        target=_TARGET,
        description="Devices that it let in stay.",
        result=ClaimView,
        errors=(NotFound, Conflict),
        command=Command("claim", "revoke", confirm="Revoke the claim {claim_id} for good?"),
    ),
    Operation(
        "delete_claim",
        "DELETE",
        _ONE,
        "Delete a claim, with what it counted",
        delete_claim,
        action="claim.revoke",
        target=_TARGET,
        description="It ends at once. Devices that it let in stay.",
        errors=(NotFound,),
        command=Command("claim", "delete", confirm="Delete the claim {claim_id} for good?"),
    ),
    Operation(
        "allow_provisioning_again",
        "POST",
        "/devices/{device_id}/provision-again",
        "Let a device be provisioned once more",
        allow_again,
        action="claim.again",
        target="device:{device_id}",
        description="For one that lost its credential: when it comes, those it has end.",
        tag="claims",
        result=AgainView,
        errors=(NotFound,),
        command=Command("claim", "again"),
    ),
    Operation(
        "provision_device",
        "POST",
        "/provision",
        "Give a device its identity, by the claim of its batch",
        provision_device,
        action=PUBLIC,
        description="The claim comes as a bearer token. Each serial is provisioned once; a "
        "signing request by the same key is answered again. The secret is shown this once.",
        tag="claims",
        body=ProvisionRequest,
        result=ProvisionedView,
        status=201,
        secret=True,
        errors=(
            Unauthenticated,
            Forbidden,
            AlreadyExists,
            Invalid,
            NotFound,
            QuotaExceeded,
            RateLimited,
            SigningRequestInvalid,
        ),
        example={"serial": "0042", "label": "Cooling pump"},
    ),
)
