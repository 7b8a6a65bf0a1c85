"""Positions: how far a projection has followed the journal, and how much of that is on disk.

A projection applies a batch at once and stores what came of it later; its position goes to
disk behind all that leads to it. After a crash the journal is read again from there.
"""

from typing import Final

from weft.model.ids import TenantId
from weft.ports import Kind, Reader, Records

PLATFORM: Final = TenantId("")
POSITION: Final = Kind("projection", int)


class Positioned:
    """A projection with its position; each has a name of its own."""

    name: str
    _applied = 0
    _durable = 0

    @property
    def position(self) -> int:
        """Durable position."""
        return self._durable

    @property
    def backlog(self) -> int:
        """Messages whose effect is not stored yet."""
        return self._applied - self._durable

    def _read_position(self, reader: Reader) -> None:
        """Go on from where the disk is; call once, while loading."""
        record = reader.find(POSITION, PLATFORM, self.name)
        self._applied = self._durable = record.value if record else 0

    async def _store_position(self, records: Records, applied: int) -> None:
        """Store a position; all that leads to it must be on disk already."""
        await records.write(lambda w: w.put(POSITION, PLATFORM, self.name, applied))
        self._durable = applied
