"""Connections: who is connected now, over whatever transport, and how to cut it.

Every transport and API stream registers what it holds open. When a right ends, all
connections of its principal are cut within the same turn of the loop (RV-1); when a
credential runs out, the connection that it opened is cut at that moment (AU-9).
"""

import heapq
from collections.abc import Callable, Iterator, Mapping
from itertools import count

from msgspec import Struct

from weft.errors import QuotaExceeded
from weft.model.ids import TenantId
from weft.model.principal import Principal
from weft.observability.log import get_logger
from weft.ports import Clock
from weft.security.metrics import CUT

log = get_logger(__name__)

LEFT = "it left"
ENDED_MAX = 1_024  # connections that have ended and whose expiry is still noted


class ConnectionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[security.connections]`: how many connections one principal and one tenant may hold."""

    per_principal: int = 64  # a business system with some workers; a device needs one or two
    per_tenant: int = 100_000


def _no_counters() -> Mapping[str, int]:
    return {}


class Connection:
    """One live connection. `cut` must abort at once, without waiting for the peer."""

    __slots__ = (
        "_counters",
        "credential_id",
        "cut",
        "expires_at",
        "number",
        "peer",
        "principal",
        "protocol",
        "since",
    )

    def __init__(
        self,
        principal: Principal,
        protocol: str,
        peer: str,
        cut: Callable[[str], None],
        *,
        expires_at: int | None = None,
        counters: Callable[[], Mapping[str, int]] = _no_counters,
    ) -> None:
        self.principal = principal
        self.protocol = protocol
        self.peer = peer
        self.cut = cut
        self.expires_at = expires_at
        self.credential_id = ""  # which credential has opened it; empty where that is not told
        self.number = 0
        self.since = 0
        self._counters = counters

    def counters(self) -> Mapping[str, int]:
        """What has passed through it, by name."""
        return self._counters()


Listener = Callable[[Connection, str | None], None]


class Connections:
    """The index of principals and their live connections."""

    def __init__(self, clock: Clock, settings: ConnectionSettings | None = None) -> None:
        self._clock = clock
        self._settings = settings or ConnectionSettings()
        self._numbers = count(1)
        self._by_uid: dict[str, dict[int, Connection]] = {}
        self._per_tenant: dict[TenantId, int] = {}
        self._quotas: dict[TenantId, int] = {}
        self._expiring: list[tuple[int, int, str]] = []  # heap of (moment, number, uid)
        self._listeners: list[Listener] = []

    def on_change(self, listener: Listener) -> None:
        """Call `listener(connection, reason)` when one has begun (None) or ended (why)."""
        self._listeners.append(listener)

    def set_quota(self, tenant: TenantId, connections: int) -> None:
        """Hold a tenant to a number of its own, where that is below the settings'."""
        self._quotas[tenant] = connections

    def register(self, connection: Connection) -> Connection:
        """Take in a connection; raise `QuotaExceeded` when its principal or tenant has enough."""
        principal = connection.principal
        held = self._by_uid.setdefault(principal.uid, {})
        in_tenant = self._per_tenant.get(principal.tenant, 0)
        quota = min(self._settings.per_tenant, self._quotas.get(principal.tenant, in_tenant + 1))
        if len(held) >= self._settings.per_principal or in_tenant >= quota:
            if not held:
                del self._by_uid[principal.uid]
            raise QuotaExceeded(
                f"{principal} may hold no more connections (it has {len(held)}).",
                remedy="Close some, or raise the limits in [security.connections].",
            )
        connection.number = next(self._numbers)
        connection.since = self._clock.now()
        held[connection.number] = connection
        self._per_tenant[principal.tenant] = in_tenant + 1
        if connection.expires_at is not None:
            if len(self._expiring) >= 2 * self.count() + ENDED_MAX:
                self._forget_ended()
            heapq.heappush(
                self._expiring, (connection.expires_at, connection.number, principal.uid)
            )
        for listener in self._listeners:
            listener(connection, None)
        return connection

    def _forget_ended(self) -> None:
        """Drop the moments of connections that are gone: a certificate lasts for a year."""
        self._expiring = [
            entry for entry in self._expiring if entry[1] in self._by_uid.get(entry[2], {})
        ]
        heapq.heapify(self._expiring)

    def unregister(self, connection: Connection, reason: str = LEFT) -> None:
        """Forget a connection that has ended; asking twice changes nothing."""
        principal = connection.principal
        held = self._by_uid.get(principal.uid)
        if held is None or held.pop(connection.number, None) is None:
            return
        if not held:
            del self._by_uid[principal.uid]
        left = self._per_tenant[principal.tenant] - 1
        if left:
            self._per_tenant[principal.tenant] = left
        else:
            del self._per_tenant[principal.tenant]
        for listener in self._listeners:
            listener(connection, reason)

    def cut(self, uid: str, reason: str) -> int:
        """Cut all connections of a principal; return how many there were."""
        held = list(self._by_uid.get(uid, {}).values())
        for connection in held:
            self._cut(connection, reason)
        return len(held)

    def cut_credential(self, uid: str, credential_id: str, reason: str) -> int:
        """Cut what one credential of a principal has opened, or may have; return how many."""
        held = [
            connection
            for connection in self._by_uid.get(uid, {}).values()
            if connection.credential_id in {credential_id, ""}
        ]
        for connection in held:
            self._cut(connection, reason)
        return len(held)

    def cut_one(self, tenant: TenantId, number: int, reason: str) -> bool:
        """Cut one connection of a tenant by its number; return whether it was there."""
        for connection in self.of_tenant(tenant):
            if connection.number == number:
                self._cut(connection, reason)
                return True
        return False

    def cut_expired(self) -> int:
        """Cut what was opened with a credential that has run out; call about once a second."""
        now = self._clock.now()
        cut = 0
        while self._expiring and self._expiring[0][0] <= now:
            _, number, uid = heapq.heappop(self._expiring)
            connection = self._by_uid.get(uid, {}).get(number)
            if connection is not None:
                self._cut(connection, "the credential has expired")
                cut += 1
        return cut

    def _cut(self, connection: Connection, reason: str) -> None:
        self.unregister(connection, reason)
        CUT.inc()
        try:
            connection.cut(reason)
        except Exception as error:  # noqa: BLE001  one broken transport must not save the others
            log.error("connection_not_cut", peer=connection.peer, error=repr(error))

    def of_principal(self, uid: str) -> list[Connection]:
        """Return the live connections of a principal."""
        return list(self._by_uid.get(uid, {}).values())

    def of_tenant(self, tenant: TenantId) -> Iterator[Connection]:
        """Yield the live connections of a tenant, oldest principal first."""
        for held in list(self._by_uid.values()):
            for connection in list(held.values()):
                if connection.principal.tenant == tenant:
                    yield connection

    def is_connected(self, uid: str) -> bool:
        """Whether a principal has any live connection."""
        return uid in self._by_uid

    def count(self, tenant: TenantId | None = None) -> int:
        """Return how many connections there are, in all or in one tenant."""
        if tenant is not None:
            return self._per_tenant.get(tenant, 0)
        return sum(self._per_tenant.values())
