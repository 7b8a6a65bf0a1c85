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


class Attempts:
    """The last attempts by the device's name in its tenant."""

    def __init__(self) -> None:
        self._rings: OrderedDict[tuple[TenantId, str], deque[Attempt]] = OrderedDict()

    def add(self, attempt: Attempt) -> None:
        """Remember an attempt."""
        claimed = clean_claim(attempt.claimed)
        subject = (attempt.tenant, claimed)
        ring = self._rings.get(subject)
        if ring is None:
            if len(self._rings) >= SUBJECTS_MAX:
                self._rings.popitem(last=False)
            ring = self._rings[subject] = deque(maxlen=PER_SUBJECT)
        else:
            self._rings.move_to_end(subject)
        ring.append(structs.replace(attempt, claimed=claimed))

    def of_device(self, tenant: TenantId, device_id: str) -> list[Attempt]:
        """Return the last attempts in a device's name with a credential of this tenant."""
        return list(reversed(self._rings.get((tenant, device_id), ())))


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
