"""Devices as they are spoken of: what is not named stays, and a change names its device."""

import msgspec
import pytest
from tests.registry.support import MAIN

from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceId, DeviceUid
from weft.registry.device_documents import DeviceChange, DevicePatch, NewDevice

PUMP = Device(MAIN, DeviceId("pump-7"), DeviceUid("u-7"), None, Lifecycle.ACTIVE, 0)


def test_a_patch_tells_what_is_not_named_from_what_is_taken_away() -> None:
    """Null takes a device from its gateway; a word that nobody knows is refused."""
    patch = msgspec.convert({"gateway": None}, DevicePatch)
    assert patch.gateway is None
    assert patch.label is msgspec.UNSET
    for kind in (DevicePatch, NewDevice):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"lable": "x"}, kind)


def test_a_change_names_its_device_whether_it_came_or_went() -> None:
    """As it is, or as it last was."""
    assert DeviceChange(None, PUMP).device is PUMP
    assert DeviceChange(PUMP, None).device is PUMP
