"""Operations on tenants: the platform's administrators only."""

from typing import Annotated

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import AlreadyExists, NotFound
from weft.model.ids import TenantId
from weft.registry.tenants import Quotas, Tenant


class TenantView(Struct, frozen=True):
    """A tenant as the API shows it."""

    tenant_id: str
    name: str
    quotas: Quotas
    created_at: Moment
    version: int


class NewTenant(Struct, frozen=True, forbid_unknown_fields=True):
    """A tenant to be made."""

    tenant_id: str
    name: Annotated[str, Meta(max_length=256)] = ""
    quotas: Quotas | None = None


class TenantPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """What may be changed of a tenant."""

    name: Annotated[str, Meta(max_length=256)] | None = None
    quotas: Quotas | None = None


def view_of(tenant: Tenant) -> TenantView:
    """Show a tenant."""
    return TenantView(
        tenant_id=tenant.id,
        name=tenant.name,
        quotas=tenant.quotas,
        created_at=moment(tenant.created_at) or "",
        version=tenant.version,
    )


def _reply(tenant: Tenant) -> Reply:
    return Reply(view_of(tenant), version=tenant.version)


async def list_tenants(services: Services, call: Call) -> Page[TenantView]:
    """Answer with a page of tenants."""
    after = after_of(call, "tenants")
    found = [tenant for tenant in services.tenants.list() if tenant.id > after]
    return page_of(call, "tenants", found, view_of, lambda tenant: tenant.id)


async def create_tenant(services: Services, call: Call) -> Reply:
    """Make a tenant."""
    body: NewTenant = call.body
    made = await services.tenants.create(
        call.principal, body.tenant_id, name=body.name, quotas=body.quotas
    )
    return _reply(made)


async def get_tenant(services: Services, call: Call) -> Reply:
    """Answer with one tenant."""
    return _reply(services.tenants.get(TenantId(call.path["tenant_id"])))


async def update_tenant(services: Services, call: Call) -> Reply:
    """Change a tenant's name or quotas."""
    tenant = services.tenants.get(TenantId(call.path["tenant_id"]))
    changed = await services.tenants.update(
        call.principal,
        tenant.id,
        version=tenant.version if call.if_match is None else call.if_match,
        name=call.body.name,
        quotas=call.body.quotas,
    )
    return _reply(changed)


_ONE = "/tenants/{tenant_id}"
_TARGET = "tenant:{tenant_id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_tenants",
        "GET",
        "/tenants",
        "List tenants",
        list_tenants,
        action="tenant.read",
        query=Paging,
        result=Page[TenantView],
        command=Command("tenant", "list", columns=("tenant_id", "name", "created_at")),
    ),
    Operation(
        "create_tenant",
        "POST",
        "/tenants",
        "Make a tenant",
        create_tenant,
        action="tenant.create",
        body=NewTenant,
        result=TenantView,
        status=201,
        etag=True,
        errors=(AlreadyExists,),
        example={"tenant_id": "north", "name": "Northern plant"},
        command=Command("tenant", "add", arguments=("tenant_id",)),
    ),
    Operation(
        "get_tenant",
        "GET",
        _ONE,
        "Show a tenant",
        get_tenant,
        action="tenant.read",
        target=_TARGET,
        result=TenantView,
        etag=True,
        errors=(NotFound,),
        command=Command("tenant", "show"),
    ),
    Operation(
        "update_tenant",
        "PATCH",
        _ONE,
        "Change a tenant",
        update_tenant,
        action="tenant.update",
        target=_TARGET,
        body=TenantPatch,
        result=TenantView,
        if_match="optional",
        etag=True,
        errors=(NotFound,),
        example={"quotas": {"devices": 500}},
        command=Command("tenant", "update"),
    ),
)
