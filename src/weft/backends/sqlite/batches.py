"""Batches as rows: encoded, chained by checksum, and read back only when whole.

A batch's checksum has two halves: one over its first position, length and body, by which it
verifies on its own, and one over that and the batch before, so that a batch changed, lost,
added or moved breaks the chain. An empty body stands for positions that a repair dropped.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import Any

from msgspec import DecodeError, msgpack

from weft.backends.sqlite.faults import REPAIR
from weft.errors import Damaged
from weft.model.message import Committed, Envelope, Route

HALF_BYTES = 16

Row = tuple[int, int, bytes, bytes]  # first, length, body, checksum

encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(list[Envelope]).decode
_fields = attrgetter(*Route.__struct_fields__)


def checksum_of(first: int, length: int, body: bytes, before: bytes) -> bytes:
    """Return what a batch's checksum must be, given that of the batch before."""
    digest = blake2b(first.to_bytes(8, "big") + length.to_bytes(8, "big"), digest_size=HALF_BYTES)
    digest.update(body)
    own = digest.digest()
    return own + blake2b(own + before[-HALF_BYTES:], digest_size=HALF_BYTES).digest()


def is_whole(row: Row) -> bool:
    """Tell whether a batch is what was written, wherever it stands."""
    first, length, body, checksum = row
    return checksum_of(first, length, body, b"")[:HALF_BYTES] == checksum[:HALF_BYTES]


class Routes:
    """One object per route, so that what is cached per route holds while reading back.

    At most `limit` are kept: beyond it all are forgotten, and the caches start again.
    """

    def __init__(self, limit: int = 65_536) -> None:
        self._limit = limit
        self._known: dict[Any, Route] = {}

    def share(self, envelopes: Iterable[Envelope]) -> None:
        """Replace equal routes by the same object."""
        known = self._known
        if len(known) > self._limit:
            known.clear()
        for envelope in envelopes:
            route = envelope.route
            envelope.route = known.setdefault(_fields(route), route)


class Chain:
    """Follows the batches in order and refuses the first that is not what was written."""

    def __init__(self, next_first: int, before: bytes, routes: Routes) -> None:
        self.next_first = next_first
        self.before = before
        self._routes = routes

    def require(self, row: Row) -> None:
        """Raise `Damaged` unless this row is the next one of the chain, as it was written."""
        first, length, body, checksum = row
        if first != self.next_first:
            raise Damaged(
                f"The journal has no positions {self.next_first} to {first - 1}.", remedy=REPAIR
            )
        if checksum_of(first, length, body, self.before) != checksum:
            raise damaged_batch(first, length)
        self.next_first = first + length
        self.before = checksum

    def decode(self, rows: Sequence[Row]) -> list[Committed]:
        """Verify rows and turn them into batches."""
        batches = []
        for row in rows:
            self.require(row)
            if not row[2]:
                continue
            try:
                envelopes = _decode(row[2])
            except DecodeError as error:
                raise damaged_batch(row[0], row[1]) from error
            self._routes.share(envelopes)
            batches.append(Committed(row[0], envelopes, [None] * len(envelopes)))
        return batches


def damaged_batch(first: int, length: int) -> Damaged:
    """Name the positions whose batch, or the one before it, is not what was written."""
    return Damaged(
        f"The journal's positions {first} to {first + length - 1} are not what was written.",
        remedy=REPAIR,
    )


def part_of(batch: Committed, after: int, last: int) -> Committed:
    """Return the part of a batch behind `after` and not behind `last`."""
    if batch.first > after and batch.last <= last:
        return batch
    start = max(after + 1 - batch.first, 0)
    envelopes = batch.envelopes[start : max(last + 1 - batch.first, 0)]
    return Committed(batch.first + start, envelopes, [None] * len(envelopes))
