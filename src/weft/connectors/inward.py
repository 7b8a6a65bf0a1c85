"""Inward: what rules ask of Weft itself, done through the outbox like everything they ask for.

The action's id is the command's request id, so a command is kept once however often this is
tried. A property that is desired already is not written again: no rule writes the key that
it triggers on without a change (RU-3). Nor is one that somebody else has desired since the
rule found its condition: after a crash, or a long wait, a person's wish is the newer one.
The owner's rights are asked at the moment of the act,
on that very device, and the device is looked for in the rule's own tenant alone (AZ-5).
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

import msgspec

from weft.connectors.base import (
    Delivered,
    Planned,
    Quality,
    RemoteState,
    Situation,
)
from weft.connectors.fields import Field
from weft.errors import ConnectorError, StaleVersion
from weft.model.alarm import OutboxEntry, WorkOrder
from weft.model.command import Command
from weft.model.ids import DeviceId, TenantId, WorkOrderId
from weft.model.principal import Principal, PrincipalKind
from weft.model.twin import Properties, Twin
from weft.ports import Deciding
from weft.rules.model import ActionKind
from weft.rules.writes import CONNECTOR, RIGHTS

_TRIES = 5  # against operators who desire at the same moment
_LEFT = "Left as it is, for somebody has desired something else since the alarm: {}."


class TwinWriter(Protocol):
    """What is asked of the twins."""

    def get(self, tenant: TenantId, device_id: DeviceId) -> Twin:
        """Return the twin."""
        ...

    async def desire(
        self, actor: Principal, device_id: DeviceId, patch: Properties, *, version: int
    ) -> Twin:
        """Merge `patch` into what is desired."""
        ...


class CommandSender(Protocol):
    """What is asked of the commands."""

    async def send(
        self,
        actor: Principal,
        device_id: DeviceId,
        name: str,
        input: Properties | None = None,  # noqa: A002  the word of the W3C's Thing Models
        *,
        ttl_s: int | None = None,
        request_id: str | None = None,
    ) -> Command:
        """Keep a command and send it; the same request id again is the same command."""
        ...


class Inward:
    """Carries out what rules desire and command."""

    name = CONNECTOR
    kind = "weft"
    actions = frozenset({ActionKind.DESIRE.value, ActionKind.COMMAND.value})
    follows = False
    fields: ClassVar[Mapping[str, Field]] = {}
    more_fields = False
    quality = Quality.GOLD
    page = "write-a-rule"

    def __init__(self, policy: Deciding, twins: TwinWriter, commands: CommandSender) -> None:
        self._policy = policy
        self._twins = twins
        self._commands = commands

    async def deliver(self, entry: OutboxEntry, situation: Situation) -> Delivered:  # noqa: ARG002  all is in the entry
        """Do what a rule asked for, once; raise `ConnectorError` where it may not be done."""
        action = entry.action
        given = action.parameters
        kind = ActionKind(action.kind)
        owner = msgspec.convert(given["owner"], Principal)
        rule = msgspec.convert(given["rule"], Principal)
        device_id = DeviceId(given["device"])
        decision = self._policy.decide(owner, RIGHTS[kind], f"device:{device_id}")
        if not decision.allowed or owner.tenant != action.tenant:
            raise ConnectorError(
                f"The rule's owner may not {RIGHTS[kind]} {device_id!r}: {decision.reason}.",
                permanent=True,
                remedy="Let somebody who may save the rule, or give its owner the right.",
            )
        if kind is ActionKind.DESIRE:
            seen = given.get("seen", {})
            left = await self._desire(rule, device_id, given["properties"], seen)
            return Delivered(remark=_LEFT.format(", ".join(left)) if left else "")
        sent = await self._commands.send(
            rule,
            device_id,
            given["name"],
            given.get("input", {}),
            ttl_s=given.get("ttl_s"),
            request_id=action.action_id,
        )
        return Delivered(remote_id=sent.request_id)

    async def _desire(
        self, rule: Principal, device_id: DeviceId, wanted: Properties, seen: Mapping[str, int]
    ) -> list[str]:
        """Desire what is not desired yet; return what others have desired since."""
        for _ in range(_TRIES):
            twin = self._twins.get(rule.tenant, device_id)
            news = {
                name: value
                for name, value in wanted.items()
                if name not in twin.desired or twin.desired[name] != value
            }
            left = [name for name in news if name in seen and _newer(twin, name, seen[name])]
            patch = {name: value for name, value in news.items() if name not in left}
            if not patch:
                return left
            try:
                await self._twins.desire(rule, device_id, patch, version=twin.desired_version)
            except StaleVersion:
                continue
            return left
        raise ConnectorError(f"Others desire of {device_id!r} at the same moment.")

    def plan(self, entry: OutboxEntry, situation: Situation) -> Planned:  # noqa: ARG002  all is in the entry
        """Return what would be done."""
        body = msgspec.json.encode(entry.action.parameters)
        return Planned(entry.action.kind, f"weft:{entry.action.parameters['device']}", body)

    async def poll(self, orders: Sequence[WorkOrder]) -> Mapping[WorkOrderId, RemoteState]:  # noqa: ARG002  it has none
        """Return nothing: it makes no work orders."""
        return {}

    async def note(self, order: WorkOrder, text: str) -> None:
        """Refuse: there are no work orders here that could be noted on."""
        raise ConnectorError(f"Weft keeps no task {order.work_order_id}: {text}", permanent=True)

    async def test(self) -> str:
        """Say what it is."""
        return "Weft itself: desires properties and sends commands"

    async def close(self) -> None:
        """Nothing is open."""


def _newer(twin: Twin, name: str, seen_at: int) -> bool:
    """Return whether somebody who is no rule has desired a property since."""
    stamp = twin.desired_stamps.get(name)
    if stamp is None:  # never desired, or the wish was taken back
        return seen_at != 0
    return stamp.at != seen_at and not stamp.by.startswith(f"{PrincipalKind.RULE}:")
