"""Operations on commands: ask something of a device, and learn what became of it."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from weft.api.operation import Call, Command, Operation, Reply
from weft.api.services import Services
from weft.api.views import Moment, Page, Paging, after_of, found_page, moment
from weft.commands.kinds import Key
from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded, TooLarge, Unavailable
from weft.model import command as model
from weft.model.command import CommandState
from weft.model.ids import DeviceId
from weft.security.policy import require

WAIT_MAX_S = 50  # the command line and most proxies give up after 60

WaitS = Annotated[
    float,
    Meta(ge=0, le=WAIT_MAX_S, description="How many seconds to wait for the outcome."),
]


class LateView(Struct, frozen=True):
    """An answer that came after the end."""

    at: Moment
    position: int
    state: CommandState
    output: Any
    error: str


class CommandView(Struct, frozen=True):
    """A command as the API shows it."""

    request_id: str
    device_id: str
    name: str
    state: CommandState
    input: dict[str, Any]
    output: Any
    output_problem: str  # what of it is not as the type declares; the outcome counts anyway
    error: str
    sender: str
    created_at: Moment
    expires_at: Moment
    sent_at: Moment | None
    delivered_at: Moment | None
    handed_out_at: Moment | None  # the last time, to a device that asked or that watches
    hand_outs: int  # how often: from two on they are repeats, for want of an answer
    ended_at: Moment | None
    ended_by: str  # device, time, or who took it back
    bulk_id: str | None
    late: LateView | None  # the newest answer that came after the end
    late_count: int
    version: int


class NewCommand(Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked of a device."""

    name: Annotated[str, Meta(max_length=128)]
    input: dict[str, Any] = {}
    ttl_s: Annotated[int, Meta(ge=1, description="Seconds after which it expires.")] | None = None
    request_id: (
        Annotated[
            str,
            Meta(max_length=128, description="The same id again is the same command."),
        ]
        | None
    ) = None
    wait_s: WaitS = 0.0


class CommandList(Paging, frozen=True):
    """Which commands to list; with `wait_s`, those that are to be handed out to their device."""

    state: CommandState | None = None
    wait_s: WaitS | None = None


class Waiting(Struct, frozen=True, forbid_unknown_fields=True):
    """How long to wait for the outcome."""

    wait_s: WaitS = 0.0


class Cancellation(Struct, frozen=True, forbid_unknown_fields=True):
    """Why a command is taken back."""

    reason: Annotated[str, Meta(max_length=1000)] = ""


def view_of(command: model.Command) -> CommandView:
    """Show a command."""
    return CommandView(
        request_id=command.request_id,
        device_id=command.device_id,
        name=command.name,
        state=command.state,
        input=command.input,
        output=command.output,
        output_problem=command.output_problem,
        error=command.error,
        sender=command.sender,
        created_at=moment(command.created_at) or "",
        expires_at=moment(command.expires_at) or "",
        sent_at=moment(command.sent_at),
        delivered_at=moment(command.delivered_at),
        handed_out_at=moment(command.handed_out_at),
        hand_outs=command.hand_outs,
        ended_at=moment(command.ended_at),
        ended_by=command.ended_by,
        bulk_id=command.bulk_id or None,
        late=None if command.late is None else _late_view(command.late),
        late_count=command.late_count,
        version=command.version,
    )


def _late_view(late: model.LateResult) -> LateView:
    outcome = late.outcome
    return LateView(
        moment(late.at) or "", late.position, outcome.state, outcome.output, outcome.error
    )


def _device_of(services: Services, call: Call) -> DeviceId:
    return services.devices.get(call.principal.tenant, call.path["device_id"]).device_id


async def send_command(services: Services, call: Call) -> Reply:
    """Keep a command and send it; wait for its outcome where that is asked for."""
    body: NewCommand = call.body
    command = await services.commands.send(
        call.principal,
        _device_of(services, call),
        body.name,
        body.input,
        ttl_s=body.ttl_s,
        request_id=body.request_id,
    )
    if body.wait_s:
        command = await services.commands.wait(*Key.of(command), wait_s=body.wait_s)
    return Reply(view_of(command))


