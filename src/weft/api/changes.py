"""Changes: what `live` tells of records (alarms, commands, presence ...), in the API's views."""

from collections.abc import Callable
from typing import Protocol

from weft.api.live import Live
from weft.api.operations import alarms as alarm_views
from weft.api.operations import business
from weft.api.operations import commands as command_views
from weft.api.operations import connections as connection_views
from weft.api.operations import twins as twin_views
from weft.commands.commands import Commands
from weft.model.alarm import Alarm, WorkOrder
from weft.model.command import Command
from weft.model.ids import DeviceId, TenantId
from weft.registry.devices import Devices
from weft.registry.presence import Presence, PresenceChange
from weft.rules.alarms import Alarms
from weft.twins.changes import TwinChange
from weft.twins.twins import Twins


class TellingOrders(Protocol):
    """Whoever tells of work orders."""

    def on_change(self, listener: Callable[[WorkOrder], None]) -> None:
        """Call `listener` after each change, on the event loop."""
        ...


def tell_changes(
    live: Live, alarms: Alarms, twins: Twins, orders: TellingOrders, commands: Commands
) -> None:
    """Send every change of these to `live`; the frame calls this once."""

    def alarm_changed(alarm: Alarm) -> None:
        live.tell(
            alarm.tenant,
            "alarm",
            alarm.device_id or str(alarm.subject),
            alarm.state.value,
            lambda: alarm_views.view_of(alarm),
        )

    def twin_changed(tenant: TenantId, device_id: DeviceId) -> None:
        live.tell(
            tenant,
            "twin",
            device_id,
            "changed",
            lambda: twin_views.view_of(twins.get(tenant, device_id)),
        )

    def properties_changed(change: TwinChange) -> None:
        if change.changes:
            live.tell(
                change.tenant,
                "property",
                change.device_id,
                change.side.value,
                lambda: twin_views.change_view(change),
            )

    def order_changed(order: WorkOrder) -> None:
        live.tell(
            order.tenant,
            "work_order",
            order.device_id,
            order.state.value,
            lambda: business.order_view(order),
        )

    def command_changed(command: Command) -> None:
        live.tell(
            command.tenant,
            "command",
            command.device_id,
            command.state.value,
            lambda: command_views.view_of(command),
        )

    commands.on_change(command_changed)
    alarms.on_change(alarm_changed)
    twins.on_change(twin_changed)
    twins.on_properties(properties_changed)
    orders.on_change(order_changed)


def tell_presence(live: Live, presence: Presence, devices: Devices) -> None:
    """Send every device's coming and going to `live`; the frame calls this once."""

    def changed(change: PresenceChange) -> None:
        spell = change.spell
        live.tell(
            spell.tenant,
            "connection",
            spell.device_id,
            "connected" if change.connected else "disconnected",
            lambda: connection_views.spell_view(spell, devices),
        )

    presence.on_change(changed)
