"""Anomaly: how far a sample lies from what is usual for this very device.

`anomaly`, `ewma_score`, `seasonal_score` and `drift` are one feed around a `Detector`; another
way to tell is a class of that port and a line in the table. A score is signed and in spreads
of the device's own past, unknown until there is enough of it. A late sample is
passed over, for what came since has been judged; a second one of the same moment counts.
"""

from typing import Any

from msgspec import UNSET

from weft.errors import Invalid
from weft.rules.feeds.base import (
    NEVER,
    NS_PER_S,
    Cost,
    Feed,
    Function,
    Origin,
    Parameter,
    Settings,
    Takes,
)
from weft.rules.feeds.baselines import KEPT_MAX, Baseline
from weft.rules.feeds.folds import SAMPLE_MAX
from weft.rules.feeds.norms import Detector, Norm
from weft.rules.feeds.seasons import PHASES, Seasons

MEMORY_NS = 7 * 86_400 * NS_PER_S  # machines and people live by the week
WARM = 300  # a spread from so many medians errs by 7 %: 1.17 / sqrt(300)
ROBUST_CLIP = 1.5  # as Huber chose it: a quarter of the past may be faulty
EWMA_WARM = 30  # as control charts have it; its author knows the process
PLAIN_CLIP = 3.0  # an average over nearly everything, and still no sample moves it far
BASELINE_LEAST = 100  # its spread errs by 12 %, once and for all
SEASONS_MIN = 4  # a phase that is seen fewer times within the memory is not learnt
NUMBER_BYTES = 25  # of a double on disk, at most
SEASON_MIN_NS = 60 * NS_PER_S


class Scored:
    """The feed around a detector."""

    __slots__ = ("_at", "_detector", "_told", "due", "ignored")

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._at = -1
        self._told: Any = UNSET
        self.due = NEVER
        self.ignored = 0  # samples that were late or beyond all bounds

    def take(self, at: int, received: int, value: Any) -> Any:
        """Take one sample in; return its score."""
        if at < self._at <= received or not -SAMPLE_MAX < value < SAMPLE_MAX:
            self.ignored += 1
            return self._told
        self._at = at
        score = self._detector.score(at, float(value))
        self._told = UNSET if score is None else score
        return self._told

    def advance(self, now: int) -> Any:  # noqa: ARG002  time alone changes nothing
        """Return the score of the newest sample."""
        return self._told

    def state(self) -> Any:
        """Return what the detector knows and what was told."""
        told = None if self._told is UNSET else self._told
        return [self._at, told, self.ignored, self._detector.state()]

    def restore(self, state: Any) -> Any:
        """Take back what `state` gave."""
        self._at, told, self.ignored, known = state
        self._detector.restore(known)
        self._told = UNSET if told is None else told
        return self._told


def make_anomaly(settings: Settings, _origin: Origin) -> Feed:
    """Make a robust score against the past: level and spread that faults hardly move."""
    memory = settings.get("memory", MEMORY_NS)
    return Scored(Norm(memory, clip=ROBUST_CLIP, warm=WARM))


def make_ewma(settings: Settings, _origin: Origin) -> Feed:
    """Make a score against an exponentially weighted mean and variance."""
    return Scored(Norm(settings["span"], clip=PLAIN_CLIP, warm=EWMA_WARM))


def make_seasonal(settings: Settings, _origin: Origin) -> Feed:
    """Make a score against the same phase of earlier seasons; raise `Invalid` for a short one."""
    season = settings["season"]
    memory = settings.get("memory", max(MEMORY_NS, SEASONS_MIN * season))
    if season < SEASON_MIN_NS:
        raise Invalid(
            "a season lasts a minute at least.", remedy="Write its length, as in 1d or 8h."
        )
    if memory < SEASONS_MIN * season:
        raise Invalid(
            f"the memory holds fewer than {SEASONS_MIN} seasons.",
            remedy="Leave it out, or write a longer one.",
        )
    return Scored(Seasons(season, memory, clip=ROBUST_CLIP, warm=WARM))


def make_drift(settings: Settings, _origin: Origin) -> Feed:
    """Make a score against the first hours alone."""
    return Scored(Baseline(settings["baseline"], least=BASELINE_LEAST))


def norm_cost(settings: Settings) -> Cost:
    """Bound what is kept: the samples of the warm-up, then a handful of numbers."""
    del settings
    return Cost(state_bytes=WARM * NUMBER_BYTES + 512, sample_ns=3_000)


def seasonal_cost(settings: Settings) -> Cost:
    """Bound what is kept: two numbers a phase."""
    del settings
    return Cost(state_bytes=2 * PHASES * NUMBER_BYTES + 512, sample_ns=5_000)


def baseline_cost(settings: Settings) -> Cost:
    """Bound what is kept: the samples of the baseline while it is learned."""
    del settings
    return Cost(state_bytes=KEPT_MAX * NUMBER_BYTES + 512, sample_ns=2_000)


_VALUE = Parameter("value", Takes.NUMBER)

ANOMALIES = (
    Function(
        name="anomaly",
        parameters=(_VALUE, Parameter("memory", Takes.TIME, optional=True)),
        gives="double",
        make=make_anomaly,
        cost=norm_cost,
        doc="How many robust standard deviations a sample lies above (below: less than 0) what"
        " was usual for the device; of the last week, or as long as the memory.",
        example="anomaly(temperature)",
    ),
    Function(
        name="ewma_score",
        parameters=(_VALUE, Parameter("span", Takes.TIME)),
        gives="double",
        make=make_ewma,
        cost=norm_cost,
        doc="How many standard deviations a sample lies above the exponentially weighted mean"
        " of so long a time.",
        example="ewma_score(temperature, 1h)",
    ),
    Function(
        name="seasonal_score",
        parameters=(
            _VALUE,
            Parameter("season", Takes.TIME),
            Parameter("memory", Takes.TIME, optional=True),
        ),
        gives="double",
        make=make_seasonal,
        cost=seasonal_cost,
        doc="The same as anomaly, against what was usual at this time of the day, or of"
        " another season.",
        example="seasonal_score(temperature, 1d)",
    ),
    Function(
        name="drift",
        parameters=(_VALUE, Parameter("baseline", Takes.TIME)),
        gives="double",
        make=make_drift,
        cost=baseline_cost,
        doc="How many robust standard deviations a sample lies above what was usual in the"
        " device's first while, which is learned once and kept.",
        example="drift(vibration, 1d)",
    ),
)
