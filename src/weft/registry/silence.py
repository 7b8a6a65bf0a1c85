"""Silence: presence of devices that only ever send, as LoRaWAN devices do.

Such a device has no connection that could end. It is there from the first time that it is
heard until it has been silent for as long as its gateway's settings allow; the spell then
ends, and says so. A spell also ends when the device is deleted, taken out of service or given
to another gateway.
"""

import heapq
from itertools import count

from msgspec import Struct

from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceUid
from weft.model.moments import NS_PER_S
from weft.ports import Clock
from weft.registry.devices import DeviceChange
from weft.registry.presence import Presence


class _Heard(Struct):
    gateway: Device
    child: Device
    until: int  # ns: silent from then on
    silence_s: float
    number: int  # of its entry in the heap


class Silences:
    """Who was heard, and until when that counts."""

    def __init__(self, presence: Presence, clock: Clock) -> None:
        self._presence = presence
        self._clock = clock
        self._heard: dict[DeviceUid, _Heard] = {}
        self._due: list[tuple[int, int, DeviceUid]] = []  # a heap with one entry for each
        self._numbers = count(1)

    def heard(
        self, gateway: Device, child: Device, protocol: str, *, at: int, silence_s: float
    ) -> None:
        """Take note that a device was heard at a moment (ns) by way of its gateway."""
        until = at + round(silence_s * NS_PER_S)
        if until <= self._clock.now() or child.lifecycle is not Lifecycle.ACTIVE:
            return
        self._presence.child_heard(gateway, child, protocol, at)
        known = self._heard.get(child.uid)
        if known is None:
            known = _Heard(gateway, child, until, silence_s, next(self._numbers))
            self._heard[child.uid] = known
            heapq.heappush(self._due, (until, known.number, child.uid))
        elif until > known.until:
            known.until, known.silence_s = until, silence_s
            known.gateway, known.child = gateway, child

    def changed(self, change: DeviceChange) -> None:
        """End the spell of a device that is deleted, out of service or another gateway's."""
        old, new = change.old, change.new
        known = self._heard.get(old.uid) if old is not None else None
        if known is None:
            return
        if new is None:
            self._end(known, "the device was deleted")
        elif new.lifecycle is not Lifecycle.ACTIVE:
            self._end(known, f"the device is {new.lifecycle}")
        elif new.gateway != known.gateway.uid:
            self._end(known, "it has another gateway")

    def sweep(self) -> None:
        """End the spells of those that have been silent for too long; call now and then."""
        now = self._clock.now()
        while self._due and self._due[0][0] <= now:
            _, number, uid = heapq.heappop(self._due)
            known = self._heard.get(uid)
            if known is None or known.number != number:
                continue  # ended meanwhile, and perhaps heard again
            if known.until > now:
                heapq.heappush(self._due, (known.until, number, uid))
            else:
                self._end(known, f"nothing was heard of it for {_spoken(known.silence_s)}")

    def _end(self, known: _Heard, reason: str) -> None:
        del self._heard[known.child.uid]
        self._presence.child_left(known.gateway, known.child, reason)


def _spoken(silence_s: float) -> str:
    return f"{silence_s / 3600:g} h" if silence_s >= 3600 else f"{silence_s:g} s"
