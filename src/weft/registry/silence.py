"""Silence: presence of devices that only ever send, as those do that are behind LoRaWAN or POST.

Such a device has no connection that could end. It is there from the first time that it is
heard until it has been silent for as long as the settings allow, those of its gateway or of
the way that it came by; the spell then ends, and says so. A spell also ends when the device is
deleted, taken out of service or given to another gateway. There is one entry for each device
and way, however often it is heard.
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

Key = tuple[DeviceUid, bool]  # and whether it was heard by way of a gateway


class _Heard(Struct):
    gateway: Device | None  # None: by itself
    child: Device
    until: int  # ns: silent from then on
    silence_s: float
    number: int  # of its entry in the heap


class Silences:
    """Who was heard, and until when that counts."""

    def __init__(self, presence: Presence, clock: Clock) -> None:
        self._presence = presence
        self._clock = clock
        self._heard: dict[Key, _Heard] = {}
        self._due: list[tuple[int, int, Key]] = []  # a heap with one entry for each
        self._numbers = count(1)

    def heard(
        self, gateway: Device, child: Device, protocol: str, *, at: int, silence_s: float
    ) -> None:
        """Take note that a device was heard at a moment (ns) by way of its gateway."""
        until = at + round(silence_s * NS_PER_S)
        if until <= self._clock.now() or child.lifecycle is not Lifecycle.ACTIVE:
            return
        self._presence.child_heard(gateway, child, protocol, at)
        self._keep(gateway, child, until, silence_s)

    def heard_itself(
        self, device: Device, protocol: str, peer: str, *, at: int, silence_s: float
    ) -> None:
        """Take note that a device was heard at a moment (ns), without a connection that lasts."""
        until = at + round(silence_s * NS_PER_S)
        if until <= self._clock.now() or device.lifecycle is not Lifecycle.ACTIVE:
            return
        self._presence.heard_itself(device, protocol, peer, at)
        self._keep(None, device, until, silence_s)

    def _keep(self, gateway: Device | None, child: Device, until: int, silence_s: float) -> None:
        key = (child.uid, gateway is not None)
        known = self._heard.get(key)
        if known is None:
            known = _Heard(gateway, child, until, silence_s, next(self._numbers))
            self._heard[key] = known
            heapq.heappush(self._due, (until, known.number, key))
        elif until > known.until:
            known.until, known.silence_s = until, silence_s
            known.gateway, known.child = gateway, child

    def changed(self, change: DeviceChange) -> None:
        """End the spell of a device that is deleted, out of service or another gateway's."""
        old, new = change.old, change.new
        if old is None:
            return
        for through in (False, True):
            known = self._heard.get((old.uid, through))
            if known is None:
                continue
            if new is None:
                self._end(known, "the device was deleted")
            elif new.lifecycle is not Lifecycle.ACTIVE:
                self._end(known, f"the device is {new.lifecycle}")
            elif known.gateway is not None and new.gateway != known.gateway.uid:
                self._end(known, "it has another gateway")

    def sweep(self) -> None:
        """End the spells of those that have been silent for too long; call now and then."""
        now = self._clock.now()
        while self._due and self._due[0][0] <= now:
            _, number, key = heapq.heappop(self._due)
            known = self._heard.get(key)
            if known is None or known.number != number:
                continue  # ended meanwhile, and perhaps heard again
            if known.until > now:
                heapq.heappush(self._due, (known.until, number, key))
            else:
                self._end(known, f"nothing was heard of it for {_spoken(known.silence_s)}")

    def _end(self, known: _Heard, reason: str) -> None:
        del self._heard[known.child.uid, known.gateway is not None]
        if known.gateway is None:
            self._presence.fell_silent(known.child, reason)
        else:
            self._presence.child_left(known.gateway, known.child, reason)


def _spoken(silence_s: float) -> str:
    return f"{silence_s / 3600:g} h" if silence_s >= 3600 else f"{silence_s:g} s"
