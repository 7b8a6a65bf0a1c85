"""Messages in memory: the shortest statement of what `Journal` means.

Batches are kept as their encoded bytes, so what is read is what was written, and no
reader shares an envelope with the writer.
"""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from msgspec import msgpack

from weft.errors import Unavailable
from weft.model.message import Batch, Committed, Envelope

_decode = msgpack.Decoder(list[Envelope]).decode


class _Stored(NamedTuple):
    first: int
    length: int
    body: bytes


class MemoryJournal:
    """The one ordered copy of what was admitted, gone with the process."""

    def __init__(self) -> None:
        self._batches: list[_Stored] = []
        self._head = 0
        self._unreleased: dict[str, set[int]] = {}
        self._closed = False

    @property
    def head(self) -> int:
        """Position of the newest message; 0 when there never was one."""
        return self._head

    @property
    def tail(self) -> int:
        """Position of the oldest message still kept; head + 1 when there is none."""
        return self._batches[0].first if self._batches else self._head + 1

    async def append(self, batch: Batch) -> int:
        """Write a batch with its QoS 2 changes; return its first position."""
        self._require_open()
        first = self._head + 1
        if batch.envelopes:
            body = msgpack.encode(batch.envelopes)
            self._batches.append(_Stored(first, len(batch.envelopes), body))
            self._head += len(batch.envelopes)
        for change in batch.qos_two:
            ids = self._unreleased.setdefault(change.session, set())
            (ids.discard if change.released else ids.add)(change.packet_id)
            if not ids:
                del self._unreleased[change.session]
        return first

    async def read(self, after: int, *, until: int | None = None) -> AsyncIterator[Committed]:
        """Yield what was written behind `after`, up to the head of this moment or `until`."""
        self._require_open()
        last = self._head if until is None else min(until, self._head)
        for stored in [*self._batches]:
            if stored.first > last:
                return
            start = max(after + 1 - stored.first, 0)
            envelopes = _decode(stored.body)[start : last + 1 - stored.first]
            if envelopes:
                yield Committed(stored.first + start, envelopes, [None] * len(envelopes))

    async def unreleased(self, session: str) -> Sequence[int]:
        """Return the QoS 2 packet ids of a session that were received and not released."""
        self._require_open()
        return sorted(self._unreleased.get(session, ()))

    async def forget_session(self, session: str) -> None:
        """Drop the QoS 2 ids of a session that has ended."""
        self._require_open()
        self._unreleased.pop(session, None)

    async def trim(self, *, before: int) -> int:
        """Forget messages below position `before`, in whole batches; return the new tail."""
        self._require_open()
        self._batches = [b for b in self._batches if b.first + b.length > before]
        return self.tail

    async def first_after(self, at: int) -> int:
        """Return the first kept position received at or after a moment (head + 1 if none)."""
        async for batch in self.read(0):
            for position, envelope in enumerate(batch.envelopes, batch.first):
                if envelope.received_at >= at:
                    return position
        return self._head + 1

    async def size_bytes(self) -> int:
        """Return what the kept messages take."""
        self._require_open()
        return sum(len(stored.body) for stored in self._batches)

    async def close(self) -> None:
        """Refuse what comes later."""
        self._closed = True

    def _require_open(self) -> None:
        if self._closed:
            raise Unavailable("The journal is closed.", remedy="Try again after the restart.")
