"""Outputs: what a device gives back of a command, against what its type declares.

A device that succeeded has acted, whatever it says of it: its outcome counts. What is not as
declared is flagged at the command and lies in the rejection inbox, so that somebody mends it.
"""

from weft.commands.drafts import CommandDependencies
from weft.errors import Invalid
from weft.model.command import Command, CommandState, Outcome
from weft.registry.checking import require_output


class Outputs:
    """Checks outputs by the types that devices follow."""

    def __init__(self, given: CommandDependencies) -> None:
        self._devices = given.devices
        self._types = given.types

    def find_mismatch(self, command: Command, outcome: Outcome) -> Invalid | None:
        """Return what is not as declared in the output of a success, or None."""
        if outcome.state is not CommandState.SUCCEEDED:
            return None
        device = self._devices.find(command.tenant, command.device_id)
        if device is None or device.type_name is None:
            return None
        type_ = self._types.followed_by(device)
        declared = type_.outputs.get(command.name) if type_ is not None else None
        if type_ is None or declared is None:
            return None
        of = f"command {command.name!r} of type {type_.name}@{type_.version}"
        try:
            require_output(outcome.output, declared, of=of)
        except Invalid as error:
            return error
        return None
