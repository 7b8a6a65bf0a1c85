"""Groups, assets and attachments as the rules see them, and what tells the rules of changes."""

from weft.app.identity import Identity
from weft.groups.filters import Around
from weft.groups.groups import Groups
from weft.model.device import Device
from weft.ports import Clock
from weft.registry.assets import AssetChange
from weft.registry.attachments import AttachmentChange
from weft.rules.engine import Engine
from weft.twins.twins import Twins


def around_of(identity: Identity, twins: Twins) -> Around:
    """Return what groups and mappings look up of devices and assets."""
    return Around(
        identity.devices,
        identity.assets,
        identity.attachments,
        identity.presence,
        twins,
        identity.types,
    )


def tell_members(engine: Engine, groups: Groups, identity: Identity, clock: Clock) -> None:
    """Let a change of a group, an asset or an attachment be seen by the rules that ask for it."""

    def device_moved(device: Device | None) -> None:
        if device is not None:
            engine.device_moved(device, at=clock.now())

    def attachment_changed(change: AttachmentChange) -> None:
        held = change.attachment
        device_moved(identity.devices.find(held.tenant, held.device_id))

    def asset_changed(change: AssetChange) -> None:
        engine.scope_changed(change.asset.tenant, None, at=clock.now())

    groups.on_change(lambda group: engine.scope_changed(group.tenant, group.name, at=clock.now()))
    identity.attachments.on_change(attachment_changed)
    identity.assets.on_change(asset_changed)
