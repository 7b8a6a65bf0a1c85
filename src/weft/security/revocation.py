"""Revocation: what happens at once when a right has ended.

First the commit, with its audit record; then, in one turn of the loop, the policy forgets
the principal, its version grows so that no cached decision stands, and every live
connection is cut (RV-1, RV-2). Nothing here waits, so nothing comes in between.
"""

from collections.abc import Callable

from weft.model.ids import TenantId
from weft.security.connections import Connections
from weft.security.policy import Policy


class Revocation:
    """Ends principals' rights in memory, after the records say so."""

    def __init__(self, policy: Policy, connections: Connections) -> None:
        self.policy = policy
        self._connections = connections
        self._listeners: list[Callable[[str], None]] = []

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the uid of each principal whose connections were cut."""
        self._listeners.append(listener)

    def end(self, uid: str, reason: str) -> int:
        """End all rights of a principal; return how many connections were cut."""
        self.policy.forget(uid)
        return self._cut(uid, reason)

    def renew(self, uid: str, reason: str) -> int:
        """Cut a principal that keeps its rights and must prove itself anew."""
        self.policy.bump()
        return self._cut(uid, reason)

    def device_changed(self, tenant: TenantId, uid: str, *, active: bool) -> int:
        """Take note of a device's lifecycle; one that is not active is cut."""
        self.policy.set_device(tenant, uid, active=active)
        return 0 if active else self._cut(uid, "the device is no longer active")

    def _cut(self, uid: str, reason: str) -> int:
        cut = self._connections.cut(uid, reason)
        for listener in self._listeners:
            listener(uid)
        return cut
