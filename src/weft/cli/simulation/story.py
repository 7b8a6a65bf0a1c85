"""A simulated device that lives through its pack's story instead of wandering alone.

What the story gives is sent as it says, what it leaves open wanders as any simulated value.
At the pace of life it begins again at its end; faster, it is told once, with moments that end
when the run began, so that windows and times of rules see it as long as it is.
"""

import random
from collections.abc import Mapping
from typing import Any

from weft.cli.simulation.faults import Fault
from weft.cli.simulation.machine import Machine
from weft.model.device import Field
from weft.packs.simulation import SimulatedDevice, values_at

_NS_PER_MS = 1_000_000


class StoryMachine(Machine):
    """One device of a pack's simulation; `speed` is how much faster than life it is told."""

    def __init__(
        self,
        telemetry: Mapping[str, Field],
        device: SimulatedDevice,
        *,
        lasts_s: float,
        speed: float,
        ends_at: int,
    ) -> None:
        """`ends_at` is the moment (ns) of the story's end where it is told faster than life."""
        super().__init__(telemetry, seed=sum(device.device.encode()))
        self._device = device
        self._scatter = random.Random(device.device)  # noqa: S311  repeatable, guards nothing
        self._lasts_s = lasts_s
        self._speed = speed
        self._begins_at = ends_at - round(lasts_s * 1e9)
        self._at_s = 0.0
        self._told = False

    @property
    def over(self) -> bool:
        """Whether a story that is told once has been told."""
        return self._told

    def step(self, seconds: float) -> dict[str, Any] | None:
        """Let time pass and return what to send; None when the device is silent."""
        at_s = self._at_s
        if self._told:
            return None
        self._at_s += seconds * self._speed
        if self._at_s > self._lasts_s:
            self._told = self._speed > 1
            self._at_s %= self._lasts_s
        wandered = super().step(seconds)
        given = values_at(self._device, at_s, self._scatter)
        if wandered is None or given is None:
            return None
        values = wandered if self.fault is not Fault.NONE else wandered | given
        if self._speed <= 1:
            return values
        ts = (self._begins_at + round(at_s * 1e9)) // _NS_PER_MS
        return {"ts": ts, "values": values}
