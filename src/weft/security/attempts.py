"""Attempts: the last tries of each peer to prove who it is, and why they failed.

"The first connection fails and nothing says why": a peer is never told, so that guessing
learns nothing; its owner reads the reason here. Bounded in memory, nothing on disk; what
was presented is not kept.
"""

from collections import OrderedDict, deque
from itertools import islice

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


class Attempts:
    """The last attempts by subject: a device's name in its tenant, or an address."""

    def __init__(self) -> None:
        self._rings: OrderedDict[tuple[TenantId, str], deque[Attempt]] = OrderedDict()

    def add(self, attempt: Attempt) -> None:
        """Remember an attempt, under its device and under its address."""
        claimed = clean_claim(attempt.claimed)
        kept = structs.replace(attempt, claimed=claimed)
        self._append((attempt.tenant, f"device:{claimed}"), kept)
        self._append((attempt.tenant, f"address:{address_of(attempt.peer)}"), kept)

    def _append(self, subject: tuple[TenantId, str], attempt: Attempt) -> None:
        ring = self._rings.get(subject)
        if ring is None:
            if len(self._rings) >= SUBJECTS_MAX:
                self._rings.popitem(last=False)
            ring = self._rings[subject] = deque(maxlen=PER_SUBJECT)
        else:
            self._rings.move_to_end(subject)
        ring.append(attempt)

    def of_device(self, tenant: TenantId, device_id: str) -> list[Attempt]:
        """Return the last attempts in a device's name with a credential of this tenant."""
        return list(reversed(self._rings.get((tenant, f"device:{device_id}"), ())))

    def of_address(self, tenant: TenantId, address: str) -> list[Attempt]:
        """Return the last attempts from an address; the tenant `""` has those nobody owns."""
        return list(reversed(self._rings.get((tenant, f"address:{address}"), ())))

    def recent(self, tenant: TenantId, limit: int = 100) -> list[Attempt]:
        """Return a tenant's newest attempts of all subjects, newest first."""
        found = (
            attempt
            for (owner, subject), ring in reversed(self._rings.items())
            if owner == tenant and subject.startswith("address:")
            for attempt in reversed(ring)
        )
        newest = sorted(islice(found, limit * PER_SUBJECT), key=lambda a: a.at, reverse=True)
        return newest[:limit]


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
