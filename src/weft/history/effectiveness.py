"""Effectiveness: how well a machine was used, in the words of ISO 22400-2:2014.

    planned busy time PBT        the time in which it was to produce (calendar, less what the
                                 type says is not planned)
    actual production time APT   of it, the time in states in which it produces
    produced quantity PQ         what was made in PBT; good quantity GQ of it
    planned run time per item    PRI = 1 / ideal rate

    availability    A = APT / PBT
    effectiveness   E = PRI * PQ / APT       (what many call performance)
    quality ratio   Q = GQ / PQ
    OEE index       A * E * Q  =  PRI * GQ / PBT
    utilisation     APT / all of the time asked for (not of the standard)

Of several machines the times and the quantities are added, not the ratios: a machine that was
planned for an hour weighs an hour. What is not known (no ideal rate, nothing counted, nothing
planned) is None, never 0 or 1.
"""

from collections.abc import Iterable

from msgspec import Struct


class Used(Struct, frozen=True):
    """What was measured of one machine, or of several together: seconds and pieces."""

    span_s: float = 0.0
    planned_s: float = 0.0  # PBT
    producing_s: float = 0.0  # APT
    unknown_s: float = 0.0  # of PBT: no state was heard
    rated_s: float = 0.0  # of APT: of machines whose ideal rate is known
    ideal_s: float | None = None  # PRI * PQ: how long it would have taken at the ideal rate
    produced: float | None = None  # PQ
    judged: float | None = None  # of PQ: where it is known how much was good
    good: float | None = None  # GQ

    @property
    def availability(self) -> float | None:
        """A."""
        return _ratio(self.producing_s, self.planned_s)

    @property
    def effectiveness(self) -> float | None:
        """E."""
        return _ratio(self.ideal_s, self.rated_s)

    @property
    def quality_ratio(self) -> float | None:
        """Q."""
        return _ratio(self.good, self.judged)

    @property
    def utilisation(self) -> float | None:
        """Production time of all time."""
        return _ratio(self.producing_s, self.span_s)

    @property
    def oee(self) -> float | None:
        """The OEE index; None unless all three are known."""
        parts = (self.availability, self.effectiveness, self.quality_ratio)
        known = [part for part in parts if part is not None]
        return known[0] * known[1] * known[2] if len(known) == len(parts) else None


def together(parts: Iterable[Used]) -> Used:
    """Add machines up."""
    total = Used()
    for one in parts:
        total = Used(
            total.span_s + one.span_s,
            total.planned_s + one.planned_s,
            total.producing_s + one.producing_s,
            total.unknown_s + one.unknown_s,
            total.rated_s + one.rated_s,
            _sum(total.ideal_s, one.ideal_s),
            _sum(total.produced, one.produced),
            _sum(total.judged, one.judged),
            _sum(total.good, one.good),
        )
    return total


def _sum(one: float | None, two: float | None) -> float | None:
    if one is None or two is None:
        return two if one is None else one
    return one + two


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole
