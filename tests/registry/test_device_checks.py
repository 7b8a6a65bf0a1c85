"""Checks: what cannot be kept is refused with words, before anything is written."""

import pytest
from tests.registry.support import ALICE, MAIN, OTHER, Registry

from weft.errors import Invalid, QuotaExceeded, TooLarge
from weft.registry.device_checks import (
    LABEL_MAX_CHARACTERS,
    device_not_found,
    patched,
    require_device_id,
    require_label,
    require_room,
)
from weft.registry.devices import DevicePatch, NewDevice
from weft.registry.tenants import Quotas


@pytest.mark.parametrize("name", ["export", "import", "me", "a/b", "", "x" * 200])
def test_a_name_that_means_something_elsewhere_is_refused(name: str) -> None:
    """A path of the API, the word for oneself, and what no topic can hold."""
    with pytest.raises(Invalid) as refused:
        require_device_id(name)
    assert refused.value.remedy


def test_a_label_is_short() -> None:
    """Its limit is told with what came."""
    assert require_label("x" * LABEL_MAX_CHARACTERS)
    with pytest.raises(TooLarge, match="257"):
        require_label("x" * (LABEL_MAX_CHARACTERS + 1))


async def test_room_is_asked_for_as_much_as_is_needed() -> None:
    """One more fits, two do not; another tenant has room of its own."""
    registry = Registry()
    await registry.tenants.create(ALICE, MAIN, quotas=Quotas(devices=2))
    await registry.devices.create(ALICE, NewDevice("pump-7"))
    await registry.records.read(lambda reader: require_room(reader, MAIN))
    await registry.records.read(lambda reader: require_room(reader, OTHER, more=2))
    with pytest.raises(QuotaExceeded):
        await registry.records.read(lambda reader: require_room(reader, MAIN, more=2))


async def test_a_patch_leaves_what_it_does_not_name() -> None:
    """And the same type again is no migration."""
    registry = Registry()
    device = await registry.devices.create(ALICE, NewDevice("pump-7", label="Old", tags=("a",)))
    new = await registry.records.read(
        lambda reader: patched(reader, device, DevicePatch(label="New", type_name=None))
    )
    assert (new.label, new.tags, new.type_version) == ("New", ("a",), None)
    assert "pump-8" in device_not_found("pump-8").detail
