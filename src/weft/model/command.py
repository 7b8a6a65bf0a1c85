"""Commands: requests to a device, each of which ends once.

A command is queued when it is kept, sent when the journal has it, and delivered when the
device has it, or was handed it: what is handed out to a device that asks is handed out again
until it is answered. From any of these it may end: succeeded, failed or rejected as its device
says, rejected as well when its sender takes it back, or expired when its time is over.
"""

from enum import StrEnum
from typing import Any

from msgspec import Struct

from weft.errors import Conflict
from weft.model.ids import DeviceId, DeviceUid, TenantId


class CommandState(StrEnum):
    """Where a command stands on its way; the last four are its ends."""

    QUEUED = "queued"  # kept, and not published yet
    SENT = "sent"  # in the journal: waits in the device's session, or to be fetched
    DELIVERED = "delivered"  # acknowledged by the device's session, or handed out; no answer yet
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the device tried
    REJECTED = "rejected"  # the device did not try, or the sender took it back
    EXPIRED = "expired"


ENDS: frozenset[CommandState] = frozenset(
    {CommandState.SUCCEEDED, CommandState.FAILED, CommandState.REJECTED, CommandState.EXPIRED}
)

# Only these moves exist. A device may have fetched, and even answered, what another of our
# threads has just written: steps may be left out, and none is ever gone back.
MOVES: dict[CommandState, frozenset[CommandState]] = {
    CommandState.QUEUED: ENDS | {CommandState.SENT, CommandState.DELIVERED},
    CommandState.SENT: ENDS | {CommandState.DELIVERED},
    CommandState.DELIVERED: ENDS,
    CommandState.SUCCEEDED: frozenset(),
    CommandState.FAILED: frozenset(),
    CommandState.REJECTED: frozenset(),
    CommandState.EXPIRED: frozenset(),
}


def require_move(old: CommandState, new: CommandState) -> None:
    """Raise `Conflict` unless a command may go from `old` to `new`."""
    if new not in MOVES[old]:
        allowed = ", ".join(sorted(MOVES[old])) or "nothing: it has ended"
        raise Conflict(
            f"A command that is {old} cannot become {new}.", remedy=f"It can become: {allowed}."
        )


class Outcome(Struct, frozen=True):
    """How a command ended, as a device tells it."""

    state: CommandState  # succeeded, failed or rejected
    output: Any = None
    error: str = ""


class LateResult(Struct, frozen=True):
    """An answer that came after the end: kept as a note, it changes no outcome."""

    position: int  # in the journal
    at: int
    outcome: Outcome


class Command(Struct, frozen=True):
    """A request to a device, and what has become of it."""

    tenant: TenantId
    device_id: DeviceId
    device_uid: DeviceUid
    request_id: str
    name: str
    input: dict[str, Any]
    sender: str
    created_at: int
    expires_at: int
    state: CommandState = CommandState.QUEUED
    position: int = 0  # in the journal, of the message to the device
    sent_at: int | None = None
    delivered_at: int | None = None
    handed_out_at: int | None = None  # the last time, to a device that asked or that watches
    hand_outs: int = 0  # how often: from two on they are repeats, for want of an answer
    ended_at: int | None = None
    ended_by: str = ""  # "device", "time", or the principal who took it back
    output: Any = None
    error: str = ""
    output_problem: str = ""  # what of the output is not as the type declares; it counts anyway
    result_position: int = 0  # in the journal, of the answer that ended it
    late: LateResult | None = None  # the newest of them
    late_count: int = 0
    bulk_id: str = ""
    version: int = 1

    @property
    def has_ended(self) -> bool:
        """Whether its outcome is known."""
        return self.state in ENDS

    @property
    def topic(self) -> str:
        """Where it is published to its device."""
        return f"devices/{self.device_id}/commands/{self.request_id}/{self.name}"

    @property
    def result_topic(self) -> str:
        """Where the device answers."""
        return f"devices/{self.device_id}/commands/{self.request_id}/result"