async def list_commands(services: Services, call: Call) -> Page[CommandView]:
    """Answer with a page of a device's commands; with `wait_s`, with what waits for it."""
    device_id = _device_of(services, call)
    if call.query.wait_s is not None:
        return await _fetch_commands(services, call, device_id)
    listing = f"commands/{device_id}"
    found = await services.commands.list(
        call.principal.tenant,
        device_id,
        state=call.query.state,
        after=after_of(call, listing),
        limit=call.query.limit,
    )
    return found_page(call, listing, found, view_of)


async def _fetch_commands(services: Services, call: Call, device_id: DeviceId) -> Page[CommandView]:
    """Hand out what waits for a device, oldest first, and what it has not answered for a while."""
    principal, commands = call.principal, services.commands
    key = (principal.tenant, device_id)
    await services.links.wait(
        call,
        device_id,
        lambda: bool(commands.due_for(*key)),
        wait_s=call.query.wait_s,
        ready_in_s=lambda: commands.due_in_s(*key),
    )
    require(services.policy, principal, "command.read", f"device:{device_id}")
    found = commands.due_for(*key)[: call.query.limit]
    views = [view_of(command) for command in found]
    for command in found:
        commands.handed_out(principal, device_id, command.request_id)
    return Page(views)


async def get_command(services: Services, call: Call) -> Reply:
    """Answer with one command, once it has ended or the wait is over."""
    command = await services.commands.wait(
        call.principal.tenant,
        _device_of(services, call),
        call.path["request_id"],
        wait_s=call.query.wait_s,
    )
    return Reply(view_of(command))


async def cancel_command(services: Services, call: Call) -> Reply:
    """Take a command back."""
    body: Cancellation = call.body or Cancellation()
    command = await services.commands.cancel(
        call.principal, _device_of(services, call), call.path["request_id"], reason=body.reason
    )
    return Reply(view_of(command))


_ALL = "/devices/{device_id}/commands"
_ONE = _ALL + "/{request_id}"
_TARGET = "device:{device_id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "send_command",
        "POST",
        _ALL,
        "Send a command to a device",
        send_command,
        action="command.send",
        target=_TARGET,
        description=(
            "The input is checked against the device type. A device that is away gets the "
            "command when it comes back, unless its time to live is over by then."
        ),
        body=NewCommand,
        result=CommandView,
        status=202,
        errors=(NotFound, Conflict, Invalid, QuotaExceeded, TooLarge),
        example={"name": "set_speed", "input": {"rpm": 900}, "ttl_s": 60},
        command=Command(
            "command",
            "send",
            arguments=("name", "input"),
            renames=(("ttl_s", "ttl"), ("wait_s", "wait")),
        ),
    ),
    Operation(
        "list_commands",
        "GET",
        _ALL,
        "List a device's commands, newest first",
        list_commands,
        action="command.read",
        target=_TARGET,
        description=(
            "With wait_s it answers with those that the device has not got yet, oldest first, as "
            "soon as there is one, or with none after that time. What a device was handed so and "
            "does not answer is handed out again after commands.hand_out_again_s, with the same "
            "request_id."
        ),
        query=CommandList,
        result=Page[CommandView],
        errors=(NotFound, QuotaExceeded, Unavailable),
        command=Command(
            "command",
            "list",
            columns=("request_id", "name", "state", "created_at", "ended_at", "error"),
            renames=(("wait_s", "wait"),),
        ),
    ),
    Operation(
        "get_command",
        "GET",
        _ONE,
        "Show a command and its outcome",
        get_command,
        action="command.read",
        target=_TARGET,
        description="With wait_s it answers as soon as the command has ended, or after that time.",
        query=Waiting,
        result=CommandView,
        errors=(NotFound, QuotaExceeded),
        command=Command("command", "show", renames=(("wait_s", "wait"),)),
    ),
    Operation(
        "cancel_command",
        "POST",
        _ONE + "/cancel",
        "Take a command back",
        cancel_command,
        action="command.send",
        target=_TARGET,
        description=(
            "It ends as rejected, by the one who cancels. A device that has it already may "
            "still carry it out; its answer is then kept as a note."
        ),
        body=Cancellation,
        body_optional=True,
        result=CommandView,
        errors=(NotFound, Conflict),
        example={"reason": "wrong pump"},
        command=Command("command", "cancel", confirm="Cancel the command {request_id}?"),
    ),
)
