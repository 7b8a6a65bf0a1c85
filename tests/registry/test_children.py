"""Gateways and the devices that they speak for."""

import asyncio

import pytest
from tests.registry.support import Registry

from weft.errors import AlreadyExists, Forbidden, Invalid, NotFound
from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.registry.children import Children
from weft.registry.devices import DevicePatch, NewDevice
from weft.security.policy import Policy

ACME = TenantId("acme")
ADMIN = Principal(ACME, PrincipalKind.SYSTEM, "weft", "system")


class Plant:
    """A registry with one gateway."""

    async def open(self, *, adds: bool = True) -> "Plant":
        self.registry = Registry()
        await self.registry.load()
        self.gateway = await self.registry.devices.create(
            ADMIN, NewDevice(device_id="gw-1", adds_children=adds)
        )
        self.policy = Policy()
        self.policy.set_device(ACME, self.gateway.uid, active=True)
        self.principal = Principal(ACME, PrincipalKind.DEVICE, "gw-1", self.gateway.uid)
        self.children = Children(self.registry.devices, self.registry.types, self.policy)
        return self


async def test_a_device_is_added_once_under_a_name_that_fits() -> None:
    """What the gateway calls it is kept beside; ten messages at once add it once."""
    plant = await Plant().open()
    found = await asyncio.gather(
        *(plant.children.introduce(plant.principal, "Room 1/#") for _ in range(10))
    )
    assert {one.uid for one in found} == {found[0].uid}
    assert (found[0].device_id, found[0].alias) == ("Room-1", "Room 1/#")
    assert found[0].gateway == plant.gateway.uid
    assert plant.registry.devices.children_of(plant.gateway) == [found[0]]


async def test_a_name_that_another_device_bears_is_not_given_away() -> None:
    plant = await Plant().open()
    other = await plant.registry.devices.create(ADMIN, NewDevice(device_id="pump-7"))
    child = await plant.children.introduce(plant.principal, "pump-7")
    assert child.uid != other.uid
    assert child.device_id.startswith("pump-7-")
    assert plant.registry.devices.get(ACME, "pump-7").gateway == ""


@pytest.mark.parametrize("alias", ["me", "???", "x" * 200])
async def test_any_name_gets_a_device_id(alias: str) -> None:
    plant = await Plant().open()
    child = await plant.children.introduce(plant.principal, alias)
    assert child.device_id != "me"
    again = await plant.children.introduce(plant.principal, alias)
    assert again.uid == child.uid


async def test_a_gateway_that_may_not_add_devices_is_told_how() -> None:
    plant = await Plant().open(adds=False)
    with pytest.raises(Forbidden) as met:
        await plant.children.introduce(plant.principal, "Room 1")
    assert "--adds-children" in met.value.remedy


async def test_a_suspended_gateway_adds_nothing() -> None:
    plant = await Plant().open()
    plant.policy.set_device(ACME, plant.gateway.uid, active=False)
    with pytest.raises(Forbidden):
        await plant.children.introduce(plant.principal, "Room 1")


async def test_a_gateway_that_has_no_devices_left_takes_no_room() -> None:
    """Found by its gateway, not by looking at every child of every tenant."""
    plant = await Plant().open()
    child = await plant.children.introduce(plant.principal, "Room 1")
    devices = plant.registry.devices
    assert devices.children_of(plant.gateway) == [child]
    assert devices.children_of(child) == []
    await devices.delete(ADMIN, child.device_id)
    assert devices.children_of(plant.gateway) == []
    assert devices._children == {}


async def test_children_are_known_again_after_a_restart() -> None:
    plant = await Plant().open()
    child = await plant.children.introduce(plant.principal, "Room 1")
    again = await plant.registry.restarted()
    assert again.devices.find_child(plant.gateway, "Room 1") == child
    assert again.devices.find_uid(child.uid) == child


async def test_an_operator_moves_a_device_under_a_gateway_and_out() -> None:
    plant = await Plant().open()
    devices = plant.registry.devices
    await devices.create(ADMIN, NewDevice(device_id="meter-1"))
    moved = await devices.patch(ADMIN, "meter-1", DevicePatch(gateway="gw-1", alias="M 1"))
    assert devices.find_child(plant.gateway, "M 1") == moved
    renamed = await devices.patch(ADMIN, "meter-1", DevicePatch(alias="M one"))
    assert devices.find_child(plant.gateway, "M one") == renamed
    assert devices.find_child(plant.gateway, "M 1") is None
    out = await devices.patch(ADMIN, "meter-1", DevicePatch(gateway=None))
    assert (out.gateway, out.alias) == ("", "")
    assert devices.children_of(plant.gateway) == []


async def test_a_gateway_has_no_gateway_and_no_name_twice() -> None:
    plant = await Plant().open()
    devices = plant.registry.devices
    await devices.create(ADMIN, NewDevice(device_id="meter-1", gateway="gw-1", alias="M"))
    with pytest.raises(AlreadyExists):
        await devices.create(ADMIN, NewDevice(device_id="meter-2", gateway="gw-1", alias="M"))
    with pytest.raises(Invalid):
        await devices.create(ADMIN, NewDevice(device_id="meter-3", gateway="meter-1"))
    with pytest.raises(Invalid):
        await devices.patch(ADMIN, "gw-1", DevicePatch(gateway="gw-1"))
    with pytest.raises(NotFound):
        await devices.create(ADMIN, NewDevice(device_id="meter-4", gateway="gw-9"))


async def test_id_1_the_namesake_of_a_deleted_gateway_speaks_for_nobody() -> None:
    plant = await Plant().open()
    child = await plant.children.introduce(plant.principal, "Room 1")
    devices = plant.registry.devices
    await devices.delete(ADMIN, "gw-1")
    namesake = await devices.create(ADMIN, NewDevice(device_id="gw-1"))
    assert devices.children_of(namesake) == []
    assert devices.get(ACME, child.device_id).gateway == plant.gateway.uid
