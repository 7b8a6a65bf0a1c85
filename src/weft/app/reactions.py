"""Reactions: what a change in one station makes the others do.

Each station remembers what it was told and knows no other. Here stand all the lines between
them: who forgets, who sends, who is told, when a device, type, rule, right or wish changes.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from weft.app.identity import Identity
from weft.broker.broker import Broker
from weft.ingest.gate import Gate
from weft.model.command import Command
from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.ports import Clock
from weft.registry.devices import DeviceChange
from weft.registry.tenants import Tenant
from weft.rules.rules import RuleChange
from weft.twins.changes import Side, TwinChange
from weft.twins.twins import IsOnline
from weft.twins.wishes import Wishes

if TYPE_CHECKING:
    from weft.app.message_path import MessagePath


def connect_twins(path: "MessagePath", identity: Identity) -> None:
    """Give the twins what checks a wish, tells of it, and knows who is there."""
    twins = path.twins

    def changed(change: TwinChange) -> None:
        # A report that leaves nothing to be desired is no news to its device.
        if change.side is Side.DESIRED or change.delta:
            path.desk.desired_changed(change.tenant, change.device_id)

    twins.on_properties(changed)
    twins.check_desired_with(Wishes(identity.devices, identity.types).require)
    twins.online_with(_online_by(identity, path.broker))


def _online_by(identity: Identity, broker: Broker) -> IsOnline:
    def is_online(tenant: TenantId, device_id: DeviceId) -> bool:
        device = identity.devices.find(tenant, device_id)
        if device is None:
            return False
        return broker.is_connected(device.uid) or (
            bool(device.gateway) and broker.is_connected(device.gateway)
        )

    return is_online


def _withdrawing(path: "MessagePath", identity: Identity) -> Callable[[Command], None]:
    """Take a command out of its device's queues when it ends before the device has it."""

    def changed(command: Command) -> None:
        if command.has_ended and command.delivered_at is None:
            device = identity.devices.find(command.tenant, command.device_id)
            path.broker.withdraw(command.device_uid, command.topic)
            if device is not None and device.gateway:
                path.broker.withdraw(device.gateway, command.topic)

    return changed


def _looked_up(gate: Gate, change: DeviceChange) -> None:
    """Forget what was looked up of a device; of one that is new, nothing was."""
    if change.old is not None:
        gate.registry_changed()


def connect(path: "MessagePath", identity: Identity, clock: Clock) -> None:
    """Let a change in one station be seen by those that remember what it said."""

    def rule_changed(change: RuleChange) -> None:
        identity.policy.bump()
        path.engine.rule_changed(change.old, change.new, at=change.at)

    async def forget(device: Device) -> None:
        # What it sent last may be on its way, or come again after a crash: applied behind this,
        # it would turn up in its namesake.
        await path.pipeline.settle()
        path.engine.device_changed(device, None, at=clock.now())
        await path.twins.forget(device.tenant, device.device_id)
        await path.commands.forget(device.tenant, device.device_id)
        await path.history.delete_device(device.tenant, device.device_id)
        await path.events.forget(device.tenant, device.device_id)
        await path.broker.forget_device(device.tenant, device.device_id)
        await path.pipeline.settle()

    def quotas_changed(tenant: Tenant) -> None:
        quotas = tenant.quotas
        identity.limiter.set_tenant_messages(tenant.id, quotas.messages_per_s)
        identity.connections.set_quota(tenant.id, quotas.connections)
        path.broker.retained.set_quota(tenant.id, quotas.retained_messages, quotas.retained_bytes)

    for tenant in identity.tenants.list():
        quotas_changed(tenant)
    identity.tenants.on_change(quotas_changed)
    path.commands.publish_with(path.ingest.put)
    path.commands.on_change(lambda one: path.desk.commands_changed(one.tenant, one.device_id))
    identity.devices.on_change(lambda change: _looked_up(path.gate, change))
    identity.types.on_change(lambda _change: path.gate.registry_changed())
    identity.devices.on_change(
        lambda change: path.engine.device_changed(change.old, change.new, at=clock.now())
    )
    identity.types.on_change(lambda _change: path.engine.types_changed())

    def revoked(uid: str) -> None:
        path.broker.revoke(uid)

    path.commands.on_change(_withdrawing(path, identity))
    identity.revocation.listen(revoked)
    identity.devices.in_delete(identity.credentials.delete_in)
    identity.devices.in_delete(identity.enrolments.delete_in)
    identity.devices.after_delete(forget)
    path.rules.on_change(rule_changed)
