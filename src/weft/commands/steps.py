"""Steps: a command as it is after something has happened to it. Pure: who decides is elsewhere."""

from msgspec.structs import replace

from weft.model.command import Command, CommandState, LateResult


def sent(command: Command, position: int, at: int) -> Command:
    """The journal has it."""
    return replace(
        command,
        state=CommandState.SENT,
        position=position,
        sent_at=at,
        version=command.version + 1,
    )


def delivered(command: Command, at: int) -> Command:
    """Its device has it."""
    return replace(
        command, state=CommandState.DELIVERED, delivered_at=at, version=command.version + 1
    )


def handed_out(command: Command, at: int) -> Command:
    """It was given to a device that asked; whether it has arrived, only its answer tells."""
    return replace(
        command,
        state=CommandState.DELIVERED,
        delivered_at=at if command.delivered_at is None else command.delivered_at,
        handed_out_at=at,
        hand_outs=command.hand_outs + 1,
        version=command.version + 1,
    )


def answered(command: Command, result: LateResult, by: str, *, output_problem: str = "") -> Command:
    """It was answered in time."""
    return replace(
        command,
        state=result.outcome.state,
        output=result.outcome.output,
        error=result.outcome.error,
        output_problem=output_problem,
        ended_at=result.at,
        ended_by=by,
        result_position=result.position,
        version=command.version + 1,
    )


def cancelled(command: Command, by: str, at: int, error: str) -> Command:
    """It was taken back."""
    return replace(
        command,
        state=CommandState.REJECTED,
        ended_at=at,
        ended_by=by,
        error=error,
        version=command.version + 1,
    )


def expired(command: Command) -> Command:
    """Its time is over."""
    return replace(
        command,
        state=CommandState.EXPIRED,
        ended_at=command.expires_at,
        ended_by="time",
        error="Its time was over before the device answered.",
        version=command.version + 1,
    )


def noted(command: Command, result: LateResult) -> Command:
    """It was answered after its end; the same answer read again changes nothing."""
    before = command.late.position if command.late is not None else 0
    if result.position <= max(command.result_position, before):
        return command
    return replace(command, late=result, late_count=command.late_count + 1)
