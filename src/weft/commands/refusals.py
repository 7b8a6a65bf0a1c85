"""Refusals: why an answer decided nothing, and what to do, in the words of the rejection inbox."""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from weft.commands.kinds import Key
from weft.model.command import Command, CommandState, Outcome
from weft.model.message import Envelope, RejectionReason
from weft.model.moments import to_rfc3339
from weft.ports import Writer

LATE: Final = "late_answer"
UNKNOWN: Final = "unknown_command"
MISMATCH: Final = "output_mismatch"


class RefusedAnswer(Struct, frozen=True):
    """An answer that goes to the rejection inbox."""

    position: int  # in the journal
    envelope: Envelope
    reason: RejectionReason
    left_out_before: int = 0  # of the same device, since the one before, for want of room


# Puts answers into the inbox, in the transaction that notes them at their commands.
Refuse = Callable[[Writer, Sequence[RefusedAnswer]], None]


def repeats(command: Command, outcome: Outcome) -> bool:
    """Whether an answer says again what ended its command: delivery is at least once."""
    ended = Outcome(command.state, command.output, command.error)
    return command.result_position > 0 and outcome == ended


def late(command: Command) -> RejectionReason:
    """Return why an answer to a command that had ended changes nothing."""
    ended_at = to_rfc3339(command.ended_at or command.expires_at)
    show = f"weft command show {command.device_id} {command.request_id}"
    by_device = f"Have the device answer each request id once. The answer is noted: {show}."
    remedies = {
        CommandState.EXPIRED: "Send the command with a longer time to live, or have the device "
        f"answer sooner. It may have been carried out; the answer is noted: {show}.",
        CommandState.REJECTED: by_device
        if command.result_position
        else "It was taken back, and may have been carried out all the same: tell who took it "
        f"back. The answer is noted: {show}.",
    }
    return RejectionReason(
        LATE,
        f"The command {command.name!r} with the request id {command.request_id!r} {_how(command)} "
        f"at {ended_at}, before this answer came.",
        remedies.get(command.state, by_device),
    )


def _how(command: Command) -> str:
    if command.state is CommandState.EXPIRED:
        return "had expired"
    verb = "was" if command.state is CommandState.REJECTED else "had"
    return f"{verb} {command.state} (by {command.ended_by})"


def mismatch(command: Command) -> RejectionReason:
    """Return what is wrong with the output of a command that succeeded."""
    return RejectionReason(
        MISMATCH,
        f"The command {command.name!r} with the request id {command.request_id!r} succeeded, and "
        f"its output is not as declared: {command.output_problem}",
        "The outcome counts: the device has acted. Mend what the device sends, or the output "
        "that its type declares.",
    )


def unknown(key: Key, *, keep_days: int) -> RejectionReason:
    """Return why an answer to a command that is not on record changes nothing."""
    return RejectionReason(
        UNKNOWN,
        f"Device {key.device_id!r} never got a command with the request id {key.request_id!r}; or "
        f"it ended more than {keep_days} days ago and is forgotten.",
        "Answer with the request id that came with the command: over MQTT the fourth part of its "
        f"topic. What was sent: weft command list {key.device_id}.",
    )
