"""Seen: deliveries that were made before, by who made them and what they call them.

In memory and bounded: what falls out of it is known by the journal's own window, or is
stored again under the same moments, which history resolves.
"""

from collections import OrderedDict

SEEN_MAX = 10_000


class Seen:
    """The newest deliveries by who made them and what the network calls them."""

    def __init__(self, limit: int = SEEN_MAX) -> None:
        self._limit = limit
        self._seen: OrderedDict[tuple[str, bytes], int] = OrderedDict()

    def find(self, uid: str, delivery: bytes) -> int | None:
        """Return the position of a delivery that was made before."""
        return self._seen.get((uid, delivery))

    def add(self, uid: str, delivery: bytes, position: int) -> None:
        """Note a delivery that is on disk."""
        self._seen[uid, delivery] = position
        if len(self._seen) > self._limit:
            self._seen.popitem(last=False)
