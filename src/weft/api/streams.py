"""Streams: what one reader of `live` is still to be sent.

A reader that is slow does not slow anyone else: beyond its queue events are dropped, and
the reader is told in their place which positions it missed and where to read them again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

import msgspec
from msgspec import Struct

from weft.api import metrics
from weft.model.message import Operation, Route
from weft.model.principal import Principal
from weft.ports import Deciding

QUEUE_MAX_BYTES = 8 * 1024 * 1024  # that a slow reader may lag behind, as a session of MQTT
ROUTES_MAX = 10_000  # verdicts kept per stream; one a device and topic

# Kinds of live events and what the policy is asked for each.
KINDS: dict[str, str] = {
    "telemetry": "telemetry.read",
    "reported": "twin.read",
    "event": "telemetry.read",
    "command_result": "command.read",
    "rejection": "rejection.read",
    "twin": "twin.read",
    "property": "twin.read",
    "command": "command.read",
    "connection": "connection.read",
    "asset": "asset.read",
    "alarm": "alarm.read",
    "work_order": "work_order.read",
    "quarantine": "quarantine.read",
}

KIND_OF: dict[Operation, str] = {
    Operation.TELEMETRY: "telemetry",
    Operation.REPORTED: "reported",
    Operation.EVENT: "event",
    Operation.COMMAND_RESULT: "command_result",
    Operation.REJECTED: "rejection",
}

# Kinds that are in the journal, and so can be sent again from any position.
JOURNALED = frozenset(KIND_OF.values())


class Filter(Struct, frozen=True):
    """What a reader wants to see; empty means all."""

    kinds: frozenset[str] = frozenset(KINDS)
    devices: frozenset[str] = frozenset()

    def wants(self, kind: str, device_id: str) -> bool:
        """Tell whether an event is asked for."""
        return kind in self.kinds and (not self.devices or device_id in self.devices)


class Gap(Struct, frozen=True):
    """What a reader has missed, and where it can read it."""

    reason: str
    missed: int
    first_position: int
    last_position: int
    remedy: str


_encode = msgspec.json.Encoder().encode


def frame(kind: str, position: int, data: bytes) -> bytes:
    """Write one server-sent event (HTML, 9.2); `data` is JSON and so holds no line break."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (position, kind.encode(), data)


def gap_frame(gap: Gap) -> bytes:
    """Write the event that says what was missed."""
    return frame("gap", gap.last_position, _encode(gap))


class Stream:
    """One open reader."""

    def __init__(
        self, principal: Principal, wanted: Filter, policy: Deciding, *, queue: int
    ) -> None:
        self.principal = principal
        self.wanted = wanted
        self.after = 0  # events up to here were read from the journal
        self._policy = policy
        self._version = -1
        self._verdicts: dict[Route, bool] = {}
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._limit = queue
        self._wake = asyncio.Event()
        self._missed: tuple[int, int, int] | None = None  # how many, from, to
        self._end: bytes | None = None
        self.ended = asyncio.Event()

    def wants_route(self, route: Route) -> bool:
        """Tell whether messages of a route are asked for and allowed, now."""
        if self._version != self._policy.version or len(self._verdicts) > ROUTES_MAX:
            self._verdicts.clear()
            self._version = self._policy.version
        verdict = self._verdicts.get(route)
        if verdict is None:
            kind = KIND_OF.get(route.operation)
            verdict = (
                kind is not None
                and route.tenant == self.principal.tenant
                and self.wants(kind, route.device_id)
            )
            self._verdicts[route] = verdict
        return verdict

    def wants(self, kind: str, device_id: str) -> bool:
        """Tell whether an event is asked for and allowed, now."""
        if not self.wanted.wants(kind, device_id):
            return False
        target = f"device:{device_id}" if device_id else "*"
        decide = self._policy.decide
        return (
            decide(self.principal, "live.read", target).allowed
            and decide(self.principal, KINDS[kind], target).allowed
        )

    def put(self, position: int, data: bytes) -> None:
        """Queue an event, or count it as missed."""
        full = len(self._queue) >= self._limit or self._bytes >= QUEUE_MAX_BYTES
        if self._missed is not None or full:
            missed, first, _ = self._missed or (0, position, position)
            self._missed = (missed + 1, first, position)
            metrics.STREAM_GAPS.inc()
        else:
            self._queue.append(data)
            self._bytes += len(data)
        self._wake.set()

    def close(self, reason: str) -> None:
        """End the stream with a last word."""
        self._end = b"event: end\ndata: " + _encode({"reason": reason}) + b"\n\n"
        self.ended.set()
        self._wake.set()

    async def events(self, heartbeat_s: float) -> AsyncGenerator[bytes, None]:
        """Yield what is queued, joined; a comment when nothing happens for a while."""
        while self._end is None:
            try:
                async with asyncio.timeout(heartbeat_s):
                    await self._wake.wait()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            self._wake.clear()
            if chunk := self._take():
                yield chunk
        yield self._end

    def _take(self) -> bytes:
        frames = list(self._queue)
        self._queue.clear()
        self._bytes = 0
        if self._missed is not None:
            missed, first, last = self._missed
            self._missed = None
            remedy = "Read /api/v1/history from the moment of the last event before this one."
            frames.append(gap_frame(Gap("The reader was too slow.", missed, first, last, remedy)))
        return b"".join(frames)
