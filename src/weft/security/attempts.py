"""Attempts: the last tries to connect in each device's name, and why they failed.

"The first connection fails and nothing says why": a peer is never told, so that guessing
learns nothing; its owner reads the reason here. Bounded in memory, nothing on disk; what
was presented is not kept. Each tenant has a share of that memory, and those who prove nothing
have one together: a flood forgets what itself has left, and no other tenant's evidence.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator

from msgspec import Struct, structs

from weft.model.ids import TenantId
from weft.observability.log import escape_controls
from weft.security.throttle import network_of

PER_SUBJECT = 16
SUBJECTS_MAX = 4_096  # of all tenants, by name; and as many by address
CLAIM_MAX_CHARACTERS = 128


class Attempt(Struct, frozen=True):
    """One try. `tenant` is empty while nothing proves whose device it was meant to be."""

    at: int
    tenant: TenantId
    peer: str
    claimed: str  # the name it gave, escaped and cut
    accepted: bool
    reason: str
    remedy: str = ""


Rings = OrderedDict[str, deque[Attempt]]  # least recently used first


class _Shares:
    """Rings by tenant and subject. Whoever holds most gives way, by its own least recent one."""

    def __init__(self) -> None:
        self._tenants: dict[TenantId, Rings] = {}
        self._held = 0

    def __len__(self) -> int:
        return self._held

    def add(self, tenant: TenantId, subject: str, attempt: Attempt) -> None:
        """Put an attempt into its ring."""
        rings = self._tenants.setdefault(tenant, OrderedDict())
        ring = rings.get(subject)
        if ring is None:
            ring = rings[subject] = deque(maxlen=PER_SUBJECT)
            self._held += 1
            if self._held > SUBJECTS_MAX:
                self._give_way(tenant, rings)
        else:
            rings.move_to_end(subject)
        ring.append(attempt)

    def of(self, tenant: TenantId, subject: str) -> list[Attempt]:
        """Return the attempts of a subject, newest first."""
        rings = self._tenants.get(tenant)
        return [] if rings is None else list(reversed(rings.get(subject, ())))

    def all_of(self, tenant: TenantId) -> Iterator[Attempt]:
        """Yield the attempts of all subjects of a tenant."""
        for ring in self._tenants.get(tenant, {}).values():
            yield from ring

    def _give_way(self, tenant: TenantId, rings: Rings) -> None:
        """Forget one subject: of who came, once it has its share, else of who holds most."""
        if len(rings) == 1 or len(rings) * len(self._tenants) <= SUBJECTS_MAX:
            tenant = max(self._tenants, key=lambda one: len(self._tenants[one]))
        given = self._tenants[tenant]
        given.popitem(last=False)
        self._held -= 1
        if not given:
            del self._tenants[tenant]


class Attempts:
    """The last attempts by the device's name in its tenant, and by where they came from."""

    def __init__(self) -> None:
        self._by_name = _Shares()
        self._by_address = _Shares()

    def add(self, attempt: Attempt) -> None:
        """Remember an attempt."""
        attempt = structs.replace(attempt, claimed=clean_claim(attempt.claimed))
        self._by_name.add(attempt.tenant, attempt.claimed, attempt)
        if not attempt.accepted:
            self._by_address.add(attempt.tenant, _network_of(attempt.peer), attempt)

    def of_device(self, tenant: TenantId, device_id: str) -> list[Attempt]:
        """Return the last attempts in a device's name with a credential of this tenant."""
        return self._by_name.of(tenant, device_id)

    def unproven(self) -> list[Attempt]:
        """Return the last failed attempts that prove nothing, from whichever address."""
        found = self._by_address.all_of(TenantId(""))
        return sorted(found, key=lambda one: one.at, reverse=True)[:PER_SUBJECT]

    def of_address(self, tenant: TenantId, address: str) -> list[Attempt]:
        """Return the last failed attempts from an address (IPv6: its /64); "" is no tenant's."""
        return self._by_address.of(tenant, network_of(address))


def clean_claim(text: str) -> str:
    """Cut and escape what a peer calls itself."""
    return escape_controls(text[:CLAIM_MAX_CHARACTERS])


def _network_of(peer: str) -> str:
    return network_of(address_of(peer))


def address_of(peer: str) -> str:
    """Return the address of `address:port` or `[v6]:port`; a bare address is itself."""
    if peer.startswith("["):
        return peer[1:].partition("]")[0]
    if peer.count(":") == 1:
        return peer.partition(":")[0]
    return peer
