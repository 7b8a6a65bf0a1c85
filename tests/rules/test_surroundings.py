"""The registry's own services are the surroundings of rules, without anything between."""

import inspect

import pytest
from tests.rules.support import around, device

from weft.registry.device_types import DeviceTypes
from weft.registry.devices import Devices
from weft.rules.surroundings import DeviceFinder, Surroundings, TypeFinder


@pytest.mark.parametrize(("asked", "service"), [(DeviceFinder, Devices), (TypeFinder, DeviceTypes)])
def test_what_is_asked_the_registry_answers(asked: type, service: type) -> None:
    """Each method that rules call exists there, and takes the same arguments."""
    for name, method in vars(asked).items():
        if not name.startswith("_"):
            wanted = list(inspect.signature(method).parameters)
            assert list(inspect.signature(getattr(service, name)).parameters) == wanted


def test_nobody_need_say_what_was_reported_before() -> None:
    """A replay over an old journal begins with nothing known."""
    base = around(device())
    assert Surroundings(base.devices, base.types).reported is None
