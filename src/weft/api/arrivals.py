"""Arrivals: devices that begin to wait in the quarantine, as `live` tells of them."""

from collections.abc import Callable

from weft.api.live import Live
from weft.api.operations.quarantine import arrival_of
from weft.model.device import Device
from weft.registry.devices import DeviceChange, Devices


def tell_arrivals(live: Live, devices: Devices, claim_name: Callable[[Device], str]) -> None:
    """Send to `live` when a device begins to wait in the quarantine, and when that ends."""

    def changed(change: DeviceChange) -> None:
        before = change.old is not None and change.old.waits
        now = change.new is not None and change.new.waits
        if before == now:
            return
        device = change.device
        live.tell(
            device.tenant,
            "quarantine",
            device.device_id,
            "arrived" if now else device.lifecycle.value if change.new else "deleted",
            lambda: arrival_of(device, claim_name(device)),
        )

    devices.on_change(changed)
