"""Alarms, put together: what keeps them back and lets them come forth."""

from collections.abc import Callable
from dataclasses import dataclass

from weft.app.identity import Identity
from weft.app.message_path import MessagePath
from weft.app.stores import Stores
from weft.config import Config
from weft.groups.groups import Groups
from weft.ports import Clock
from weft.rules.maintenance import Windows
from weft.rules.releasing import Releasing
from weft.rules.suppressing import Plant, Suppressing


@dataclass(frozen=True)
class Suppression:
    """What keeps alarms back, and what lets them go."""

    windows: Windows
    releasing: Releasing


async def open_suppression(
    around: tuple[Stores, Identity, MessagePath],
    groups: Groups,
    clock: Clock,
    config: Config,
    notify: Callable[[], None],
) -> Suppression:
    """Make it and put it between the rules and what they write; `notify` wakes the outbox."""
    stores, identity, path = around
    windows = Windows(stores.records, identity.audit, clock, groups.holds)
    await windows.load()
    plant = Plant(identity.devices, identity.assets, identity.attachments)
    suppressing = Suppressing(windows, plant.find, clock, config.alarms)
    path.engine.suppress_with(suppressing)
    releasing = Releasing(
        stores.records, path.alarms, suppressing, identity.policy, (identity.audit, clock)
    )
    releasing.on_actions(lambda _actions: notify())
    return Suppression(windows, releasing)
