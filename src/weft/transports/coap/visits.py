"""Visits: sessions of who has no identity yet, short, counted, and over with their claim (PR-1).

A visitor has shaken hands with a claim's key. It is no principal and registered nowhere else:
what it may do is decided at each request, and that it may still do it a few times a second.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final, Protocol

from weft.errors import QuotaExceeded
from weft.observability.log import get_logger
from weft.security.attempts import address_of
from weft.security.claim_keys import Visit

log = get_logger(__name__)

VISIT_S: Final = 60.0  # as long as a visitor over MQTT has
VISITS_MAX: Final = 1_000  # then the oldest gives way
PER_CLAIM_MAX: Final = 250  # whoever holds one claim's key ends no other's visits

WhyClosed = Callable[[Visit, str], str]


class Visitor(Protocol):
    """A peer behind DTLS."""

    peer: str

    def __hash__(self) -> int: ...


class Visits:
    """The visits of one listener, oldest first."""

    def __init__(self, now: Callable[[], float], end: Callable[[Any], None]) -> None:
        """`now` is in seconds; `end` says good-bye to a visitor, after which it has left."""
        self._now = now
        self._end = end
        self._open: dict[Visitor, tuple[Visit, float]] = {}
        self._of_claim: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def open(self, visitor: Visitor, visit: Visit) -> None:
        """Let a visitor in; raise `QuotaExceeded` where its claim has enough of them."""
        if self._of_claim[visit.claim_id] >= PER_CLAIM_MAX:
            raise QuotaExceeded(
                f"The claim {visit.claim_id} has {PER_CLAIM_MAX} visitors at once.",
                remedy="Let devices come one after the other: a visit lasts a minute at most.",
            )
        if len(self._open) >= VISITS_MAX:
            self._finish(next(iter(self._open)), "another came")
        self._open[visitor] = (visit, self._now() + VISIT_S)
        self._of_claim[visit.claim_id] += 1

    def leave(self, visitor: Visitor) -> None:
        """Forget a visitor that is gone; asking twice, or of no visitor, changes nothing."""
        found = self._open.pop(visitor, None)
        if found is not None:
            claim_id = found[0].claim_id
            self._of_claim[claim_id] -= 1
            if not self._of_claim[claim_id]:
                del self._of_claim[claim_id]

    def check(self, why_closed: WhyClosed) -> None:
        """End visits whose time or whose claim is over."""
        now = self._now()
        for visitor, (visit, until) in list(self._open.items()):
            why = (
                "its time is over" if now >= until else why_closed(visit, address_of(visitor.peer))
            )
            if why:
                self._finish(visitor, why)

    def _finish(self, visitor: Visitor, why: str) -> None:
        log.debug("coap_visit_ended", peer=visitor.peer, reason=why)
        self._end(visitor)
        self.leave(visitor)


__all__ = ["Visits"]
