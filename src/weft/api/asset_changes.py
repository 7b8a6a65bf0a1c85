"""Asset changes: what `live` tells of assets, and of devices that come to them and leave."""

from weft.api.live import Live
from weft.api.operations import assets as asset_views
from weft.api.operations import attachments as attachment_views
from weft.registry.assets import AssetChange, Assets
from weft.registry.attachments import AttachmentChange, Attachments


def tell_assets(live: Live, assets: Assets, attachments: Attachments) -> None:
    """Send every change of an asset and of an attachment to `live`; called once."""

    def asset_changed(change: AssetChange) -> None:
        word = "changed"
        if change.old is None or change.new is None:
            word = "created" if change.old is None else "deleted"
        elif change.old.parent != change.new.parent:
            word = "moved"
        asset = change.asset
        live.tell(asset.tenant, "asset", "", word, lambda: asset_views.record_view(asset))

    def attachment_changed(change: AttachmentChange) -> None:
        attachment = change.attachment
        live.tell(
            attachment.tenant,
            "asset",
            attachment.device_id,
            "attached" if change.attached else "detached",
            lambda: attachment_views.view_of(attachment),
        )

    assets.on_change(asset_changed)
    attachments.on_change(attachment_changed)
