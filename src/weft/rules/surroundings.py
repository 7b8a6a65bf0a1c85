"""What the evaluation of rules looks up and never changes: devices, types, groups, assets.

Rules run live, after a crash and over last month's journal in the same surroundings; the
registry's services fit the two protocols as they are.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from weft.errors import Invalid
from weft.model.alarm import Subject
from weft.model.device import Device, DeviceType
from weft.model.ids import DeviceId, TenantId
from weft.rules.language.scope import Scope, scope_of
from weft.rules.model import RuleScope
from weft.rules.places.lookup import Places


class DeviceFinder(Protocol):
    """What is asked of the registry's devices."""

    def find(self, tenant: TenantId, device_id: str) -> Device | None:
        """Return a device, or None."""
        ...

    def behind(self, tenant: TenantId, after: str, limit: int) -> list[Device]:
        """Return devices in the order of their ids, those behind `after`, from memory."""
        ...


class TypeFinder(Protocol):
    """What is asked of the registry's device types."""

    def find(self, tenant: TenantId, name: str, version: int | None = None) -> DeviceType | None:
        """Return a type at a version (None: the current one), or None."""
        ...

    def followed_by(self, device: Device) -> DeviceType | None:
        """Return the version that a device follows, or None."""
        ...


class MemberFinder(Protocol):
    """Who belongs to a group or an asset now; attached to it, or to what stands below it."""

    def subjects_of(self, scope: RuleScope, device: Device) -> Sequence[Subject]:
        """Return the subjects of a scope that a device is a member of."""
        ...

    def members_of(self, scope: RuleScope, tenant: TenantId) -> Iterable[Device]:
        """Return all devices that may be members of a scope, in any order; some may come twice."""
        ...

    def label_of(self, tenant: TenantId, subject: Subject) -> str:
        """Return what people call a subject."""
        ...

    def require(self, tenant: TenantId, scope: RuleScope) -> None:
        """Raise `Invalid` or `NotFound` for a scope that can have no members."""
        ...


class DerivedKeys(Protocol):
    """What is computed beside what devices send."""

    def widen(self, tenant: TenantId, kind: DeviceType, scope: Scope) -> Scope:
        """Return a scope that knows the derived keys of a type as well."""
        ...


class NoMembers:
    """Groups and assets where there are none: no scope can be had."""

    def subjects_of(self, scope: RuleScope, device: Device) -> Sequence[Subject]:  # noqa: ARG002  none
        """Return none."""
        return ()

    def members_of(self, scope: RuleScope, tenant: TenantId) -> Iterable[Device]:  # noqa: ARG002  none
        """Return none."""
        return ()

    def label_of(self, tenant: TenantId, subject: Subject) -> str:  # noqa: ARG002  of any
        """Return the name."""
        return subject.name

    def require(self, tenant: TenantId, scope: RuleScope) -> None:
        """Refuse every scope."""
        raise Invalid(
            f"scope: there are no groups and assets here ({tenant}, {scope}).",
            remedy="Write a rule over devices, with a selector.",
        )


Reported = Callable[[TenantId, DeviceId], Mapping[str, Any]]


class Surroundings(Struct, frozen=True, eq=False):
    """What the evaluation looks up and never changes."""

    devices: DeviceFinder
    types: TypeFinder
    # Asked once, when a device is first met: what it had reported before there were rules.
    reported: Reported | None = None
    members: MemberFinder = NoMembers()
    places: Places | None = None  # fences and trips
    derived: DerivedKeys | None = None

    def scope_of(self, tenant: TenantId, kind: DeviceType | None) -> Scope:
        """Return what may be said of a device of a type, derived keys among it."""
        scope = scope_of(kind)
        if kind is None or self.derived is None:
            return scope
        return self.derived.widen(tenant, kind, scope)
