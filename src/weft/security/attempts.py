"""Attempts: the last tries to connect in each device's name, and why they failed.

"The first connection fails and nothing says why": a peer is never told, so that guessing
learns nothing; its owner reads the reason here. Bounded in memory, nothing on disk; what
was presented is not kept.
"""

from collections import OrderedDict, deque

from msgspec import Struct, structs

from weft.model.ids import TenantId
from weft.observability.log import escape_controls

PER_SUBJECT = 16
SUBJECTS_MAX = 4_096
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


Rings = OrderedDict[tuple[TenantId, str], deque[Attempt]]


class Attempts:
    """The last attempts by the device's name in its tenant, and by where they came from."""

    def __init__(self) -> None:
        self._by_name: Rings = OrderedDict()
        self._by_address: Rings = OrderedDict()

    def add(self, attempt: Attempt) -> None:
        """Remember an attempt."""
        attempt = structs.replace(attempt, claimed=clean_claim(attempt.claimed))
        _remember(self._by_name, (attempt.tenant, attempt.claimed), attempt)
        if not attempt.accepted:
            _remember(self._by_address, (attempt.tenant, address_of(attempt.peer)), attempt)

    def of_device(self, tenant: TenantId, device_id: str) -> list[Attempt]:
        """Return the last attempts in a device's name with a credential of this tenant."""
        return list(reversed(self._by_name.get((tenant, device_id), ())))

    def unproven(self) -> list[Attempt]:
        """Return the last failed attempts that prove nothing, from whichever address."""
        found = [
            attempt
            for (tenant, _), ring in self._by_address.items()
            if not tenant
            for attempt in ring
        ]
        return sorted(found, key=lambda one: one.at, reverse=True)[:PER_SUBJECT]

    def of_address(self, tenant: TenantId, address: str) -> list[Attempt]:
        """Return the last failed attempts from an address; a tenant of "" has proven none."""
        return list(reversed(self._by_address.get((tenant, address), ())))


def _remember(rings: Rings, subject: tuple[TenantId, str], attempt: Attempt) -> None:
    ring = rings.get(subject)
    if ring is None:
        if len(rings) >= SUBJECTS_MAX:
            rings.popitem(last=False)
        ring = rings[subject] = deque(maxlen=PER_SUBJECT)
    else:
        rings.move_to_end(subject)
    ring.append(attempt)


def clean_claim(text: str) -> str:
    """Cut and escape what a peer calls itself."""
    return escape_controls(text[:CLAIM_MAX_CHARACTERS])


def address_of(peer: str) -> str:
    """Return the address of `address:port` or `[v6]:port`; a bare address is itself."""
    if peer.startswith("["):
        return peer[1:].partition("]")[0]
    if peer.count(":") == 1:
        return peer.partition(":")[0]
    return peer
