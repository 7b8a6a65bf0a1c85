"""Operations on bulks: the same command to many devices, and how far that is."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, moment
from weft.commands.bulks import BulkFailure, Progress, Targets
from weft.errors import Invalid, NotFound, TooLarge
from weft.model.command import CommandState
from weft.model.principal import Principal
from weft.security.policy import require


class NewBulk(Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked of many devices: of those named, of all of a type or of all of a group."""

    name: Annotated[str, Meta(max_length=128)]
    input: dict[str, Any] = {}
    devices: Annotated[tuple[str, ...], Meta(max_length=100_000)] = ()
    type: Annotated[str, Meta(description="All devices of this type.")] | None = None
    group: Annotated[str, Meta(description="All devices of this group as it is now.")] | None = None
    ttl_s: Annotated[int, Meta(ge=1, description="Seconds after which it expires.")] | None = None


class BulkView(Struct, frozen=True):
    """A bulk as the API shows it."""

    bulk_id: str
    name: str
    input: dict[str, Any]
    sender: str
    created_at: Moment
    expires_at: Moment
    devices: int  # to be sent to
    waiting: int  # not dealt with yet
    failed: int  # could not be sent to
    states: dict[str, int]  # of the commands that were made, how many are in each state
    done: bool  # every device was dealt with, and every command has ended
    failures: list[BulkFailure]  # the first 1,000


def view_of(progress: Progress) -> BulkView:
    """Show how far a bulk is."""
    bulk, counts = progress.bulk, progress.counts
    unfinished = sum(
        counts[state] for state in (CommandState.QUEUED, CommandState.SENT, CommandState.DELIVERED)
    )
    return BulkView(
        bulk_id=bulk.bulk_id,
        name=bulk.name,
        input=bulk.input,
        sender=str(bulk.sender),
        created_at=moment(bulk.created_at) or "",
        expires_at=moment(bulk.expires_at) or "",
        devices=len(bulk.devices),
        waiting=len(bulk.devices) - bulk.done,
        failed=bulk.failed,
        states={state.value: count for state, count in counts.items()},
        done=bulk.is_sent and not unfinished,
        failures=list(bulk.failures),
    )


async def _targets_of(services: Services, actor: Principal, body: NewBulk) -> Targets:
    if body.group is None:
        return Targets(body.devices, body.type)
    if body.devices or body.type is not None:
        raise Invalid(
            "A bulk goes to the devices that are named, to all of a type or to all of a group.",
            remedy="Send devices, type or group, one of the three.",
        )
    group = await services.groups.get(actor.tenant, body.group)
    for right in sorted({"group.read", *services.groups.rights_of(group)}):
        require(services.policy, actor, right, "*")
    found = await services.groups.device_ids(actor.tenant, group.name)
    if not found:
        raise NotFound(
            f"No device belongs to the group {group.name!r} now.",
            remedy=f"See what it asks for: weft group show {group.name}",
        )
    return Targets(tuple(found))


async def send_bulk(services: Services, call: Call) -> Reply:
    """Keep a bulk; its commands are sent from now on."""
    body: NewBulk = call.body
    bulk = await services.bulks.start(
        call.principal,
        await _targets_of(services, call.principal, body),
        body.name,
        body.input,
        ttl_s=body.ttl_s,
    )
    return Reply(view_of(await services.bulks.progress(bulk.tenant, bulk.bulk_id)))


async def get_bulk(services: Services, call: Call) -> BulkView:
    """Answer with how far a bulk is."""
    return view_of(await services.bulks.progress(call.principal.tenant, call.path["bulk_id"]))


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "send_bulk",
        "POST",
        "/commands/bulk",
        "Send the same command to many devices",
        send_bulk,
        action="command.send",
        description=(
            "Each device gets a command of its own, as far as the tenant has room for open "
            "commands; a device that cannot be sent to is a failure and hinders no other."
        ),
        tag="devices",
        body=NewBulk,
        result=BulkView,
        status=202,
        errors=(Invalid, NotFound, TooLarge),
        example={"name": "restart", "devices": ["pump-1", "pump-2"], "ttl_s": 3600},
        command=Command(
            "command", "bulk", arguments=("name", "input"), renames=(("ttl_s", "ttl"),)
        ),
    ),
    Operation(
        "get_bulk",
        "GET",
        "/commands/bulk/{bulk_id}",
        "Show how far a bulk is",
        get_bulk,
        action="command.read",
        tag="devices",
        result=BulkView,
        errors=(NotFound,),
        command=Command("command", "progress"),
    ),
)
