"""Results: what a device's answer to a command says.

The payload is an object. With a `status` of succeeded, failed or rejected it is the answer
itself, beside which `output` and `error` may stand. Every object without a `status` is the
output of a success: a device that just sends what it measured is understood.
"""

from typing import Any, Final

from weft.errors import PayloadInvalid
from weft.model.command import CommandState, Outcome

ERROR_MAX_CHARACTERS: Final = 2_000
STATUSES: Final = ("succeeded", "failed", "rejected")


def read_outcome(payload: dict[str, Any]) -> Outcome:
    """Return what an answer says; raise `PayloadInvalid` for a status that is none of ours."""
    if "status" not in payload:
        return Outcome(CommandState.SUCCEEDED, payload)
    status = payload["status"]
    if status not in STATUSES:
        raise PayloadInvalid(
            f"A command cannot end as {str(status)[:100]!r}.",
            remedy=f"Send status as one of {', '.join(STATUSES)}; a status of the device's own "
            'belongs into the output: {"output": {"status": ...}}.',
        )
    error = payload.get("error")
    text = "" if error is None else error if isinstance(error, str) else str(error)
    return Outcome(CommandState(status), payload.get("output"), text[:ERROR_MAX_CHARACTERS])


def require_result(payload: dict[str, Any]) -> None:
    """Raise `PayloadInvalid` unless `read_outcome` can read it; the gate asks."""
    read_outcome(payload)
