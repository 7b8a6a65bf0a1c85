"""Requests: what a device wants changed in its twin, both sides at once, or not at all.

A request stands in the journal before its sender hears of it, and is done behind it, in one
transaction and as one version. What became of it is stored with what it changed: whoever
does it again after a crash finds it done, and learns how it ended. So it is done once, though
it may be told twice.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from msgspec import Struct, field

from weft.errors import Conflict, PeerError
from weft.model.ids import DeviceId, TenantId
from weft.model.message import RejectionReason
from weft.model.twin import Properties
from weft.ports import Kind

Key = tuple[TenantId, DeviceId]


class TwinRequest(Struct, frozen=True):
    """What is wanted of a twin's two sides; the patches are merged (RFC 7396)."""

    device_id: DeviceId
    position: int  # in the journal, of the message that asked for it
    received_at: int  # ns
    reported: Properties = field(default_factory=dict)
    desired: Properties = field(default_factory=dict)
    version: int | None = None  # of the whole twin, if it is to be no other
    refused: RejectionReason | None = None  # it is not to be done, and remembered as refused


class Settled(Struct, frozen=True):
    """What became of a device's newest request."""

    position: int
    version: int  # of the whole twin behind it
    reported: Properties = field(default_factory=dict)  # what was merged
    refused: RejectionReason | None = None


SETTLED: Kind[Settled] = Kind("twin_request", Settled)


def reason_of(error: PeerError) -> RejectionReason:
    """Return an error in the words that are stored."""
    return RejectionReason(error.code, error.detail, error.remedy)


def refusal_of(request: TwinRequest, version: int) -> RejectionReason | None:
    """Return why a request is not done on a twin at `version`, or None."""
    if request.refused is None and request.version not in (None, version):
        return reason_of(
            Conflict(
                f"Version conflict: the twin is at version {version}.",
                remedy="Read it again and repeat the change on it.",
            )
        )
    return request.refused


class Settling:
    """Which twins a request is about to change: they are stored by its transaction alone.

    A copy taken before it and written behind it would undo what is on disk.
    """

    def __init__(self) -> None:
        self._busy: dict[Key, asyncio.Event] = {}

    @asynccontextmanager
    async def alone(self, key: Key) -> AsyncIterator[None]:
        """Have a twin to oneself inside the context."""
        await self.wait([key])
        done = self._busy[key] = asyncio.Event()
        try:
            yield
        finally:
            del self._busy[key]
            done.set()
        await asyncio.sleep(0)  # whoever waits has its turn before the next request

    async def wait(self, keys: Iterable[Key]) -> None:
        """Wait until none of some twins is about to change; one that waits must act at once."""
        while busy := [self._busy[key] for key in keys if key in self._busy]:
            await busy[0].wait()
