"""What rules do inside Weft: desire properties of a device, and send it a command.

    actions:
      - desire: {device: fan-3, properties: {speed: 900, mode: "{mode}"}}
      - command: {name: restart, input: {delay_s: 5}, ttl_s: 600}

Without `device` it is the one that the alarm is about. A value that is one name in braces is
that value as it is; within a longer text it is written out.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from weft.errors import Invalid
from weft.model.ids import TenantId, require_name
from weft.ports import Reader
from weft.rules.language.scope import suggest
from weft.rules.model import ActionKind, RuleAction
from weft.rules.templates import fill
from weft.twins.twins import DESIRED

CONNECTOR: Final = "weft"  # under this name the outbox finds who carries it out

# The action of the policy that the rule's owner must be allowed.
RIGHTS: Mapping[ActionKind, str] = {
    ActionKind.DESIRE: "twin.write",
    ActionKind.COMMAND: "command.send",
}
_KEYS = {
    ActionKind.DESIRE: ("device", "properties"),
    ActionKind.COMMAND: ("device", "name", "input", "ttl_s"),
}
_ONE = re.compile(r"\{([^{}]*)\}")


def read_write(kind: ActionKind, parameters: Mapping[str, Any]) -> RuleAction:
    """Return the action of a document, or raise `Invalid` saying what to write."""
    for key in parameters:
        if key not in _KEYS[kind]:
            raise Invalid(f"{key!r} is no part of a {kind}.", remedy=suggest(key, _KEYS[kind]))
    body = "properties" if kind is ActionKind.DESIRE else "input"
    given = parameters.get(body, {})
    if not isinstance(given, dict) or (kind is ActionKind.DESIRE and not given):
        raise Invalid(f"The {kind} says no {body}.", remedy=f"Add {body}: {{speed: 900}}.")
    if kind is ActionKind.COMMAND:
        require_name(str(parameters.get("name", "")), "command name")
    if not isinstance(parameters.get("device", ""), str):
        raise Invalid("The device is no text.", remedy="Write device: fan-3, or leave it out.")
    return RuleAction(kind=kind, connector=CONNECTOR, parameters=dict(parameters))


def device_of(action: RuleAction, values: Mapping[str, Any]) -> str:
    """Return which device an action is for."""
    return fill(str(action.parameters.get("device") or "{device}"), values)


def filled(action: RuleAction, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return an action's parameters with their values."""
    made = {key: value for key, value in action.parameters.items() if key != "device"}
    for body in ("properties", "input"):
        if body in made:
            made[body] = {key: _value(one, values) for key, one in made[body].items()}
    return {**made, "device": device_of(action, values)}


def written_by(action: RuleAction, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the (device, property) pairs that an action writes."""
    names = action.parameters.get("properties", {}) if action.kind is ActionKind.DESIRE else {}
    return [(device_of(action, values), name) for name in names]


def seen_of(
    reader: Reader, tenant: TenantId, device_id: str, names: Iterable[str]
) -> dict[str, int]:
    """Return when these properties were desired last, as the rule finds them; 0: they are not.

    What a person desires behind that is newer than the rule's wish.
    """
    record = reader.find(DESIRED, tenant, device_id)
    stamps = record.value.stamps if record is not None else {}
    return {name: stamps[name].at if name in stamps else 0 for name in names}


def _value(value: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(value, str):
        return value
    one = _ONE.fullmatch(value)
    return values.get(one.group(1)) if one else fill(value, values)
