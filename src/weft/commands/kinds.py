"""Kinds: how commands are kept, and by what they are found."""

from typing import Final, NamedTuple

from weft.model.command import Command
from weft.model.ids import DeviceId, TenantId
from weft.model.moments import NS_PER_S
from weft.ports import Kind

DAY_NS: Final = 24 * 3600 * NS_PER_S


class Key(NamedTuple):
    """What one command is found by; `record` is its key in the records of its tenant."""

    tenant: TenantId
    device_id: DeviceId
    request_id: str

    @classmethod
    def of(cls, command: Command) -> "Key":
        """Return the key of a command."""
        return cls(command.tenant, command.device_id, command.request_id)

    @property
    def record(self) -> str:
        """Neither part can hold a slash."""
        return f"{self.device_id}/{self.request_id}"


NUMBER_MASK: Final = 2**31 - 1  # a signed integer of 32 bits, as clients of dialects read it


def number_of(command: Command) -> int:
    """Return the number of a command that the journal has, for dialects that count theirs."""
    return command.position & NUMBER_MASK


def day_of(at_ns: int) -> str:
    """Return the day of a moment, as the index of ended commands has it."""
    return f"{at_ns // DAY_NS:06d}"


def _index(command: Command) -> dict[str, str]:
    index = {"device": command.device_id, "state": command.state.value}
    if command.ended_at is not None:
        index["ended_on"] = day_of(command.ended_at)
    if command.bulk_id:
        index["bulk"] = f"{command.bulk_id}/{command.state.value}"
    return index


COMMANDS: Final = Kind("command", Command, _index)
