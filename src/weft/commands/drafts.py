"""Drafts: what is asked of a device, checked before anything of it is kept."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from weft.commands.settings import CommandSettings
from weft.errors import Conflict, Invalid, NotFound, TooLarge
from weft.model.command import Command
from weft.model.device import Device, Lifecycle
from weft.model.ids import new_id, require_name
from weft.model.message import Envelope, Operation, PublishProperties, Route
from weft.model.moments import NS_PER_S
from weft.model.principal import PrincipalKind
from weft.ports import Clock, Records
from weft.registry.checking import require_values
from weft.registry.device_types import DeviceTypes
from weft.registry.devices import Devices
from weft.registry.documents import require_plain
from weft.registry.tenants import Tenants
from weft.security.audit import Audit


class CommandDependencies(Struct, frozen=True):
    """What commands are given."""

    records: Records
    audit: Audit
    clock: Clock
    tenants: Tenants
    devices: Devices
    types: DeviceTypes


class Drafts:
    """Checks requests and makes commands of them."""

    def __init__(self, given: CommandDependencies, settings: CommandSettings) -> None:
        self._given = given
        self._settings = settings

    def make(
        self,
        device: Device,
        name: str,
        values: dict[str, Any],
        *,
        ttl_s: int | None,
    ) -> Command:
        """Check a request to a device and return the command that it makes."""
        if device.lifecycle is not Lifecycle.ACTIVE:
            raise Conflict(
                f"Device {device.device_id!r} is {device.lifecycle}; it takes no commands.",
                remedy="Make it active first.",
            )
        if require_name(name, "command name") == "result":
            raise Invalid(
                "'result' cannot be a command name: it is where a device answers.",
                remedy="Choose another name.",
            )
        self._require_input(device, name, values)
        ttl = self.require_ttl(ttl_s)
        now = self._given.clock.now()
        return Command(
            tenant=device.tenant,
            device_id=device.device_id,
            device_uid=device.uid,
            request_id=new_id(),
            name=name,
            input=values,
            sender="",
            created_at=now,
            expires_at=now + ttl * NS_PER_S,
        )

    def _require_input(self, device: Device, name: str, values: dict[str, Any]) -> None:
        self.require_plain_input(values)
        if device.type_name is None:
            return
        type_ = self._given.types.followed_by(device)
        if type_ is None:
            raise NotFound(
                f"Device {device.device_id!r} follows type {device.type_name!r}, which is gone.",
                remedy="Save the type again, or give the device another one.",
            )
        declared = type_.commands.get(name)
        if declared is None:
            known = ", ".join(type_.commands) or "none"
            raise Invalid(
                f"Type {type_.name}@{type_.version} declares no command {name!r}.",
                remedy=f"Declared are: {known}. Declare it in the device type to send it.",
            )
        require_values(values, declared, "input", of=f"command {name!r} of type {type_.name}")

    def require_plain_input(self, values: dict[str, Any]) -> None:
        """Raise unless JSON can hold an input in the size that is sent."""
        require_plain(values, "input")
        size = len(msgspec.json.encode(values))
        if size > self._settings.input_max_bytes:
            raise TooLarge(
                f"The input takes {size} bytes; at most {self._settings.input_max_bytes} are sent.",
                remedy="Send less, or an address from which the device fetches the rest.",
            )

    def require_ttl(self, ttl_s: int | None) -> int:
        """Return how long a command waits; raise `Invalid` for longer than is allowed."""
        if ttl_s is None:
            return self._settings.ttl_s
        if not 1 <= ttl_s <= self._settings.ttl_max_s:
            raise Invalid(
                f"A command cannot wait for {ttl_s} s.",
                remedy=f"Name 1 to {self._settings.ttl_max_s} s (commands.ttl_max_s).",
            )
        return ttl_s


def message_of(command: Command, now: int) -> Envelope:
    """Return the message to the device; it expires with the command [MQTT-3.3.2-6]."""
    route = Route(
        command.tenant,
        PrincipalKind.SYSTEM.value,
        "weft",
        command.topic,
        Operation.COMMAND,
        command.device_id,
        name=command.request_id,
    )
    properties = PublishProperties(
        message_expiry_s=max(1, (command.expires_at - now) // NS_PER_S),
        content_type="application/json",
        response_topic=command.result_topic,
        correlation_data=command.request_id.encode(),
    )
    payload = msgspec.json.encode(command.input)
    return Envelope(route, now, payload, qos=1, properties=properties)


SESSION_REFUSED: Final = "The device's session refused the message, or it does not fit its packets."


def refusal_of(command: Command, now: int, error: str) -> tuple[Envelope, dict[str, Any]]:
    """Return the result that stands for a device which its command could not be brought to.

    It is a message like a device's own, so that the journal decides which of the two is first.
    """
    answer = {"status": "rejected", "error": error}
    route = Route(
        command.tenant,
        PrincipalKind.SYSTEM.value,
        "weft",
        command.result_topic,
        Operation.COMMAND_RESULT,
        command.device_id,
        name=command.request_id,
    )
    return Envelope(route, now, msgspec.json.encode(answer), qos=1), answer


def require_same(before: Command, new: Command) -> Command:
    """Return the command that has a request id; raise `Conflict` if another was asked for."""
    if (before.name, before.input) != (new.name, new.input):
        raise Conflict(
            f"The request id {new.request_id!r} was used for another command to this device.",
            remedy="Make a new request id for each new command, or leave it out.",
        )
    return before
