"""A simulated machine: values that wander about their usual, and faults that grow.

It is given a device type's fields and nothing else, so it works for any type. Time is what
the caller says it is; the same seed gives the same values.
"""

import math
import random
from collections.abc import Mapping
from typing import Any

from weft.cli.simulation.faults import Fault
from weft.cli.simulation.generator import DECIMALS, range_of, rounded
from weft.model.device import Field
from weft.registry.fields import fits

SPREAD = 0.02  # of the range, per square root of a second
PULL = 0.05  # back to the usual value, per second
WEAR_DOUBLES_S = 4.0  # bearing wear doubles in so many seconds
HEATS_PER_S = 0.02  # of the range
_WORN = ("vibration", "acceleration", "rms")
_HEATED = ("temperature", "temp")


class Signal:
    """One number that wanders."""

    def __init__(self, key: str, declared: Field, chance: random.Random) -> None:
        low, high = range_of(declared)
        self.key = key
        self.low, self.high = low, high
        self.usual = low + (high - low) * chance.uniform(0.2, 0.4)
        self.value = self.usual
        self._chance = chance
        self._whole = declared.type == "integer"

    def step(self, seconds: float) -> None:
        """Wander for a while."""
        span = self.high - self.low
        noise = self._chance.gauss(0, SPREAD * span) * math.sqrt(min(seconds, 1.0))
        self.value += noise * 0.2 + (self.usual - self.value) * min(1.0, PULL * seconds)

    def read(self, added: float = 0.0, *, free: bool = False) -> float | int:
        """Return the value as the device would send it; `free` lets it leave its range."""
        value = self.value + added
        if free:
            return round(value) if self._whole else round(value, DECIMALS)
        return rounded(value, self.low, self.high, whole=self._whole)


class Machine:
    """One device's values over time."""

    def __init__(self, telemetry: Mapping[str, Field], seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311  repeatable, guards nothing
        self._signals = {
            key: Signal(key, declared, self._chance)
            for key, declared in telemetry.items()
            if declared.type in {"number", "integer"} and not declared.enum
        }
        self._others = {
            key: declared for key, declared in telemetry.items() if key not in self._signals
        }
        self.fault = Fault.NONE
        self._fault_s = 0.0
        self._last: dict[str, Any] = {}

    def steer(self, values: Mapping[str, Any]) -> None:
        """Make values the usual ones of measurements of that name, as far as their range goes."""
        for key, value in values.items():
            signal = self._signals.get(key)
            if signal is not None and fits(value, "number"):
                signal.usual = signal.value = min(max(value, signal.low), signal.high)

    def break_with(self, fault: Fault) -> None:
        """Begin a fault; `Fault.NONE` repairs the machine."""
        self.fault = fault
        self._fault_s = 0.0

    def step(self, seconds: float) -> dict[str, Any] | None:
        """Let time pass and return the values to send; None when it is silent."""
        if self.fault is not Fault.NONE:
            self._fault_s += seconds
        for signal in self._signals.values():
            signal.step(seconds)
        match self.fault:
            case Fault.SILENCE:
                return None
            case Fault.STUCK if self._last:
                return self._last
        values = {key: self._value_of(signal) for key, signal in self._signals.items()}
        values.update({key: self._other(declared) for key, declared in self._others.items()})
        if self.fault is Fault.SENSOR_LOSS and self._signals:
            values.pop(next(iter(self._signals)))
        self._last = values
        return values

    def _value_of(self, signal: Signal) -> float | int:
        span = signal.high - signal.low
        if self.fault is Fault.OUT_OF_RANGE:
            return signal.read(2 * span, free=True)
        if self.fault is Fault.BEARING_WEAR and self._is(signal, _WORN):
            grown = 2 ** (self._fault_s / WEAR_DOUBLES_S) - 1
            return signal.read(0.01 * span * min(grown, 1e6))
        if self.fault is Fault.OVERHEATING and self._is(signal, _HEATED):
            return signal.read(HEATS_PER_S * span * self._fault_s)
        return signal.read()

    def _is(self, signal: Signal, names: tuple[str, ...]) -> bool:
        """Whether the fault shows in this signal; in the first one, if none has such a name."""
        named = [key for key in self._signals if any(name in key.lower() for name in names)]
        return signal.key == (named[0] if named else next(iter(self._signals)))

    def _other(self, declared: Field) -> Any:
        if declared.enum:
            return self._chance.choice(declared.enum)
        match declared.type:
            case "boolean":
                return self._chance.random() < 0.95
            case "string":
                return "ok"[: declared.max_length]
            case "array":
                return []
            case _:
                return {}
