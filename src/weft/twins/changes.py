"""Changes: which properties of a twin are not what they were, for whoever follows them."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from msgspec import Struct

from weft.model.ids import DeviceId, TenantId
from weft.model.twin import Properties, Stamp, Stamps


class Side(StrEnum):
    """Whose word changed: the device's or ours."""

    REPORTED = "reported"
    DESIRED = "desired"


class PropertyChange(Struct, frozen=True):
    """One property before and after; None stands for "was not there" and "is gone"."""

    name: str
    old: Any
    new: Any


class TwinChange(Struct, frozen=True):
    """What one write changed. With nothing in `changes` a device repeated itself.

    `version` is that of the twin, `desired_version` that of the desired side; `delta` is what
    is desired and not reported, as of now.
    """

    tenant: TenantId
    device_id: DeviceId
    side: Side
    changes: tuple[PropertyChange, ...]
    delta: Properties
    version: int
    desired_version: int
    at: int
    by: str


def differences(
    names: Iterable[str], old: Properties, new: Properties
) -> tuple[PropertyChange, ...]:
    """Return the properties among `names` that differ, by name."""
    return tuple(
        PropertyChange(name, old.get(name), new.get(name))
        for name in sorted(names)
        if old.get(name) != new.get(name)
    )


def stamped(stamps: Stamps, names: Iterable[str], present: Properties, stamp: Stamp) -> Stamps:
    """Return the stamps after a write of `names`: a property that is gone has none."""
    new = dict(stamps)
    for name in names:
        if name in present:
            new[name] = stamp
        else:
            new.pop(name, None)
    return new
