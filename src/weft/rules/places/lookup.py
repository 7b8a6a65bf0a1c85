"""What functions of rules ask of places: pure over what is in memory, no clock and no I/O.

The moment of receipt says which versions are in force, the sample's own moment which trip a
device is on. What is answered stays the same whenever the same message is looked at again.
"""

from typing import Any, Protocol

from msgspec import Struct

from weft.model.ids import TenantId


class Journey(Struct, frozen=True, eq=False):
    """A trip in force, and the compiled route that it follows."""

    trip: Any  # kinds.Trip
    plan: Any  # routes.Plan


class Found(Struct, frozen=True, eq=False):
    """A journey or none, and for which moments the answer is the same."""

    journey: Journey | None
    changes: int
    from_at: int
    until_at: int
    received_from: int
    received_until: int

    def holds(self, changes: int, at: int, received: int) -> bool:
        """Return whether it is the answer to another question too."""
        return (
            self.changes == changes
            and self.from_at <= at < self.until_at
            and self.received_from <= received < self.received_until
        )


class Places(Protocol):
    """What is asked."""

    @property
    def changes(self) -> int:
        """How many times something has changed."""
        ...

    def shape(self, tenant: TenantId, name: str, received: int) -> Any:
        """Return the shape of a fence in force at a moment of receipt; None when there is none."""
        ...

    def journey(self, tenant: TenantId, device_id: str, at: int, received: int) -> Found:
        """Return the trip that a device is on at a moment."""
        ...

    def fence_names(self, tenant: TenantId) -> list[str]:
        """Return the names of a tenant's fences, to check a rule by."""
        ...

    def stop_names(self, tenant: TenantId) -> list[str]:
        """Return the names of all stops of a tenant's routes, to check a rule by."""
        ...
