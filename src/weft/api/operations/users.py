"""Operations on people: inviting, roles, disabling. People only (AZ-6)."""

from typing import Annotated

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, moment, page_of
from weft.errors import Conflict, NotFound
from weft.security.actions import Role
from weft.security.people import INVITATION_LIFE_MAX_S, INVITATION_LIFE_S, User


class UserView(Struct, frozen=True):
    """A person as the API shows them."""

    name: str
    uid: str
    roles: tuple[Role, ...]
    created_at: Moment
    disabled_at: Moment | None


class Invite(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to invite: the roles that the link gives."""

    roles: Annotated[tuple[Role, ...], Meta(min_length=1)]
    life_s: Annotated[int, Meta(ge=60, le=INVITATION_LIFE_MAX_S)] = INVITATION_LIFE_S


class Invited(Struct, frozen=True):
    """A one-time link, shown this once."""

    token: str
    link: str
    expires_in_s: int


class RolesBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The roles that a user should have."""

    roles: Annotated[tuple[Role, ...], Meta(min_length=1)]


def view_of(user: User) -> UserView:
    """Show a user."""
    return UserView(
        name=user.user_id,
        uid=user.uid,
        roles=user.roles,
        created_at=moment(user.created_at) or "",
        disabled_at=moment(user.disabled_at),
    )


async def list_users(services: Services, call: Call) -> Page[UserView]:
    """Answer with a page of users."""
    found = await services.people.list_users(
        call.principal.tenant, after=after_of(call, "users"), limit=call.query.limit + 1
    )
    return page_of(call, "users", found, view_of, lambda user: user.uid)


async def invite_user(services: Services, call: Call) -> Invited:
    """Make a one-time link."""
    body: Invite = call.body
    token = await services.people.invite(call.principal, body.roles, life_s=body.life_s)
    base = services.endpoints().http or services.endpoints().https
    return Invited(token, f"{base}/sign-up#{token}", body.life_s)


async def get_user(services: Services, call: Call) -> UserView:
    """Answer with one user."""
    return view_of(await services.people.get(call.principal.tenant, call.path["name"]))


async def set_user_roles(services: Services, call: Call) -> UserView:
    """Give a user other roles; they count from the next decision on."""
    return view_of(
        await services.people.set_roles(call.principal, call.path["name"], call.body.roles)
    )


async def disable_user(services: Services, call: Call) -> UserView:
    """Take all rights from a user, at once."""
    return view_of(await services.people.disable(call.principal, call.path["name"]))


async def enable_user(services: Services, call: Call) -> UserView:
    """Give a disabled user the rights back."""
    return view_of(await services.people.enable(call.principal, call.path["name"]))


async def delete_user(services: Services, call: Call) -> None:
    """Remove a user for good."""
    await services.people.delete(call.principal, call.path["name"])


_ONE = "/users/{name}"
_TARGET = "user:{name}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "list_users",
        "GET",
        "/users",
        "List users",
        list_users,
        action="user.read",
        query=Paging,
        result=Page[UserView],
        command=Command("user", "list", columns=("name", "roles", "created_at", "disabled_at")),
    ),
    Operation(
        "invite_user",
        "POST",
        "/users/invitations",
        "Make a one-time sign-up link",
        invite_user,
        action="user.invite",
        body=Invite,
        result=Invited,
        status=201,
        secret=True,
        example={"roles": ["operator"]},
        command=Command("user", "invite", arguments=("roles",)),
    ),
    Operation(
        "get_user",
        "GET",
        _ONE,
        "Show a user",
        get_user,
        action="user.read",
        target=_TARGET,
        result=UserView,
        errors=(NotFound,),
        command=Command("user", "show"),
    ),
    Operation(
        "set_user_roles",
        "PUT",
        _ONE + "/roles",
        "Give a user other roles",
        set_user_roles,
        action="user.update",
        target=_TARGET,
        body=RolesBody,
        result=UserView,
        errors=(NotFound, Conflict),
        example={"roles": ["viewer"]},
        command=Command("user", "roles", arguments=("roles",)),
    ),
    Operation(
        "disable_user",
        "POST",
        _ONE + "/disable",
        "Take all rights from a user at once",
        disable_user,
        action="user.disable",
        target=_TARGET,
        result=UserView,
        errors=(NotFound, Conflict),
        command=Command("user", "disable", confirm="Disable {name} and end all sessions?"),
    ),
    Operation(
        "enable_user",
        "POST",
        _ONE + "/enable",
        "Give a disabled user the rights back",
        enable_user,
        action="user.update",
        target=_TARGET,
        result=UserView,
        errors=(NotFound, Conflict),
        command=Command("user", "enable"),
    ),
    Operation(
        "delete_user",
        "DELETE",
        _ONE,
        "Remove a user for good",
        delete_user,
        action="user.delete",
        target=_TARGET,
        errors=(NotFound,),
        command=Command("user", "delete", confirm="Delete the user {name} for good?"),
    ),
)
