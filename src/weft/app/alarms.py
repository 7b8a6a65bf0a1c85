"""Alarms, put together: what keeps them back and lets them come forth, and who hears of them."""

from collections.abc import Callable
from dataclasses import dataclass

from weft.api.services import AlarmWork
from weft.app.identity import Identity
from weft.app.message_path import MessagePath
from weft.app.stores import Stores
from weft.config import Config
from weft.connectors.notifier import Notifier, look_in
from weft.connectors.registry import Connectors
from weft.groups.groups import Groups
from weft.groups.notification_policies import Policies
from weft.ports import Clock
from weft.rules.alarm_bulks import AlarmBulks
from weft.rules.maintenance import Windows
from weft.rules.releasing import Releasing
from weft.rules.suppressing import Plant, Suppressing


@dataclass(frozen=True)
class Suppression:
    """What keeps alarms back, what lets them go, and what tells of them."""

    windows: Windows
    releasing: Releasing
    notifier: Notifier
    work: AlarmWork


async def open_suppression(
    around: tuple[Stores, Identity, MessagePath],
    edges: tuple[Groups, Connectors],
    clock: Clock,
    config: Config,
    notify: Callable[[], None],
) -> Suppression:
    """Make it and put it between the rules and what they write; `notify` wakes the outbox."""
    stores, identity, path = around
    groups, connectors = edges
    windows = Windows(stores.records, identity.audit, clock, groups.holds)
    await windows.load()
    plant = Plant(identity.devices, identity.assets, identity.attachments)
    suppressing = Suppressing(windows, plant.find, clock, config.alarms)
    path.engine.suppress_with(suppressing)
    releasing = Releasing(
        stores.records, path.alarms, suppressing, identity.policy, (identity.audit, clock)
    )
    releasing.on_actions(lambda _actions: notify())
    policies = Policies(
        stores.records, identity.policy, identity.audit, clock, connectors.require_action
    )
    await policies.load()
    look = look_in(identity.devices.find, identity.assets.find)
    notifier = Notifier(
        stores.records, policies, look, (identity.audit, clock), config.notifications
    )
    await notifier.load()
    notifier.on_actions(lambda _actions: notify())
    path.alarms.on_change(notifier.changed)
    bulks = AlarmBulks(
        stores.records, path.alarms, path.handling, identity.policy, (identity.audit, clock)
    )
    return Suppression(
        windows, releasing, notifier, AlarmWork(path.handling, windows, policies, bulks)
    )
