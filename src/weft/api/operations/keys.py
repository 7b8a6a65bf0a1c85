"""Operations on service keys: how business systems come in. People only (AZ-6)."""

from msgspec import Struct

from weft.api.operation import Call, Command, Operation
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import AlreadyExists, Conflict, NotFound
from weft.security.filters import Grant
from weft.security.keys import NewKey, ServiceKey


class KeyView(Struct, frozen=True):
    """A service key as the API shows it; the token itself is not kept anywhere."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    grants: tuple[Grant, ...]
    created_at: Moment
    created_by: str
    expires_at: Moment | None
    revoked_at: Moment | None


class NewKeyView(Struct, frozen=True):
    """A new key with its token, shown this once."""

    key: KeyView
    token: str


def view_of(key: ServiceKey) -> KeyView:
    """Show a key."""
    return KeyView(
        key_id=key.key_id,
        name=key.name,
        scopes=key.scopes,
        grants=key.grants,
        created_at=moment(key.created_at) or "",
        created_by=key.created_by,
        expires_at=moment(key.expires_at),
        revoked_at=moment(key.revoked_at),
    )


async def list_keys(services: Services, call: Call) -> Page[KeyView]:
    """Answer with a page of keys, revoked ones too."""
    found = await services.keys.list_keys(
        call.principal.tenant, after=after_of(call, "keys"), limit=call.query.limit + 1
    )
    return page_of(call, "keys", found, view_of, lambda key: key.key_id)


async def create_key(services: Services, call: Call) -> NewKeyView:
    """Make a key."""
    issued = await services.keys.create(call.principal, call.body)
    return NewKeyView(view_of(issued.key), issued.token)


async def get_key(services: Services, call: Call) -> KeyView:
    """Answer with one key."""
    return view_of(await services.keys.get(call.principal.tenant, call.path["key_id"]))


async def revoke_key(services: Services, call: Call) -> None:
    """End a key for good; what it holds open is cut."""
    await services.keys.revoke(call.principal, call.principal.tenant, call.path["key_id"])


_ONE = "/keys/{key_id}"
_TARGET = "key:{key_id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_keys",
        "GET",
        "/keys",
        "List service keys",
        list_keys,
        action="key.read",
        query=Paging,
        result=Page[KeyView],
        command=Command(
            "key", "list", columns=("key_id", "name", "scopes", "created_at", "revoked_at")
        ),
    ),
    Operation(
        "create_key",
        "POST",
        "/keys",
        "Make a service key",
        create_key,
        action="key.create",
        description="The answer is the only place where the token stands in clear.",
        body=NewKey,
        result=NewKeyView,
        status=201,
        secret=True,
        errors=(AlreadyExists,),
        example={"name": "erp", "scopes": ["devices:read", "telemetry:read"]},
        command=Command(
            "key",
            "add",
            arguments=("name",),
            renames=(("scopes", "scope"), ("grants", "grant")),
        ),
    ),
    Operation(
        "get_key",
        "GET",
        _ONE,
        "Show a service key",
        get_key,
        action="key.read",
        target=_TARGET,
        result=KeyView,
        errors=(NotFound,),
        command=Command("key", "show"),
    ),
    Operation(
        "revoke_key",
        "DELETE",
        _ONE,
        "Revoke a service key",
        revoke_key,
        action="key.revoke",
        target=_TARGET,
        description="What it holds open is cut at once.",
        errors=(NotFound, Conflict),
        command=Command("key", "revoke", confirm="Revoke the key {key_id} for good?"),
    ),
)
